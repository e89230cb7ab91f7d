"""Runs several producers at once, and hands on what they make in order, in bounded memory."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Work = TypeVar("Work")
Item = TypeVar("Item")

PAGES_AHEAD = 4


class _Lane(Generic[Item]):
    """One producer on a thread of its own, at most some items ahead of its consumer."""

    def __init__(self, produce: Callable[[], Iterator[Item]], stop: threading.Event):
        self._items: queue.Queue[tuple[str, Item | BaseException | None]] = queue.Queue(PAGES_AHEAD)
        self._produce = produce
        self._stop = stop
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            for item in self._produce():
                if not self._put(("item", item)):
                    return
            self._put(("end", None))
        except BaseException as fault:  # noqa: BLE001  raised again by the consumer
            self._put(("fault", fault))

    def _put(self, entry: tuple[str, Item | BaseException | None]) -> bool:
        while not self._stop.is_set():
            try:
                self._items.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[Item]:
        while True:
            kind, value = self._items.get()
            if kind == "fault":
                assert isinstance(value, BaseException)  # noqa: S101  what _run put there
                raise value
            if kind == "end":
                return
            yield value  # type: ignore[misc]


def in_order(
    works: Iterable[Work], produce: Callable[[Work], Iterator[Item]], concurrency: int
) -> Iterator[tuple[Work, Iterator[Item]]]:
    """Yield each work with an iterator of what it produces, in the order of the works.

    With a concurrency over 1, that many works are under way at once.
    """
    if concurrency <= 1:
        for work in works:
            yield work, produce(work)
        return
    stop = threading.Event()
    lanes: deque[tuple[Work, _Lane[Item]]] = deque()
    pending = iter(works)

    def fill() -> None:
        while len(lanes) < concurrency:
            try:
                work = next(pending)
            except StopIteration:
                return
            lanes.append((work, _Lane(lambda work=work: produce(work), stop)))  # type: ignore[misc]

    try:
        fill()
        while lanes:
            work, lane = lanes[0]
            yield work, iter(lane)
            lanes.popleft()
            fill()
    finally:
        stop.set()
