"""Loads batches into files: JSONL, CSV or Parquet, one new file a batch."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwater.errors import LoadError
from headwater.loading import Plan
from headwater.loading.batch import Batch
from headwater.loading.rows import to_csv
from headwater.messages.json import encode


class FilesLoader:
    """A folder of files, `STREAM-MOMENT-NUMBER.FORMAT`.

    A file appears under its name only when it is whole and on disk.

    Args:
        config: The target's settings.
    """

    def __init__(self, config: Mapping[str, Any]):
        self._folder = Path(str(config["destination_path"]))
        self._format = str(config["format"])
        self._started = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f"-{os.getpid()}"
        self._number = 0

    def prepare(self, plan: Plan) -> None:
        """Make the folder."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise LoadError(f"cannot make {self._folder}: {fault}.", stream=plan.stream) from fault

    def load(self, batch: Batch) -> None:
        """Write a batch to a new file."""
        self._number += 1
        name = re.sub(r"[^\w.-]", "_", batch.plan.stream)
        file = self._folder / f"{name}-{self._started}-{self._number:06}.{self._format}"
        # a dot file: a glob of *.jsonl does not pick up what is not whole
        partial = self._folder / f".{file.name}.partial"
        try:
            self._write(partial, batch)
            with partial.open("rb+") as written:
                os.fsync(written.fileno())
            partial.replace(file)
        except OSError as fault:
            partial.unlink(missing_ok=True)
            raise LoadError(f"cannot write {file}: {fault}.", stream=batch.plan.stream) from fault

    def _write(self, place: Path, batch: Batch) -> None:
        plan, records = batch.plan, batch.records
        if self._format == "jsonl":
            place.write_bytes(b"".join(encode(record) + b"\n" for record in records))
        elif self._format == "csv":
            header = ",".join('"' + c.name.replace('"', '""') + '"' for c in plan.columns)
            place.write_bytes(header.encode() + b"\n" + to_csv(plan.columns, records))
        else:
            from target_files.parquet import write_parquet

            write_parquet(place, plan, records)

    def activate_version(self, plan: Plan, version: int) -> None:
        """Leave files of earlier versions: `_sdc_table_version` tells the rows apart."""

    def close(self) -> None:
        """Do nothing: every file is closed when it is written."""
