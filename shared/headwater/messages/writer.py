"""Writes Singer messages: encoded a page at a time, buffered, flushed when it matters."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from headwater.errors import OutputClosedError
from headwater.messages.json import encode, encode_lines

FLUSH_BYTES = 256 * 1024
FLUSH_SECONDS = 1.0


class MessageWriter:
    """Singer messages onto a binary stream.

    Records of one page are encoded in one call and one buffer; the buffer is flushed at a
    STATE, when it holds `FLUSH_BYTES`, and by a timer when a second has passed, so a slow
    stream still flows.

    Args:
        stream: Where to write; by default whatever `sys.stdout` is at the first message.

    Raises:
        OutputClosedError: the reader of the stream is gone (any method that writes).
    """

    def __init__(self, stream: BinaryIO | None = None):
        self._given = stream
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._flushed_at = time.monotonic()
        self._timer: threading.Thread | None = None
        self._closed = threading.Event()
        self._fault: OutputClosedError | None = None

    def write_schema(
        self,
        stream: str,
        schema: Mapping[str, Any],
        key_properties: Sequence[str],
        bookmark_properties: Sequence[str] = (),
    ) -> None:
        """Write a SCHEMA message."""
        message: dict[str, Any] = {
            "type": "SCHEMA",
            "stream": stream,
            "schema": schema,
            "key_properties": list(key_properties),
        }
        if bookmark_properties:
            message["bookmark_properties"] = list(bookmark_properties)
        self._write(encode(message) + b"\n")

    def write_records(
        self,
        stream: str,
        records: list[dict[str, Any]],
        *,
        time_extracted: str | None = None,
        version: int | None = None,
    ) -> None:
        """Write a RECORD message for each record.

        Args:
            stream: The stream's name.
            records: Records made of JSON's own types, `Decimal` and `datetime`.
            time_extracted: When they were fetched, in RFC 3339.
            version: The table version of ACTIVATE_VERSION.
        """
        if not records:
            return
        envelope: dict[str, Any] = {"type": "RECORD", "stream": stream}
        if version is not None:
            envelope["version"] = version
        if time_extracted:
            envelope["time_extracted"] = time_extracted
        prefix = encode(envelope)[:-1] + b',"record":'
        try:
            # JSON has no raw newline, so every newline here ends a record
            lines = encode_lines(records).replace(b"\n", b"}\n" + prefix)[: -len(prefix)]
        except (UnicodeEncodeError, OverflowError, TypeError):
            lines = (b"}\n" + prefix).join(map(encode, records)) + b"}\n"
        self._write(prefix, lines)

    def write_state(self, value: Mapping[str, Any]) -> None:
        """Write a STATE message, and flush."""
        self._write(b'{"type":"STATE","value":' + encode(value) + b"}\n")
        self.flush()

    def write_activate_version(self, stream: str, version: int) -> None:
        """Write an ACTIVATE_VERSION message."""
        message = {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}
        self._write(encode(message) + b"\n")

    def write_message(self, message: Mapping[str, Any]) -> None:
        """Write any other Singer message."""
        self._write(encode(message) + b"\n")

    def flush(self) -> None:
        """Hand everything that is buffered to the operating system."""
        with self._lock:
            self._flush()

    def close(self) -> None:
        """Flush, and stop the timer."""
        self._closed.set()
        self.flush()

    def _write(self, *parts: bytes) -> None:
        with self._lock:
            for part in parts:
                self._buffer += part
            if len(self._buffer) >= FLUSH_BYTES:
                self._flush()
        if self._timer is None and self._given is not None:
            self._timer = threading.Thread(target=self._flush_by_age, daemon=True)
            self._timer.start()

    def _flush(self) -> None:
        if self._fault:
            raise self._fault
        self._flushed_at = time.monotonic()
        if not self._buffer:
            return
        stream: BinaryIO = self._given or sys.stdout.buffer
        view = memoryview(bytes(self._buffer))
        self._buffer.clear()
        try:
            while view:
                written = stream.write(view)
                view = view[written:]
            stream.flush()
        except (BrokenPipeError, ValueError) as fault:
            self._fault = OutputClosedError("the reader of standard output closed it.")
            raise self._fault from fault

    def _flush_by_age(self) -> None:
        while not self._closed.wait(FLUSH_SECONDS):
            with self._lock:
                if time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
                    # the next write raises it where it can be handled
                    with contextlib.suppress(OutputClosedError):
                        self._flush()
