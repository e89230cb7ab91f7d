"""Loads batches into a DuckDB file: CSV into a staging table, merge, one transaction a batch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
from headwater.errors import ConfigError, LoadError
from headwater.loading import Kind, Plan
from headwater.loading.batch import Batch
from headwater.loading.rows import to_csv
from headwater.loading.sql import names, quote, table_name

TYPES = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TEXT: "VARCHAR",
    Kind.JSON: "JSON",
}
WIDER = {("BIGINT", "DOUBLE"), ("INTEGER", "BIGINT"), ("INTEGER", "DOUBLE")}
BIGINT = range(-(2**63), 2**63)


class DuckDBLoader:
    """A schema of a DuckDB file.

    Args:
        config: The target's settings.

    Raises:
        ConfigError: the file cannot be opened.
    """

    def __init__(self, config: Mapping[str, Any]):
        self._schema = config["default_target_schema"]
        self._appends = config["load_method"] == "append-only"
        self._hard_delete = config["hard_delete"]
        try:
            self._connection = duckdb.connect(str(config["filepath"]))
        except duckdb.Error as fault:
            raise ConfigError(
                f"cannot open the DuckDB file '{config['filepath']}': {fault}.",
                advice="Check 'filepath', and that no other process has it open.",
            ) from fault
        self._connection.execute("SET TimeZone = 'UTC'")
        self._folder = tempfile.TemporaryDirectory(prefix="target-duckdb-")

    def prepare(self, plan: Plan) -> None:
        """Create the table, add columns, widen types."""
        table = self._table(plan)
        with self._transaction(plan.stream):
            self._run(f"CREATE SCHEMA IF NOT EXISTS {quote(self._schema)}")
            columns = ", ".join(f"{quote(c.name)} {TYPES[c.kind]}" for c in plan.columns)
            self._run(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
            existing = self._existing(plan)
            for column in plan.columns:
                wanted, present = TYPES[column.kind], existing.get(column.name)
                if present is None:
                    self._run(f"ALTER TABLE {table} ADD COLUMN {quote(column.name)} {wanted}")
                elif (present, wanted) in WIDER:
                    self._run(f"ALTER TABLE {table} ALTER {quote(column.name)} TYPE {wanted}")

    def load(self, batch: Batch) -> None:
        """Read and merge a batch, in one transaction."""
        plan, table = batch.plan, self._table(batch.plan)
        merges = bool(plan.keys) and not self._appends
        records = batch.unique() if merges else batch.records
        file = Path(self._folder.name) / "batch.csv"
        longest = 0
        with file.open("wb") as out:
            for start in range(0, len(records), 5000):
                part = to_csv(plan.columns, records[start : start + 5000])
                longest = max(longest, len(part))
                out.write(part)
        columns = names(c.name for c in plan.columns)
        with self._transaction(plan.stream):
            self._widen_for(table, plan, records)
            existing = self._existing(plan)
            types = {c.name: existing[c.name] for c in plan.columns}
            struct = ", ".join(
                f"{_literal(name)}: {_literal(kind)}" for name, kind in types.items()
            )
            # a field may hold newlines, and a line be as long as a whole part
            source = (
                f"read_csv({_literal(str(file))}, columns={{{struct}}}, header=false, delim=',', "
                "quote='\"', escape='\"', nullstr='', allow_quoted_nulls=false, auto_detect=false, "
                f"parallel=false, new_line='\\n', max_line_size={max(longest, 2**21)}, "
                f"buffer_size={max(longest, 2**21) * 16})"
            )
            if merges:
                self._run(f"CREATE OR REPLACE TEMP TABLE headwater_stage AS SELECT * FROM {source}")
                match = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in plan.keys)
                self._run(f"DELETE FROM {table} t USING headwater_stage s WHERE {match}")
                source = "headwater_stage"
            self._run(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {source}")
            if merges:
                self._run("DROP TABLE headwater_stage")
        file.unlink()

    def activate_version(self, plan: Plan, version: int) -> None:
        """Take out, or mark, rows of earlier versions."""
        table = self._table(plan)
        older = "(_sdc_table_version < ? OR _sdc_table_version IS NULL)"
        with self._transaction(plan.stream):
            if self._hard_delete:
                self._connection.execute(f"DELETE FROM {table} WHERE {older}", [version])
            else:
                self._connection.execute(
                    f"UPDATE {table} SET _sdc_deleted_at = ? "
                    f"WHERE _sdc_deleted_at IS NULL AND {older}",
                    [datetime.now(timezone.utc), version],
                )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
        self._folder.cleanup()

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)

    def _table(self, plan: Plan) -> str:
        return f"{quote(self._schema)}.{quote(table_name(plan.stream))}"

    def _existing(self, plan: Plan) -> dict[str, str]:
        rows = self._connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? "
            "AND table_name = ? AND database_name = current_database()",
            [self._schema, table_name(plan.stream)],
        ).fetchall()
        return dict(rows)

    def _widen_for(self, table: str, plan: Plan, records: list[dict[str, Any]]) -> None:
        """Make room for integers beyond 64 bits."""
        for column in plan.columns:
            if column.kind is Kind.INTEGER and any(
                type(value := record.get(column.name)) is int and value not in BIGINT
                for record in records
            ):
                self._run(f"ALTER TABLE {table} ALTER {quote(column.name)} TYPE HUGEINT")

    @contextmanager
    def _transaction(self, stream: str) -> Iterator[None]:
        try:
            self._run("BEGIN")
            yield
            self._run("COMMIT")
        except BaseException as fault:
            with suppress(duckdb.Error):  # a failed COMMIT has already rolled back
                self._run("ROLLBACK")
            if isinstance(fault, duckdb.Error):
                raise LoadError(
                    f"DuckDB refused the batch: {str(fault).strip()[:500]}.",
                    stream=stream,
                    advice="Nothing of the batch is loaded; the state has not moved.",
                ) from fault
            raise


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
