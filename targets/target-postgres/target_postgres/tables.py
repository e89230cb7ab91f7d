"""Tables in Postgres: what is there, and how it grows to fit a plan."""

from __future__ import annotations

import logging
import re
from typing import Any

import psycopg
from headwater.loading import Kind, Plan
from headwater.loading.naming import Naming
from headwater.loading.table import Table, TableColumn, names, quote
from headwater.schema.kinds import widest

logger = logging.getLogger(__name__)

Cursor = psycopg.Cursor[Any]

# 63 bytes: NAMEDATALEN - 1
# https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
NAMING = Naming(longest=63)
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
KINDS = {
    "boolean": Kind.BOOLEAN,
    "smallint": Kind.INTEGER,
    "integer": Kind.INTEGER,
    "bigint": Kind.INTEGER,
    "numeric": Kind.NUMBER,
    "double precision": Kind.NUMBER,
    "real": Kind.NUMBER,
    "timestamp with time zone": Kind.TIMESTAMP,
    "timestamp without time zone": Kind.TIMESTAMP,
    "date": Kind.DATE,
    "time without time zone": Kind.TIME,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
}
SMALL = ("smallint", "integer", "real")
MODIFIER = re.compile(r"\(\d+(?:,-?\d+)?\)")


def existing_columns(cursor: Cursor, table: str) -> dict[str, str]:
    """Return the types of a table's columns by name; empty where there is no table."""
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (table,),
    )
    return dict(cursor.fetchall())


def unique_keys(cursor: Cursor, table: str) -> list[tuple[str, bool, tuple[str, ...]]]:
    """Return name, whether it is the primary key, and columns of each unique index."""
    cursor.execute(
        "SELECT c.relname, i.indisprimary, array_agg(a.attname::text ORDER BY a.attname) "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
        "WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indisvalid "
        "AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY 1, 2",
        (table,),
    )
    return [(name, primary, tuple(columns)) for name, primary, columns in cursor.fetchall()]


def table_for(plan: Plan, schema: str, name: str, existing: dict[str, str]) -> Table:
    """Return the table that holds both what is there and what a plan brings."""
    identifiers = NAMING.identifiers(column.name for column in plan.columns)
    columns = []
    for column in plan.columns:
        identifier = identifiers[column.name]
        present = existing.get(identifier)
        if present is None:
            kind, type_ = column.kind, TYPES[column.kind]
        else:
            there = KINDS.get(without_modifier(present), Kind.TEXT)
            # a column of text takes anything as text, nested values too
            kind = there if there is Kind.TEXT else widest(there, column.kind)
            # numeric(10,2) would round what it takes in
            is_small = present in SMALL or present.startswith("numeric(")
            type_ = present if kind is there and not is_small else TYPES[kind]
        columns.append(TableColumn(column.name, identifier, kind, type_))
    return Table(schema, name, tuple(columns), tuple(identifiers[key] for key in plan.keys))


def without_modifier(type_: str) -> str:
    """Return a type without its length or precision: a cast to it cuts nothing off."""
    return MODIFIER.sub("", type_)


def create(cursor: Cursor, table: Table, *, unique: bool) -> None:
    """Create a table."""
    parts = [f"{quote(column.name)} {column.type}" for column in table.columns]
    if unique and table.keys:
        parts.append(f"PRIMARY KEY ({names(table.keys)})")
    cursor.execute(f"CREATE TABLE {table.qualified} ({', '.join(parts)})")


def grow(cursor: Cursor, table: Table, existing: dict[str, str]) -> None:
    """Add columns and widen types, in one statement: the table is rewritten at most once."""
    actions = []
    for column in table.columns:
        present = existing.get(column.name)
        if present is None:
            actions.append(f"ADD COLUMN {quote(column.name)} {column.type}")
        elif present != column.type:
            using = f"to_jsonb({quote(column.name)})" if column.kind is Kind.JSON else None
            cast = using or f"{quote(column.name)}::{column.type}"
            actions.append(f"ALTER COLUMN {quote(column.name)} TYPE {column.type} USING {cast}")
    if actions:
        cursor.execute(f"ALTER TABLE {table.qualified} {', '.join(actions)}")


def make_unique(cursor: Cursor, table: Table) -> None:
    """Have the table refuse two rows of one key; an older primary key gives way."""
    wanted = tuple(sorted(table.keys))
    found = unique_keys(cursor, table.qualified)
    for name, is_primary, columns in found:
        if is_primary and columns != wanted:
            logger.warning("table %s: its primary key %s gives way", table.qualified, columns)
            cursor.execute(f"ALTER TABLE {table.qualified} DROP CONSTRAINT {quote(name)}")
            released = [column for column in columns if column not in wanted]
            for column in released:
                cursor.execute(
                    f"ALTER TABLE {table.qualified} ALTER COLUMN {quote(column)} DROP NOT NULL"
                )
    if wanted and not any(columns == wanted for _, _, columns in found):
        index = NAMING.identifier(f"{table.name}_{'_'.join(table.keys)}_key")
        cursor.execute(
            f"CREATE UNIQUE INDEX {quote(index)} ON {table.qualified} ({names(table.keys)})"
        )
