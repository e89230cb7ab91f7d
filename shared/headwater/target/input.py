"""The tap's end of the pipe: reading can be interrupted, what is read is finished first."""

from __future__ import annotations

import os
import select
from typing import BinaryIO

from headwater.plugin.command import Stop


class PipeInput:
    """A binary stream whose reads return early, and end at a signal.

    Args:
        stream: The stream.
        stop: What a signal sets.
        idle_seconds: How long a read waits before it returns None.

    Raises:
        Terminated: a signal came (from `read1`, never in the middle of other work).
    """

    def __init__(self, stream: BinaryIO, stop: Stop, idle_seconds: float):
        self._stop = stop
        self._idle_seconds = idle_seconds
        self._file = stream.fileno()

    def read1(self, size: int) -> bytes | None:
        """Return what is there, b"" at the end, None where nothing came for a while."""
        with self._stop.at_once():
            if not select.select([self._file], [], [], self._idle_seconds)[0]:
                return None
            return self._read_all_there_is(size)

    def _read_all_there_is(self, size: int) -> bytes:
        parts = [os.read(self._file, size)]
        got = len(parts[0])
        # a pipe hands out little at a time; a larger block is decoded faster
        while parts[-1] and got < size and select.select([self._file], [], [], 0)[0]:
            parts.append(os.read(self._file, size - got))
            got += len(parts[-1])
        return b"".join(parts)
