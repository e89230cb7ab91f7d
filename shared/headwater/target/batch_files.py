"""BATCH messages: records in files that the tap has written."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from headwater.errors import MessageError
from headwater.messages.json import DecodeError, decode_exact

RECORDS_AT_ONCE = 5000


def read_batch_files(message: Mapping[str, Any], stream: str) -> Iterator[list[Any]]:
    """Yield the records of a BATCH message's files, some thousand at a time.

    Raises:
        MessageError: a file cannot be read, or is of another form than JSON lines.
    """
    encoding = message.get("encoding") or {}
    if encoding.get("format") != "jsonl" or encoding.get("compression") not in (
        None, "none", "gzip",
    ):  # fmt: skip
        raise MessageError(
            f"BATCH encoding {dict(encoding)} is not supported; jsonl is, plain or gzip.",
            stream=stream,
        )
    for place in message.get("manifest") or ():
        parts = urlsplit(place)
        path = Path(unquote(parts.path) if parts.scheme == "file" else place)
        opened = gzip.open if encoding.get("compression") == "gzip" else open
        try:
            with opened(path, "rb") as file:
                records: list[Any] = []
                for line in file:
                    if line.strip():
                        records.append(decode_exact(line))
                    if len(records) >= RECORDS_AT_ONCE:
                        yield records
                        records = []
                yield records
        except (OSError, EOFError, DecodeError) as fault:
            raise MessageError(f"BATCH file '{place}': {fault}.", stream=stream) from fault
