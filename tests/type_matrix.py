"""Every JSON Schema shape that taps emit, and what each destination makes of it.

One table: `test_type_matrix.py` proves it, `docs.py` writes `docs/types.md` from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REFUSED = "refused"
TARGETS = ("postgres", "duckdb", "parquet", "jsonl")


@dataclass(frozen=True)
class Case:
    """A shape.

    Args:
        shape: What it is, in words.
        schema: The property's schema.
        value: A value, as JSON text.
        results: For each target what is read back, as text, or REFUSED.
        rule: The rule, in words.
    """

    shape: str
    schema: Any
    value: str
    postgres: str
    duckdb: str
    parquet: str
    jsonl: str
    rule: str


def same(shape: str, schema: Any, value: str, found: str, rule: str, **other: str) -> Case:
    """A case that comes out alike everywhere, but for `other`."""
    results = dict.fromkeys(TARGETS, found) | {"jsonl": value} | other
    return Case(shape, schema, value, rule=rule, **results)


STRING, NULLABLE = {"type": "string"}, {"type": ["string", "null"]}
INTEGER, NUMBER = {"type": "integer"}, {"type": "number"}
MOMENT = {"type": "string", "format": "date-time"}
DATE, TIME = {"type": "string", "format": "date"}, {"type": "string", "format": "time"}
OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}}
DIGITS = "12345678901234567890123456789012345678"
CASES = (
    same("text", STRING, '"x"', "x", "text"),
    same("empty text", STRING, '""', "", "an empty text is not null"),
    same("null", NULLABLE, "null", "None", "null"),
    same("text with quotes, newlines, commas", STRING, '"a\\"b\\n,c\\r"', 'a"b\n,c\r',
         "kept as it is"),
    same("NUL in text", STRING, '"a\\u0000b"', "a\ufffdb",
         "U+FFFD stands for NUL in databases, which cannot hold it; files keep it",
         parquet="a\0b"),
    same("a lone surrogate in text", STRING, '"a\\ud800b"', "a\ufffdb",
         "U+FFFD stands for it: it is no character", parquet=REFUSED),
    same("NUL in nested text", OBJECT, '{"a":1,"b":"x\\u0000y"}', '{"a": 1, "b": "x\ufffdy"}',
         "U+FFFD stands for NUL in databases", parquet='{"a": 1}'),
    same("emoji", STRING, '"\\ud83d\\ude80"', "\U0001f680", "kept as it is"),
    same("integer", INTEGER, "42", "42", "a 64-bit integer"),
    same("integer written as 1.0", INTEGER, "1.0", "1", "JSON Schema counts it as an integer"),
    same("integer beyond 64 bits", INTEGER, "18446744073709551616", "18446744073709551616",
         "Postgres widens to numeric, DuckDB to hugeint; Parquet refuses", parquet=REFUSED),
    same("integer beyond 128 bits", INTEGER, "1" + "0" * 60, "1" + "0" * 60,
         "Postgres: numeric; DuckDB: text; Parquet refuses", parquet=REFUSED),
    same("text where an integer is due", INTEGER, '"7"', REFUSED, "refused", jsonl=REFUSED),
    same("fraction where an integer is due", INTEGER, "1.5", REFUSED, "refused", jsonl=REFUSED),
    same("number", NUMBER, "1.5", "1.5", "Postgres: numeric; DuckDB and Parquet: double"),
    same("number with an exponent", NUMBER, "1e3", "1000", "its value",
         duckdb="1000.0", parquet="1000.0"),
    same("38 digits", NUMBER, DIGITS, DIGITS, "Postgres keeps every digit; a double the nearest",
         duckdb="1.2345678901234568e+37", parquet="1.2345678901234568e+37"),
    same("38 digits, multipleOf 1", {"type": "number", "multipleOf": 1}, DIGITS, DIGITS,
         "multipleOf makes a decimal(38) of that scale"),
    same("money, multipleOf 0.01", {"type": "number", "multipleOf": 0.01}, "19.99", "19.99",
         "decimal(38,2)"),
    same("a number beyond double", NUMBER, "1e400", "1" + "0" * 400,
         "Postgres: numeric; what a double cannot hold is refused", duckdb=REFUSED,
         parquet=REFUSED),
    same("infinity", {"type": ["number", "null"]}, "Infinity", "None", "JSON has no infinity: null",
         jsonl="null"),
    same("boolean", {"type": "boolean"}, "true", "True", "a boolean"),
    same("date-time", MOMENT, '"2026-01-31T09:30:00Z"', "2026-01-31 09:30:00+00:00",
         "a timestamp in UTC"),
    same("date-time with an offset", MOMENT, '"2026-01-31T11:30:00+02:00"',
         "2026-01-31 09:30:00+00:00", "converted to UTC"),
    same("date-time without a zone", MOMENT, '"2026-01-31T09:30:00.123456"',
         "2026-01-31 09:30:00.123456+00:00", "taken as UTC"),
    same("date where a date-time is due", MOMENT, '"2026-01-31"', "2026-01-31 00:00:00+00:00",
         "its first moment"),
    same("the first year", MOMENT, '"0001-01-01T00:00:00Z"', "0001-01-01 00:00:00+00:00",
         "a timestamp"),
    same("the year 9999", MOMENT, '"9999-12-31T23:59:59Z"', "9999-12-31 23:59:59+00:00",
         "a timestamp"),
    same("year 0", MOMENT, '"0000-01-01T00:00:00Z"', REFUSED, "refused: there is none",
         jsonl=REFUSED),
    same("the year 10000", MOMENT, '"10000-01-01T00:00:00Z"', REFUSED, "refused",
         jsonl=REFUSED),
    same("a word that databases know", MOMENT, '"now"', REFUSED, "refused, never evaluated",
         jsonl=REFUSED),
    same("infinity as a date-time", MOMENT, '"infinity"', REFUSED, "refused", jsonl=REFUSED),
    same("31 February", MOMENT, '"2026-02-31T00:00:00Z"', REFUSED, "refused",
         jsonl='"2026-02-31T00:00:00Z"'),
    same("date", DATE, '"2026-01-31"', "2026-01-31", "a date"),
    same("date-time where a date is due", DATE, '"2026-01-31T10:00:00Z"', REFUSED,
         "refused: its time would be lost", jsonl=REFUSED),
    same("time", TIME, '"09:30:00"', "09:30:00", "a time of day"),
    same("time with an offset", TIME, '"09:30:00+02:00"', REFUSED,
         "refused: its offset would be lost", jsonl=REFUSED),
    same("object", OBJECT, '{"a":1}', '{"a": 1}', "jsonb, JSON, or a nested Parquet type"),
    same("object with members its schema lacks", OBJECT, '{"a":1,"z":2}', '{"a": 1, "z": 2}',
         "kept in JSON; a nested Parquet type has the schema's members", parquet='{"a": 1}'),
    same("object of anything", {"type": "object", "additionalProperties": True}, '{"k":[1]}',
         '{"k": [1]}', "JSON; in Parquet JSON as text", parquet='{"k":[1]}'),
    same("empty object", {"type": "object", "properties": {}}, "{}", "{}", "JSON"),
    same("array of integers", {"type": "array", "items": INTEGER}, "[1,2]", "[1, 2]",
         "JSON, or a Parquet list"),
    same("array of anything", {"type": "array"}, '[1,"a"]', '[1, "a"]',
         "JSON; in Parquet JSON as text", parquet='[1,"a"]'),
    same("array of objects", {"type": "array", "items": OBJECT}, '[{"a":1}]', '[{"a": 1}]',
         "JSON, or a Parquet list of structs"),
    same("no type", {}, '{"a":1}', '{"a": 1}', "JSON: anything", parquet='{"a":1}'),
    same("no type, text", {}, '"x"', '"x"', "JSON: anything"),
    same("integer or text", {"type": ["integer", "string"]}, "7", "7", "text"),
    same("integer or number", {"type": ["integer", "number"]}, "7", "7", "a number",
         duckdb="7.0", parquet="7.0"),
    same("text or object", {"type": ["string", "object"]}, '"x"', '"x"', "JSON"),
    same("anyOf with null", {"anyOf": [MOMENT, {"type": "null"}]}, '"2026-01-31T09:30:00Z"',
         "2026-01-31 09:30:00+00:00", "what is not null decides"),
    same("oneOf", {"oneOf": [INTEGER, STRING]}, '"x"', "x", "the widest: text"),
    same("allOf", {"allOf": [INTEGER, {"minimum": 1}]}, "7", "7", "the parts' types together"),
    same("allOf that a value does not fit", {"allOf": [INTEGER, {"minimum": 1}]}, "0", REFUSED,
         "refused", jsonl=REFUSED),
    same("enum", {"enum": ["a", "b"]}, '"a"', "a", "text, where all its values are"),
    same("a value outside its enum", {"enum": ["a", "b"]}, '"c"', REFUSED, "refused",
         jsonl=REFUSED),
    same("$ref", {"$ref": "#/definitions/money"}, "1.25", "1.25", "what it leads to"),
)  # fmt: skip
KEYS = ("a.b", "a b", "Id", "iD", "x" * 200, "ключ", 'q"q', "select")


INTRODUCTION = (
    "Generated from the table that the tests run (`tests/type_matrix.py`). *Refused* is an "
    "error that names the stream, the record and the reason; setting `on_invalid` makes it "
    "`skip` or `quarantine`. JSONL keeps what the tap wrote."
)
NAMES = (
    "Names: any language, reserved words and quotes are kept. Postgres holds 63 bytes: a "
    "longer name becomes its start and a digest of the whole. DuckDB does not tell `Id` "
    "from `id`: the one in lower case keeps its name, the other gets a digest."
)


def as_markdown() -> str:
    """Return the page of rules."""
    lines = [
        "# How types are loaded",
        "",
        INTRODUCTION,
        "",
        "| Shape | Schema | Value | Rule | Postgres | DuckDB | Parquet |",
        "|:--|:--|:--|:--|:--|:--|:--|",
    ]
    for case in CASES:
        cells = [
            case.shape, _code(case.schema), _code(case.value), case.rule,
            *(_code(text) if text != REFUSED else "*refused*"
              for text in (case.postgres, case.duckdb, case.parquet)),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        NAMES,
    ]
    return "\n".join(lines) + "\n"


def _code(value: Any) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value)
    text = text if len(text) <= 60 else text[:40] + "..."
    shown = json.dumps(text)[1:-1] if any(ord(c) < 32 for c in text) else text
    return f"`{shown}`".replace("|", "\\|") if text else "(empty)"
