"""Tables in DuckDB: what is there, and how it grows to fit a plan."""

from __future__ import annotations

import duckdb
from headwater.loading import Column, Kind, Plan
from headwater.loading.naming import Naming
from headwater.loading.table import Table, TableColumn, quote
from headwater.schema.kinds import widest

# https://duckdb.org/docs/stable/sql/dialect/keywords_and_identifiers: case is kept, not compared
NAMING = Naming(folds_case=True)
DIGITS = 38
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
KINDS = {type_: kind for kind, type_ in TYPES.items()} | {
    "TINYINT": Kind.INTEGER,
    "SMALLINT": Kind.INTEGER,
    "INTEGER": Kind.INTEGER,
    "HUGEINT": Kind.INTEGER,
    "FLOAT": Kind.NUMBER,
    "DECIMAL": Kind.NUMBER,
    "TIMESTAMP": Kind.TIMESTAMP,
}
SMALL = ("TINYINT", "SMALLINT", "INTEGER", "FLOAT")


def type_of(column: Column) -> str:
    """Return the type of a new column: a decimal where the schema says how many places."""
    if column.kind is Kind.NUMBER and column.scale is not None and column.scale < DIGITS:
        return f"DECIMAL({DIGITS},{column.scale})"
    return TYPES[column.kind]


def existing_columns(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str
) -> dict[str, str]:
    """Return the types of a table's columns by name; empty where there is no table."""
    rows = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? "
        "AND table_name = ? AND database_name = current_database()",
        [schema, table],
    ).fetchall()
    return dict(rows)


def table_for(plan: Plan, schema: str, name: str, existing: dict[str, str]) -> Table:
    """Return the table that holds both what is there and what a plan brings."""
    identifiers = NAMING.identifiers(column.name for column in plan.columns)
    folded = {there.lower(): there for there in existing}
    columns = []
    for column in plan.columns:
        identifier = folded.get(identifiers[column.name].lower(), identifiers[column.name])
        present = existing.get(identifier)
        if present is None:
            kind, type_ = column.kind, type_of(column)
        else:
            there = KINDS.get(present.partition("(")[0], Kind.TEXT)
            kind = there if there is Kind.TEXT else widest(there, column.kind)
            type_ = present if kind is there and present not in SMALL else TYPES[kind]
        columns.append(TableColumn(column.name, identifier, kind, type_))
    by_property = {column.property: column.name for column in columns}
    named = {column.name for column in columns}
    return Table(
        schema,
        name,
        tuple(columns),
        tuple(by_property[key] for key in plan.keys),
        tuple(there for there in existing if there not in named),
    )


def create(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Create a table."""
    columns = ", ".join(f"{quote(column.name)} {column.type}" for column in table.columns)
    connection.execute(f"CREATE TABLE {table.qualified} ({columns})")


def grow(connection: duckdb.DuckDBPyConnection, table: Table, existing: dict[str, str]) -> None:
    """Add columns and widen types."""
    for column in table.columns:
        present, name = existing.get(column.name), quote(column.name)
        if present is None:
            connection.execute(f"ALTER TABLE {table.qualified} ADD COLUMN {name} {column.type}")
        elif present != column.type:
            using = f" USING to_json({name})" if column.kind is Kind.JSON else ""
            connection.execute(
                f"ALTER TABLE {table.qualified} ALTER {name} TYPE {column.type}{using}"
            )
