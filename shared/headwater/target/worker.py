"""Loads on a thread of its own, in order: while one batch loads, the next one is read."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


class Worker:
    """Does jobs one after the other; whoever has the next one waits until the last is done.

    So one batch loads and one is filled, and no third one takes memory.

    After a job has failed no other is begun, and its error is raised by whoever asks next.
    """

    def __init__(self) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue(1)
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None

    def submit(self, job: Job) -> None:
        """Have a job done after those before it."""
        self.wait()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="loading", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def wait(self) -> None:
        """Return when all jobs are done."""
        if self._thread is not None:
            self._jobs.join()
        if self._fault is not None:
            raise self._fault

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                if job is not None and self._fault is None:
                    job()
            except BaseException as fault:  # noqa: BLE001  raised again by the main thread
                self._fault = fault
            finally:
                job = None  # and with it the batch that it has loaded
                self._jobs.task_done()
