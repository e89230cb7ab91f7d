"""Reads Singer messages as bytes, and keeps runs of alike RECORD lines together.

A tap writes thousands of RECORD lines of one stream in a row, each with the same first
bytes. The reader finds such runs by those bytes alone, so that a whole run can be decoded
in one call by a decoder compiled for its stream; everything else is decoded line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from headwater.errors import MessageError
from headwater.messages.json import DecodeError, decode_exact, decode_lines_exact

CHUNK_BYTES = 1024 * 1024
EXCERPT = 120
WHOLE_BLOCK_TRIES = 4  # counting a whole block pays off when it is one run, not when streams mix

# the start of a RECORD line whose stream name needs no unescaping
RECORD_START = re.compile(
    rb'\s*\{\s*"type"\s*:\s*"RECORD"\s*,\s*"stream"\s*:\s*"([^"\\]+)"\s*,\s*"'
)


@dataclass(frozen=True)
class RecordRun:
    """Consecutive RECORD lines of one stream, undecoded.

    Args:
        stream: The stream's name.
        lines: The bytes of the lines, each ended by a newline.
        count: How many lines.
    """

    stream: str
    lines: bytes
    count: int

    def decoded(self) -> list[Any]:
        """Return the messages.

        Raises:
            MessageError: a line is not JSON.
        """
        try:
            return decode_lines_exact(self.lines)
        except DecodeError as fault:
            raise MessageError(
                f"a RECORD line is not JSON: {fault}.", stream=self.stream
            ) from fault


class MessageReader:
    """Singer messages from a binary stream.

    Iterating yields a `RecordRun` for RECORD lines, a decoded `dict` for others, and None
    where the stream's `read1` returned None: nothing came for a while.

    Raises:
        MessageError: a line is not a message; it names the line's number.
    """

    def __init__(self, stream: BinaryIO, chunk_bytes: int = CHUNK_BYTES):
        self._stream = stream
        self._chunk_bytes = chunk_bytes
        self.line_number = 0

    def __iter__(self) -> Iterator[RecordRun | dict[str, Any] | None]:
        for block in self._blocks():
            if block is None:
                yield None
            else:
                yield from self._messages(block)

    def _blocks(self) -> Iterator[bytes | None]:
        """Yield blocks of whole lines; None where the stream says that nothing came."""
        read = getattr(self._stream, "read1", None) or self._stream.read
        parts: list[bytes] = []
        while (chunk := read(self._chunk_bytes)) != b"":
            if chunk is None:
                yield None
                continue
            end = chunk.rfind(b"\n") + 1
            if not end:
                parts.append(chunk)
                continue
            parts.append(chunk[:end])
            yield b"".join(parts)
            parts = [chunk[end:]] if end < len(chunk) else []
        last = b"".join(parts)
        if last.strip():
            self._check_whole(last)
            yield last + b"\n"

    def _check_whole(self, line: bytes) -> None:
        try:
            decode_exact(line)
        except DecodeError as fault:
            raise MessageError(
                "the input ends in the middle of a line: the tap was cut off.",
                advice="Everything before that line is loaded; run the pipeline again.",
            ) from fault

    def _messages(self, block: bytes) -> Iterator[RecordRun | dict[str, Any]]:
        start = 0
        whole_block_tries = WHOLE_BLOCK_TRIES
        while start < len(block):
            match = RECORD_START.match(block, start)
            # a leading blank line would make a match start in the next line's record
            if match and b"\n" not in block[start : match.start(1)]:
                prefix = match.group(0).lstrip()
                end, count = self._run_end(block, start, prefix, try_whole=whole_block_tries > 0)
                whole_block_tries -= 1
                yield RecordRun(match.group(1).decode(), block[start:end], count)
                self.line_number += count
            else:
                end = block.index(b"\n", start) + 1
                self.line_number += 1
                line = block[start:end]
                if line.strip():
                    yield self._message(line)
            start = end

    @staticmethod
    def _run_end(block: bytes, start: int, prefix: bytes, *, try_whole: bool) -> tuple[int, int]:
        """Return where the run that begins at `start` ends, and how many lines it has."""
        newline_and_prefix = b"\n" + prefix
        if try_whole:
            total = block.count(b"\n", start)
            if block.count(newline_and_prefix, start) == total - 1:
                return len(block), total
        end = block.index(b"\n", start)
        count = 1
        while block.startswith(newline_and_prefix, end):
            end = block.index(b"\n", end + 1)
            count += 1
        return end + 1, count

    def _message(self, line: bytes) -> dict[str, Any]:
        try:
            message = decode_exact(line)
        except DecodeError as fault:
            raise MessageError(
                f"line {self.line_number} of the input is not JSON ({fault}): {_excerpt(line)}",
                advice="A tap must write nothing but Singer messages to standard output.",
            ) from fault
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise MessageError(
                f"line {self.line_number} of the input has no message type: {_excerpt(line)}"
            )
        return message


def _excerpt(line: bytes) -> str:
    text = line.strip().decode(errors="replace")
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "..."
