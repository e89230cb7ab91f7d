"""Loads batches into a DuckDB file: CSV into a staging table, merge, one transaction a batch."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import duckdb
from headwater.errors import ConfigError, LoadError
from headwater.loading import Batch, Kind, Plan, RefusedRowsError
from headwater.loading.loader import ROWS_AT_ONCE
from headwater.loading.table import (
    LineBatch,
    Table,
    TableColumn,
    chunks,
    missing_table,
    quote,
    refused,
    select_rows,
)
from headwater.messages.json import decode_exact

from target_duckdb import tables
from target_duckdb.tables import NAMING

logger = logging.getLogger(__name__)

MAJOR_VERSION = int(duckdb.__version__.partition(".")[0])
STATE_TABLE = "_headwater_state"
FIRST_MEGABYTES, MOST_MEGABYTES = 100, 6400
OUT_OF_MEMORY = ("could not allocate", "failed to allocate", "Out of Memory")
NEW = "__new"
STAGE = "headwater_stage"
TYPES_JSON = tables.TYPES[Kind.JSON]
TYPES_TEXT = tables.TYPES[Kind.TEXT]
SHORTEST_LINE_LIMIT = 2**21
ABOUT_VALUES = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
    duckdb.ConstraintException,
)


class DuckDBLoader:
    """A schema of a DuckDB file.

    Args:
        config: The target's settings.

    Raises:
        ConfigError: the file cannot be opened.
    """

    keeps_text = False

    def __init__(self, config: Mapping[str, Any]):
        self._schema = str(config["default_target_schema"])
        self._method = str(config["load_method"])
        self._hard_delete = bool(config["hard_delete"])
        self._state_id = str(config["state_id"]) if config["state_in_destination"] else None
        try:
            self._connection = duckdb.connect(str(config["filepath"]))
        except duckdb.Error as fault:
            raise ConfigError(
                f"cannot open the DuckDB file '{config['filepath']}': {fault}.",
                advice="Check 'filepath', and that no other process has it open.",
            ) from fault
        self._connection.execute("SET TimeZone = 'UTC'")
        self._megabytes = int(config.get("memory_limit_mb") or FIRST_MEGABYTES)
        self._may_grow = config.get("memory_limit_mb") is None
        self._connection.execute(f"SET memory_limit = '{self._megabytes}MB'")
        # rows of a table have no order that could be promised, and keeping one takes memory
        self._connection.execute("SET preserve_insertion_order = false")
        self._folder = tempfile.TemporaryDirectory(prefix="target-duckdb-")
        self._empty: set[str] = set()
        self._replacing: dict[str, Table] = {}

    # --- tables -----------------------------------------------------------------------

    def open(self, plan: Plan) -> LineBatch:
        """Make the stream's table fit the plan, and return an empty batch for it."""
        name = NAMING.identifier(plan.stream)
        overwrites = self._method == "overwrite"
        if overwrites:
            name += NEW
        with self._transaction(plan.stream):
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self._schema)}")
            if overwrites and plan.stream not in self._replacing:
                self._connection.execute(
                    f"DROP TABLE IF EXISTS {quote(self._schema)}.{quote(name)}"
                )
            existing = tables.existing_columns(self._connection, self._schema, name)
            table = tables.table_for(plan, self._schema, name, existing)
            if existing:
                tables.grow(self._connection, table, existing)
            else:
                tables.create(self._connection, table)
                self._empty.add(table.qualified)
        if overwrites:
            self._replacing[plan.stream] = table
        merges = bool(plan.keys) and self._method != "append-only"
        return LineBatch(plan, table, merges=merges, has_doubles=True)

    # --- rows -------------------------------------------------------------------------

    def load(self, batches: Sequence[Batch], state: str | None) -> None:
        """Read and merge batches and keep the state, in one transaction."""
        while True:
            try:
                self._load(cast("Sequence[LineBatch]", batches), state)
                break
            except LoadError as fault:
                if not self._may_grow or not any(mark in str(fault) for mark in OUT_OF_MEMORY):
                    raise
                self._grow(fault)

    def _grow(self, fault: LoadError) -> None:
        """Let DuckDB have twice the memory: it holds some of every column that is written to.

        Raises:
            LoadError: it has had all that may be.
        """
        if self._megabytes >= MOST_MEGABYTES:
            raise fault
        self._megabytes *= 2
        logger.info("DuckDB needs more memory: it may use %d MB now", self._megabytes)
        self._connection.execute(f"SET memory_limit = '{self._megabytes}MB'")

    def _load(self, filled: Sequence[LineBatch], state: str | None) -> None:
        for batch in filled:
            if batch.wide:
                self._make_room(batch)
        stream = filled[0].plan.stream if filled else None
        try:
            with self._transaction(stream):
                for batch in filled:
                    self._bring_in(batch, batch.lines())
                if state is not None and self._state_id is not None:
                    self._keep_state(state)
        except LoadError as fault:
            if isinstance(fault.__cause__, ABOUT_VALUES):
                self._name_rows(filled)
            raise
        self._empty -= {batch.table.qualified for batch in filled}

    def _name_rows(self, batches: Sequence[LineBatch]) -> None:
        for batch in batches:
            lines = batch.lines()

            def attempt(part: Sequence[str], batch: LineBatch = batch) -> str | None:
                try:
                    with self._transaction(batch.plan.stream, keep=False):
                        self._bring_in(batch, part)
                except LoadError as fault:
                    if not isinstance(fault.__cause__, ABOUT_VALUES):
                        raise
                    return " ".join(str(fault.__cause__).split())[:300]
                return None

            found = refused(lines, attempt)
            if found:
                rows = [(index, batch.values(lines[index]), reason) for index, reason in found]
                raise RefusedRowsError(batch, rows)

    def _bring_in(self, batch: LineBatch, lines: Sequence[str]) -> None:
        table = batch.table
        file = Path(self._folder.name) / "batch.csv"
        longest = 0
        with file.open("wb") as out:
            for chunk in chunks(lines):
                longest = max(longest, len(chunk))
                out.write(chunk)
        source = _read_csv(file, table, lines, longest)
        columns = table.column_list()
        run = self._connection.execute
        if batch.merges and table.qualified not in self._empty:
            match = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in table.keys)
            # what the plan does not name stays as it is in rows that are there
            kept = "".join(f", t.{quote(name)}" for name in table.unnamed)
            join = f" LEFT JOIN {table.qualified} t ON {match}" if kept else ""
            run(f"CREATE OR REPLACE TEMP TABLE {STAGE} AS SELECT s.*{kept} FROM {source} s{join}")
            columns += "".join(f", {quote(name)}" for name in table.unnamed)
            run(f"DELETE FROM {table.qualified} t USING {STAGE} s WHERE {match}")
            run(f"INSERT INTO {table.qualified} ({columns}) SELECT {columns} FROM {STAGE}")
            run(f"DROP TABLE {STAGE}")
        else:
            run(f"INSERT INTO {table.qualified} ({columns}) SELECT {columns} FROM {source}")

    def _make_room(self, batch: LineBatch) -> None:
        """Widen columns for integers beyond 64 bits: to 128 bits, beyond those to text."""
        columns = list(batch.table.columns)
        for index, largest in batch.wide.items():
            kind, type_ = (Kind.INTEGER, "HUGEINT") if largest < 2**127 else (Kind.TEXT, TYPES_TEXT)
            if columns[index].type not in ("HUGEINT", TYPES_TEXT) or kind is Kind.TEXT:
                columns[index] = replace(columns[index], kind=kind, type=type_)
        grown = replace(batch.table, columns=tuple(columns))
        with self._transaction(batch.plan.stream):
            existing = tables.existing_columns(self._connection, grown.schema, grown.name)
            tables.grow(self._connection, grown, existing)
        batch.for_table(grown)

    # --- versions, state, the end -----------------------------------------------------

    def activate_version(self, plan: Plan, version: int) -> None:
        """Take out, or mark, rows of earlier versions."""
        table = f"{quote(self._schema)}.{quote(NAMING.identifier(plan.stream))}"
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

    def finish(self, complete: frozenset[str]) -> None:
        """Put overwritten tables in place, all at once."""
        with self._transaction(None):
            for stream, table in self._replacing.items():
                if stream in complete:
                    name = quote(NAMING.identifier(stream))
                    self._connection.execute(f"DROP TABLE IF EXISTS {quote(self._schema)}.{name}")
                    self._connection.execute(f"ALTER TABLE {table.qualified} RENAME TO {name}")

    def _keep_state(self, state: str) -> None:
        table = f"{quote(self._schema)}.{STATE_TABLE}"
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self._schema)}")
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {table} "
            "(id VARCHAR PRIMARY KEY, state VARCHAR, committed_at TIMESTAMP WITH TIME ZONE)"
        )
        self._connection.execute(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?, now())", [self._state_id, state]
        )

    def read_state(self) -> str | None:
        """Return the state that is kept here; None where there is none."""
        if not tables.existing_columns(self._connection, self._schema, STATE_TABLE):
            return None
        row = self._connection.execute(
            f"SELECT state FROM {quote(self._schema)}.{STATE_TABLE} WHERE id = ?",
            [self._state_id or "default"],
        ).fetchone()
        return str(row[0]) if row else None

    def read_rows(self, stream: str) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of a stream's table."""
        name = NAMING.identifier(stream)
        columns = tables.existing_columns(self._connection, self._schema, name)
        if not columns:
            raise missing_table(stream)
        qualified = f"{quote(self._schema)}.{quote(name)}"
        found = self._connection.execute(select_rows(qualified, columns))
        names = [column[0] for column in found.description or ()]
        is_json = [columns[column] == TYPES_JSON for column in names]
        while rows := found.fetchmany(ROWS_AT_ONCE):
            yield [
                {
                    column: decode_exact(value) if json and value is not None else value
                    for column, value, json in zip(names, row, is_json, strict=True)
                }
                for row in rows
            ]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
        self._folder.cleanup()

    # --- transactions -----------------------------------------------------------------

    @contextmanager
    def _transaction(self, stream: str | None, *, keep: bool = True) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN")
            yield
            self._connection.execute("COMMIT" if keep else "ROLLBACK")
        except BaseException as fault:
            with suppress(duckdb.Error):  # a failed COMMIT has already rolled back
                self._connection.execute("ROLLBACK")
            if isinstance(fault, duckdb.Error):
                raise LoadError(
                    f"DuckDB refused the batch: {str(fault).strip()[:500]}.",
                    stream=stream,
                    advice="Nothing of the batch is loaded; the state has not moved.",
                ) from fault
            raise


def _read_csv(file: Path, table: Table, lines: Sequence[str], longest: int) -> str:
    """Return a call of DuckDB's CSV reader for exactly what we write."""
    struct = ", ".join(f"{_literal(c.name)}: {_literal(_read_as(c))}" for c in table.columns)
    # a field that holds a newline cannot be found by readers that begin in the middle
    parallel = not any("\n" in line or "\r" in line for line in lines)
    limit = max(longest, SHORTEST_LINE_LIMIT)
    buffer = limit * (4 if parallel else 16)
    cast = [c for c in table.columns if _read_as(c) != c.type]
    changed = ", ".join(f"CAST({quote(c.name)} AS {c.type}) AS {quote(c.name)}" for c in cast)
    selected = f"* REPLACE ({changed})" if cast else "*"
    return (
        f"(SELECT {selected} FROM read_csv({_literal(str(file))}, columns={{{struct}}}, "
        "header=false, delim=',', "
        "quote='\"', escape='\"', nullstr='', allow_quoted_nulls=false, auto_detect=false, "
        f"parallel={'true' if parallel else 'false'}, new_line='\\n', max_line_size={limit}, "
        f"buffer_size={buffer}))"
    )


def _read_as(column: TableColumn) -> str:
    """Return the type as which the reader reads a column.

    DuckDB 1's reader makes null of a moment that the calendar does not know; a cast refuses it.
    """
    is_moment = column.type == tables.TYPES[Kind.TIMESTAMP]
    return TYPES_TEXT if is_moment and MAJOR_VERSION < 2 else column.type


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
