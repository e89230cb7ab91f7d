"""Rows read back from files that the target has written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Any

from headwater.loading.loader import ROWS_AT_ONCE
from headwater.messages.json import decode_exact

from target_files.compression import decompress


def rows_of(name: str, content: bytes, form: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a file, some thousand at a time.

    Args:
        name: The file's name, which tells how it is compressed.
        content: What it holds.
        form: `jsonl`, `csv` or `parquet`.
    """
    if form == "parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(io.BytesIO(content)).iter_batches(ROWS_AT_ONCE):
            yield batch.to_pylist()
        return
    text = decompress(content, name)
    rows: Iterator[dict[str, Any]]
    if form == "csv":
        rows = csv.DictReader(io.StringIO(text.decode(), newline=""))
    else:
        rows = map(decode_exact, filter(None, text.split(b"\n")))
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield some
