"""Loads batches into files: JSONL, CSV or Parquet, new files for every batch."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

from headwater.errors import LoadError
from headwater.loading import Batch, Plan, RefusedRowsError, Rows
from headwater.loading.csv import to_bytes
from headwater.loading.table import missing_table
from headwater.storage import store_for

from target_files.batch import Content, CSVLines, FilesBatch, JSONLines
from target_files.compression import SUFFIXES, compress
from target_files.reading import rows_of

INVALID_IN_NAMES = re.compile(r"[^\w.=-]")


class FilesLoader:
    """A folder of files; a file appears under its name only when it is whole and durable.

    Args:
        config: The target's settings.
    """

    def __init__(self, config: Mapping[str, Any]):
        folder = str(config.get("output_path") or config["destination_path"])
        self._store = store_for(folder, config.get("storage_options"))
        self._format = str(config["format"])
        self._compression = str(config.get("compression_method") or config["compression"])
        self._scheme = naming_scheme(config)
        self._partition_by = list(config.get("partition_by") or ())
        self._most_rows = int(config.get("max_file_rows") or 0)
        self._most_bytes = int(config.get("max_file_bytes") or 0)
        self._row_group_rows = int(config["row_group_rows"])
        self._started = datetime.now(timezone.utc)
        # two runs that begin in one second must not write under one name
        self._run = uuid.uuid4().hex[:8]
        self._number = 0
        self.keeps_text = self._format == "jsonl"

    def open(self, plan: Plan) -> Batch:
        """Return an empty batch."""
        return _Batch(plan, self._content(plan), self._partition_by, self._content)

    def _content(self, plan: Plan) -> Content:
        if self._format == "jsonl":
            return JSONLines()
        if self._format == "csv":
            return CSVLines(plan)
        from target_files.parquet import ParquetRows

        return ParquetRows(plan)

    def load(self, batches: Sequence[Batch], state: str | None) -> None:  # noqa: ARG002
        """Write each batch to new files."""
        for batch in cast("Sequence[_Batch]", batches):
            batch.convert()
            for folder, indexes in batch.partitions().items():
                for start, end in self._split(batch, indexes):
                    self._write(batch, folder, indexes[start:end])

    def _split(self, batch: FilesBatch, indexes: Sequence[int]) -> list[tuple[int, int]]:
        size = self._most_rows or len(indexes)
        if self._most_bytes and self._format != "parquet":
            texts = batch.content.part(indexes)
            average = max(1, sum(map(len, texts)) // max(1, len(texts)) + 1)
            size = min(size, max(1, self._most_bytes // average))
        elif self._most_bytes:
            table = batch.content.part(indexes)
            average = max(1, table.nbytes // max(1, len(indexes)))
            size = min(size, max(1, self._most_bytes // average))
        size = max(1, size)
        return [(at, min(at + size, len(indexes))) for at in range(0, len(indexes), size)]

    def _write(self, batch: FilesBatch, folder: str, indexes: Sequence[int]) -> None:
        name = self._name(batch.plan.stream, folder)
        part = batch.content.part(indexes)
        before = self._store.read(name) if self._appends else None
        try:
            self._store.write(name, self._writer(batch.plan, part, before))
        except OSError as fault:
            raise LoadError(
                f"cannot write {name}: {fault}.",
                stream=batch.plan.stream,
                advice="The state has not moved; run again.",
            ) from fault

    @property
    def _appends(self) -> bool:
        """Whether a name without moment and number is written again and again."""
        return not any(f"{{{token}}}" in self._scheme for token in ("timestamp", "number"))

    def _writer(self, plan: Plan, part: Any, before: bytes | None) -> Callable[[Path], None]:
        if self._format == "parquet":
            from target_files.parquet import write_parquet

            codec = "snappy" if self._compression == "none" else self._compression
            rows = self._row_group_rows
            return lambda place: write_parquet(place, part, compression=codec, row_group_rows=rows)
        if self._format == "jsonl":
            content = b"\n".join(part) + b"\n"
        else:
            header = ",".join('"' + c.name.replace('"', '""') + '"' for c in plan.columns)
            content = (b"" if before else header.encode() + b"\n") + to_bytes(part)
        packed = (before or b"") + compress(content, self._compression)
        return lambda place: _write_bytes(place, packed)

    def _name(self, stream: str, folder: str) -> str:
        self._number += 1
        name = self._scheme.format(
            stream_name=INVALID_IN_NAMES.sub("_", stream),
            datestamp=f"{self._started:%Y-%m-%d}",
            timestamp=f"{self._started:%Y%m%dT%H%M%S}-{self._run}",
            number=f"{self._number:06}",
            format=self._format,
        )
        if self._format != "parquet":
            name += SUFFIXES[self._compression]
        if not folder:
            return name
        parent, _, last = name.rpartition("/")
        return "/".join(part for part in (parent, folder, last) if part)

    def activate_version(self, plan: Plan, version: int) -> None:
        """Leave files of earlier versions: `_sdc_table_version` tells the rows apart."""

    def finish(self, complete: frozenset[str]) -> None:
        """Do nothing: every file is in place when it is written."""

    def read_state(self) -> str | None:
        """Return None: no state is kept here."""
        return None

    def read_rows(self, stream: str) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of a stream's files, those of partitions left out."""
        safe = INVALID_IN_NAMES.sub("_", stream)
        form = re.compile(rf"{re.escape(safe)}(-\d{{8}}T.*)?\.{self._format}(\.\w+)?")
        names = [name for name in self._store.names() if form.fullmatch(name)]
        if not names:
            raise missing_table(stream)
        for name in names:
            yield from rows_of(name, self._store.read(name) or b"", self._format)

    def close(self) -> None:
        """Do nothing: every file is closed when it is written."""


class _Batch(FilesBatch):
    """A batch that names rows its format refuses when it is loaded."""

    def __init__(
        self,
        plan: Plan,
        content: Content,
        partition_by: Sequence[str],
        make_content: Callable[[Plan], Content],
    ):
        super().__init__(plan, content, partition_by)
        self._arguments = (partition_by, make_content)
        self._refused: list[tuple[Rows, str]] = []

    def emptied(self) -> _Batch:
        """Return an empty batch of the same plan."""
        partition_by, make_content = self._arguments
        return _Batch(self.plan, make_content(self.plan), partition_by, make_content)

    def add(self, rows: Rows) -> None:
        """Take rows in; those that the format refuses are named when the batch is loaded."""
        try:
            super().add(rows)
        except ValueError as fault:
            self._refused.append((rows, str(fault)))

    def __len__(self) -> int:
        return super().__len__() + sum(rows.count for rows, _ in self._refused)

    def convert(self) -> None:
        """Take in what was refused as a whole, row by row.

        Raises:
            RefusedRowsError: some rows are to blame.
        """
        blamed: list[tuple[int, dict[str, Any], str]] = []
        for rows, _ in self._refused:
            for index in range(rows.count):
                one = rows.one(index)
                try:
                    super().add(one)
                except ValueError as fault:
                    values = {c.name: one.column(i)[0] for i, c in enumerate(self.plan.columns)}
                    blamed.append((-1, values, str(fault)))
        self._refused = []
        if blamed:
            raise RefusedRowsError(self, blamed)

    def drop(self, index: int) -> None:
        """Leave out a row: one that was refused has not been taken in."""
        if index >= 0:
            super().drop(index)


def naming_scheme(config: Mapping[str, Any]) -> str:
    """Return how files are named, by the settings of ours and of the Hub's default variants."""
    if config.get("file_naming_scheme"):
        return str(config["file_naming_scheme"])
    name = str(config.get("custom_name") or "{stream_name}")
    if config.get("streams_in_separate_folder"):
        name = "{stream_name}/" + name
    if config.get("do_timestamp_file") is False:
        return name + ".{format}"
    return name + "-{timestamp}-{number}.{format}"


def _write_bytes(place: Path, content: bytes) -> None:
    place.write_bytes(content)
