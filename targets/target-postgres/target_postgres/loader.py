"""Loads batches into Postgres: COPY into a staging table, merge, one transaction a batch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import psycopg
from headwater.errors import ConfigError, LoadError
from headwater.loading import Column, Kind, Plan
from headwater.loading.batch import Batch
from headwater.loading.rows import to_csv
from headwater.loading.sql import names, quote, table_name

LONGEST_NAME = 63
TYPES = {
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "bigint",
    Kind.NUMBER: "numeric",
    Kind.TIMESTAMP: "timestamp with time zone",
    Kind.DATE: "date",
    Kind.TIME: "time without time zone",
    Kind.TEXT: "text",
    Kind.JSON: "jsonb",
}
# into what a column of the left type grows when values of the right type come
WIDER = {
    ("bigint", "numeric"): "numeric",
    ("integer", "bigint"): "bigint",
    ("integer", "numeric"): "numeric",
}
BIGINT = range(-(2**63), 2**63)


class PostgresLoader:
    """A schema of a Postgres database.

    Args:
        config: The target's settings.

    Raises:
        ConfigError: the database cannot be reached.
    """

    def __init__(self, config: Mapping[str, Any]):
        self._schema = config["default_target_schema"]
        self._appends = config["load_method"] == "append-only"
        self._hard_delete = config["hard_delete"]
        try:
            self._connection = psycopg.connect(**connection_arguments(config))
        except psycopg.OperationalError as fault:
            raise ConfigError(
                f"cannot connect to Postgres: {str(fault).strip()}.",
                advice="Check 'host', 'port', 'user', 'password' and 'database'.",
            ) from fault

    def prepare(self, plan: Plan) -> None:
        """Create the table, add columns, widen types."""
        _check_names(plan)
        table, columns = self._table(plan), plan.columns
        with _named(plan.stream), self._connection.transaction():
            cursor = self._connection.cursor()
            # two runs that create one table at once would both find it missing
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (table,))
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self._schema)}")
            definitions = [f"{quote(c.name)} {TYPES[c.kind]}" for c in columns]
            if plan.keys and not self._appends:
                definitions.append(f"PRIMARY KEY ({names(plan.keys)})")
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(definitions)})")
            existing = self._existing(cursor, plan)
            for column in columns:
                wanted, present = TYPES[column.kind], existing.get(column.name)
                if present is None:
                    cursor.execute(f"ALTER TABLE {table} ADD COLUMN {quote(column.name)} {wanted}")
                elif present != wanted:
                    self._widen(cursor, table, column, WIDER.get((present, wanted)))

    def load(self, batch: Batch) -> None:
        """Copy and merge a batch, in one transaction."""
        plan, table = batch.plan, self._table(batch.plan)
        merges = bool(plan.keys) and not self._appends
        records = batch.unique() if merges else batch.records
        columns = names(c.name for c in plan.columns)
        with _named(plan.stream), self._connection.transaction():
            cursor = self._connection.cursor()
            self._widen_for(cursor, table, plan, records)
            into = table
            if merges:
                into = "headwater_stage"
                cursor.execute(f"CREATE TEMP TABLE {into} (LIKE {table}) ON COMMIT DROP")
            with cursor.copy(f"COPY {into} ({columns}) FROM STDIN (FORMAT csv)") as copy:
                for start in range(0, len(records), 5000):
                    copy.write(to_csv(plan.columns, records[start : start + 5000]))
            if merges:
                cursor.execute(_merge(table, into, plan, columns))

    def activate_version(self, plan: Plan, version: int) -> None:
        """Take out, or mark, rows of earlier versions."""
        table = self._table(plan)
        older = "_sdc_table_version < %s OR _sdc_table_version IS NULL"
        with _named(plan.stream), self._connection.transaction():
            if self._hard_delete:
                self._connection.execute(f"DELETE FROM {table} WHERE {older}", (version,))
            else:
                self._connection.execute(
                    f"UPDATE {table} SET _sdc_deleted_at = %s "
                    f"WHERE _sdc_deleted_at IS NULL AND ({older})",
                    (datetime.now(timezone.utc), version),
                )

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _table(self, plan: Plan) -> str:
        return f"{quote(self._schema)}.{quote(table_name(plan.stream))}"

    def _existing(self, cursor: psycopg.Cursor[Any], plan: Plan) -> dict[str, str]:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s",
            (self._schema, table_name(plan.stream)),
        )
        return dict(cursor.fetchall())

    @staticmethod
    def _widen(cursor: psycopg.Cursor[Any], table: str, column: Column, to: str | None) -> None:
        if to:
            cursor.execute(f"ALTER TABLE {table} ALTER COLUMN {quote(column.name)} TYPE {to}")

    def _widen_for(
        self,
        cursor: psycopg.Cursor[Any],
        table: str,
        plan: Plan,
        records: list[dict[str, Any]],
    ) -> None:
        """Make room for integers beyond 64 bits."""
        for column in plan.columns:
            if column.kind is Kind.INTEGER and any(
                type(value := record.get(column.name)) is int and value not in BIGINT
                for record in records
            ):
                self._widen(cursor, table, column, "numeric")


def _merge(table: str, stage: str, plan: Plan, columns: str) -> str:
    others = [c.name for c in plan.columns if c.name not in plan.keys]
    updates = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in others)
    action = f"UPDATE SET {updates}" if others else "NOTHING"
    return (
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {stage} "
        f"ON CONFLICT ({names(plan.keys)}) DO {action}"
    )


def _check_names(plan: Plan) -> None:
    for name in (table_name(plan.stream), *(column.name for column in plan.columns)):
        if len(name.encode()) > LONGEST_NAME:
            raise LoadError(
                f"the name '{name}' is longer than the {LONGEST_NAME} bytes that Postgres takes.",
                stream=plan.stream,
                advice="Give it a shorter one with a stream map.",
            )


class _named:  # noqa: N801  reads as a statement: `with _named(stream)`
    """Turns Postgres' errors into a `LoadError` that names the stream."""

    def __init__(self, stream: str):
        self._stream = stream

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, psycopg.Error):
            detail = str(fault).strip().replace("\n", " ")
            raise LoadError(
                f"Postgres refused the batch: {detail}.",
                stream=self._stream,
                advice="Nothing of the batch is loaded; the state has not moved.",
            ) from fault


def connection_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return psycopg's arguments for the settings."""
    if config.get("sqlalchemy_url"):
        url = str(config["sqlalchemy_url"])
        scheme, _, rest = url.partition("://")
        return {"conninfo": f"{scheme.partition('+')[0]}://{rest}", "autocommit": True}
    arguments = {
        "host": config.get("host"),
        "port": config.get("port"),
        "user": config.get("user"),
        "password": config.get("password"),
        "dbname": config.get("database"),
        "autocommit": True,
        "application_name": "target-postgres",
    }
    if config.get("ssl_enable"):
        arguments["sslmode"] = config.get("ssl_mode")
        arguments["sslrootcert"] = config.get("ssl_certificate_authority")
    return {name: value for name, value in arguments.items() if value is not None}
