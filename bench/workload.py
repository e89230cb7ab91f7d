"""The workload of the benchmark: Singer messages of about 770 bytes, 14 columns."""

import json
import random
import sys
from pathlib import Path

WORDS = [
    "lorem",
    "ipsum",
    "dolor",
    "sit",
    "amet",
    "consectetur",
    "adipiscing",
    "elit",
    "sed",
    "do",
    "eiusmod",
    "tempor",
]
STATE_EVERY = 10_000


def _nullable(kind, **more):
    return {"type": [kind, "null"], **more}


NESTED = _nullable("object", properties={"x": _nullable("integer"), "y": _nullable("string")})
MOMENT = _nullable("string", format="date-time")
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "int1": _nullable("integer"),
        "int2": _nullable("integer"),
        "text1": _nullable("string"),
        "text2": _nullable("string"),
        "flag": _nullable("boolean"),
        "float1": _nullable("number"),
        "float2": _nullable("number"),
        "at1": MOMENT,
        "at2": MOMENT,
        "at3": MOMENT,
        "nested1": NESTED,
        "nested2": NESTED,
        "array": _nullable("array", items=_nullable("integer")),
    },
}


def record(number, chance):
    """Return record number so and so."""
    text = " ".join(chance.choices(WORDS, k=40))
    hour, minute = number % 24, number % 60
    return {
        "id": number,
        "int1": number * 7,
        "int2": number % 13,
        "text1": text[:200],
        "text2": f"name {number}",
        "flag": number % 2 == 0,
        "float1": number / 3,
        "float2": chance.random(),
        "at1": f"2026-01-01T{hour:02}:{minute:02}:00Z",
        "at2": f"2026-01-01T{hour:02}:{minute:02}:00.123456+00:00",
        "at3": f"2026-01-02T{hour:02}:{minute:02}:00Z",
        "nested1": {"x": number, "y": text[:60]},
        "nested2": {"x": number, "y": "z" * 40},
        "array": [1, 2, 3, number],
    }


def write(path: Path, count: int) -> Path:
    """Write the messages of so many records to a file, once."""
    if path.exists():
        return path
    chance = random.Random(1)
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        schema = {"type": "SCHEMA", "stream": "items", "schema": SCHEMA, "key_properties": ["id"]}
        file.write(json.dumps(schema) + "\n")
        for number in range(count):
            message = {
                "type": "RECORD",
                "stream": "items",
                "record": record(number, chance),
                "time_extracted": "2026-01-01T00:00:00+00:00",
            }
            file.write(json.dumps(message) + "\n")
            if number % STATE_EVERY == STATE_EVERY - 1:
                state = {"bookmarks": {"items": {"replication_key_value": number}}}
                file.write(json.dumps({"type": "STATE", "value": state}) + "\n")
    partial.replace(path)
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
