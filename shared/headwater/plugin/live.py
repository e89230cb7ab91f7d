"""How far a run is: a line on a terminal, or numbers for the process that started us."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

VARIABLE = "HEADWATER_PROGRESS"
MARK = "\x1e"  # begins a line of numbers among the log's lines
SECONDS = 0.5


class Live:
    """Shows progress twice a second while a run goes on.

    Args:
        numbers: Says how far the run is: names and numbers, for whoever set `VARIABLE`.
        line: Says the same in words; None: nothing is shown on a terminal.
    """

    def __init__(self, numbers: Callable[[], Mapping[str, Any]], line: Callable[[], str] | None):
        self._numbers = numbers
        self._line = line
        self._for_process = bool(os.environ.get(VARIABLE))
        self._for_person = not self._for_process and line is not None and sys.stderr.isatty()
        self._done = threading.Event()

    def __enter__(self) -> Live:
        if self._for_process or self._for_person:
            threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._for_person:
            sys.stderr.write("\r\x1b[K")
        if self._for_process:
            self._show()

    def _run(self) -> None:
        while not self._done.wait(SECONDS):
            self._show()

    def _show(self) -> None:
        if self._for_process:
            sys.stderr.write(f"{MARK}{json.dumps(self._numbers())}\n")
        elif self._line is not None:
            sys.stderr.write(f"\r\x1b[K{self._line()}")
        sys.stderr.flush()
