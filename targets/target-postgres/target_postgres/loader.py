"""Loads batches into Postgres: COPY into a staging table, merge, one transaction a batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, TypeVar, cast

import psycopg
from headwater.errors import HeadwaterError, LoadError
from headwater.loading import Batch, Kind, Plan, RefusedRowsError
from headwater.loading.loader import ROWS_AT_ONCE
from headwater.loading.table import (
    LineBatch,
    Table,
    chunks,
    missing_table,
    names,
    quote,
    refused,
    select_rows,
)
from psycopg.rows import dict_row

from target_postgres import tables
from target_postgres.connection import Connector
from target_postgres.tables import NAMING, TYPES, Cursor, without_modifier

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

STATE_TABLE = "_headwater_state"
NEW = "__new"
TRIES = 4
# what another session's locks can cause, and what passes when it is done
CONTENTION = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
)
# a value that cannot be stored: not one of the table, the disk or the server
ABOUT_VALUES = (psycopg.DataError, psycopg.errors.NotNullViolation, psycopg.errors.CheckViolation)
ADVICE = "Nothing of the batch is loaded; the state has not moved."


class PostgresLoader:
    """A schema of a Postgres database.

    Args:
        config: The target's settings.

    Raises:
        ConfigError: the database cannot be reached.
    """

    keeps_text = False

    def __init__(self, config: Mapping[str, Any]):
        self._schema = str(config["default_target_schema"])
        self._method = str(config["load_method"])
        self._hard_delete = bool(config["hard_delete"])
        self._state_id = str(config["state_id"]) if config["state_in_destination"] else None
        self._connector = Connector(config)
        self._connection = self._connector.connect()
        self._fresh: set[str] = set()
        self._replacing: dict[str, Table] = {}

    # --- tables -----------------------------------------------------------------------

    def open(self, plan: Plan) -> LineBatch:
        """Make the stream's table fit the plan, and return an empty batch for it."""
        table = self._in_transaction(plan.stream, lambda cursor: self._prepare(cursor, plan))
        merges = bool(plan.keys) and self._method != "append-only"
        return LineBatch(plan, table, merges=merges)

    def _prepare(self, cursor: Cursor, plan: Plan) -> Table:
        name = NAMING.identifier(plan.stream)
        if self._method == "overwrite":
            return self._prepare_new(cursor, plan, name)
        qualified = f"{quote(self._schema)}.{quote(name)}"
        self._lock(cursor, qualified)
        self._make_schema(cursor)
        existing = tables.existing_columns(cursor, qualified)
        table = tables.table_for(plan, self._schema, name, existing)
        if not existing:
            tables.create(cursor, table, unique=self._method == "upsert")
            self._fresh.add(qualified)
            return table
        tables.grow(cursor, table, existing)
        if self._method == "upsert":
            tables.make_unique(cursor, table)
        return table

    def _prepare_new(self, cursor: Cursor, plan: Plan, name: str) -> Table:
        """Make the table that replaces the stream's at the end; once a run, then it grows."""
        new = NAMING.identifier(name + NEW)
        qualified = f"{quote(self._schema)}.{quote(new)}"
        self._lock(cursor, qualified)
        self._make_schema(cursor)
        if plan.stream not in self._replacing:
            cursor.execute(f"DROP TABLE IF EXISTS {qualified}")
        existing = tables.existing_columns(cursor, qualified)
        table = tables.table_for(plan, self._schema, new, existing)
        if existing:
            tables.grow(cursor, table, existing)
            tables.make_unique(cursor, table)
        else:
            tables.create(cursor, table, unique=True)
            self._fresh.add(qualified)
        self._replacing[plan.stream] = table
        return table

    def _make_schema(self, cursor: Cursor) -> None:
        # CREATE SCHEMA IF NOT EXISTS wants a privilege that is needed only where it is missing
        cursor.execute("SELECT to_regnamespace(%s)", (quote(self._schema),))
        found = cursor.fetchone()
        if found is None or found[0] is None:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self._schema)}")

    @staticmethod
    def _lock(cursor: Cursor, *tables_: str) -> None:
        """Keep other runs off these tables until the transaction ends, always in one order."""
        for table in sorted(set(tables_)):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (table,))

    # --- rows -------------------------------------------------------------------------

    def load(self, batches: Sequence[Batch], state: str | None) -> None:
        """Copy and merge batches and keep the state, in one transaction."""
        if not batches and (state is None or self._state_id is None):
            return
        filled = cast("Sequence[LineBatch]", batches)
        stream = filled[0].plan.stream if filled else None

        def work(cursor: Cursor) -> None:
            self._lock(cursor, *(batch.table.qualified for batch in filled))
            for batch in filled:
                self._make_room(cursor, batch)
                self._load_one(cursor, batch)
            if state is not None and self._state_id is not None:
                self._keep_state(cursor, state)

        self._in_transaction(stream, work)

    def _load_one(self, cursor: Cursor, batch: LineBatch) -> None:
        lines = batch.lines()
        try:
            with self._connection.transaction():
                self._bring_in(cursor, batch, lines)
        except ABOUT_VALUES as fault:
            found = refused(lines, lambda part: self._attempt(cursor, batch, part))
            if not found:
                raise LoadError(f"Postgres refused the batch: {_line(fault)}.",
                                stream=batch.plan.stream, advice=ADVICE) from fault  # fmt: skip
            rows = [(index, batch.values(lines[index]), reason) for index, reason in found]
            raise RefusedRowsError(batch, rows) from fault

    def _attempt(self, cursor: Cursor, batch: LineBatch, lines: Sequence[str]) -> str | None:
        """Say why lines are refused, keeping nothing of them; None: they are not."""
        try:
            with self._connection.transaction(force_rollback=True):
                self._bring_in(cursor, batch, lines)
        except ABOUT_VALUES as fault:
            return _line(fault)
        return None

    def _bring_in(self, cursor: Cursor, batch: LineBatch, lines: Sequence[str]) -> None:
        table = batch.table
        is_new = table.qualified in self._fresh
        has_our_types = all(TYPES[column.kind] == column.type for column in table.columns)
        if has_our_types and (is_new or not batch.merges):
            # a table that this run made mostly meets keys for the first time: half the work
            try:
                with self._connection.transaction():
                    self._copy(cursor, table.qualified, table, lines)
            except psycopg.errors.UniqueViolation:
                self._fresh.discard(table.qualified)
            else:
                return
        stage = self._stage(cursor, table)
        self._copy(cursor, stage, table, lines)
        cursor.execute(_merge(table, stage, merges=batch.merges))
        cursor.execute(f"TRUNCATE {stage}")

    @staticmethod
    def _copy(cursor: Cursor, into: str, table: Table, lines: Sequence[str]) -> None:
        with cursor.copy(
            f"COPY {into} ({table.column_list()}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
        ) as copy:
            for chunk in chunks(lines):
                copy.write(chunk)

    @staticmethod
    def _stage(cursor: Cursor, table: Table) -> str:
        """Return an empty temporary table with the columns of a table, in our own types."""
        columns = ", ".join(f"{quote(c.name)} {TYPES[c.kind]}" for c in table.columns)
        name = quote(NAMING.identifier(f"stage_{table.name}_{abs(hash(columns)):x}"))
        cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} ({columns}) ON COMMIT DELETE ROWS")
        return name

    def _make_room(self, cursor: Cursor, batch: LineBatch) -> None:
        """Widen columns for integers beyond 64 bits."""
        if not batch.wide:
            return
        columns = list(batch.table.columns)
        for index in batch.wide:
            columns[index] = replace(columns[index], kind=Kind.NUMBER, type=TYPES[Kind.NUMBER])
        grown = replace(batch.table, columns=tuple(columns))
        tables.grow(cursor, grown, tables.existing_columns(cursor, grown.qualified))
        batch.for_table(grown)

    # --- versions, state, the end -----------------------------------------------------

    def activate_version(self, plan: Plan, version: int) -> None:
        """Take out, or mark, rows of earlier versions."""
        table = f"{quote(self._schema)}.{quote(NAMING.identifier(plan.stream))}"
        older = "(_sdc_table_version < %s OR _sdc_table_version IS NULL)"

        def work(cursor: Cursor) -> None:
            self._lock(cursor, table)
            if self._hard_delete:
                cursor.execute(f"DELETE FROM {table} WHERE {older}", (version,))
            else:
                cursor.execute(
                    f"UPDATE {table} SET _sdc_deleted_at = %s "
                    f"WHERE _sdc_deleted_at IS NULL AND {older}",
                    (datetime.now(timezone.utc), version),
                )

        self._in_transaction(plan.stream, work)

    def finish(self, complete: frozenset[str]) -> None:
        """Put overwritten tables in place, all at once."""
        replacing = {s: table for s, table in self._replacing.items() if s in complete}

        def work(cursor: Cursor) -> None:
            for stream, table in sorted(replacing.items()):
                name = quote(NAMING.identifier(stream))
                self._lock(cursor, f"{quote(self._schema)}.{name}")
                cursor.execute(f"DROP TABLE IF EXISTS {quote(self._schema)}.{name}")
                cursor.execute(f"ALTER TABLE {table.qualified} RENAME TO {name}")

        if replacing:
            self._in_transaction(None, work)

    def _keep_state(self, cursor: Cursor, state: str) -> None:
        table = self._state_table(cursor)
        cursor.execute(
            f"INSERT INTO {table} VALUES (%s, %s, now()) ON CONFLICT (id) "
            "DO UPDATE SET state = excluded.state, committed_at = excluded.committed_at",
            (self._state_id, state),
        )

    def read_state(self) -> str | None:
        """Return the state that is kept here; None where there is none."""
        state_id = self._state_id or "default"

        def work(cursor: Cursor) -> str | None:
            cursor.execute("SELECT to_regclass(%s)", (f"{quote(self._schema)}.{STATE_TABLE}",))
            if cursor.fetchone() in (None, (None,)):
                return None
            cursor.execute(
                f"SELECT state FROM {quote(self._schema)}.{STATE_TABLE} WHERE id = %s", (state_id,)
            )
            row = cursor.fetchone()
            return str(row[0]) if row else None

        return self._in_transaction(None, work)

    def _state_table(self, cursor: Cursor) -> str:
        table = f"{quote(self._schema)}.{STATE_TABLE}"
        self._lock(cursor, table)
        self._make_schema(cursor)
        # text, not jsonb: what is handed out again is what the tap wrote, digit by digit
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {table} "
            "(id text PRIMARY KEY, state text NOT NULL, committed_at timestamptz NOT NULL)"
        )
        return table

    def read_rows(self, stream: str) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of a stream's table."""
        qualified = f"{quote(self._schema)}.{quote(NAMING.identifier(stream))}"
        try:
            with self._connection.transaction():
                columns = tables.existing_columns(self._connection.cursor(), qualified)
                if not columns:
                    raise missing_table(stream)
                with self._connection.cursor("rows", row_factory=dict_row) as cursor:
                    cursor.execute(cast("Any", select_rows(qualified, columns)))
                    while rows := cursor.fetchmany(ROWS_AT_ONCE):
                        yield rows
        except psycopg.Error as fault:
            raise self._named(fault, stream) from fault

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()
        self._connector.close()

    # --- transactions -----------------------------------------------------------------

    def _in_transaction(self, stream: str | None, work: Callable[[Cursor], Result]) -> Result:
        """Do work in a transaction; again where its connection or a lock was lost."""
        for attempt in range(1, TRIES + 1):
            transaction_id: str | None = None
            try:
                with self._connection.transaction():
                    cursor = self._connection.cursor()
                    result = work(cursor)
                    # by this id it can be told whether a commit went through that broke off
                    cursor.execute("SELECT pg_current_xact_id_if_assigned()::text")
                    row = cursor.fetchone()
                    transaction_id = row[0] if row else None
            except HeadwaterError:
                raise
            except CONTENTION as fault:
                if attempt == TRIES:
                    raise self._named(fault, stream) from fault
                logger.warning("Postgres: %s; trying again", _line(fault))
            except psycopg.OperationalError as fault:
                if not self._connection.broken or attempt >= 2:
                    raise self._named(fault, stream) from fault
                logger.warning("the connection was lost (%s); connecting again", _line(fault))
                self._connection = self._connector.reconnect()
                if transaction_id is not None and self._was_committed(transaction_id):
                    return result
            except psycopg.Error as fault:
                raise self._named(fault, stream) from fault
            else:
                return result
        raise AssertionError("the last attempt returns or raises")

    def _was_committed(self, transaction_id: str) -> bool:
        row = self._connection.execute(
            "SELECT pg_xact_status(%s::text::xid8)", (transaction_id,)
        ).fetchone()
        return row is not None and row[0] == "committed"

    @staticmethod
    def _named(fault: psycopg.Error, stream: str | None) -> LoadError:
        if isinstance(fault, psycopg.errors.UniqueViolation):
            return LoadError(
                f"the table has rows with the same key: {_line(fault)}.",
                stream=stream,
                advice=ADVICE + " Take out the duplicates, or load into another table.",
            )
        return LoadError(f"Postgres refused: {_line(fault)}.", stream=stream, advice=ADVICE)


def _merge(table: Table, stage: str, *, merges: bool) -> str:
    values = ", ".join(
        quote(c.name) if TYPES[c.kind] == c.type else f"{quote(c.name)}::{without_modifier(c.type)}"
        for c in table.columns
    )
    statement = (
        f"INSERT INTO {table.qualified} ({table.column_list()}) SELECT {values} FROM {stage}"
    )
    if not merges:
        return statement
    updates = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in table.others)
    action = f"UPDATE SET {updates}" if updates else "NOTHING"
    return f"{statement} ON CONFLICT ({names(table.keys)}) DO {action}"


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split())
