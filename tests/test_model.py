"""Generated schemas and streams, against a model in plain Python."""

import json
import uuid
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KINDS = {
    "integer": st.integers(-(2**70), 2**70),
    "string": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    "number": st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1000,
                          max_value=1000),
    "boolean": st.booleans(),
    "object": st.dictionaries(st.sampled_from("xyz"), st.integers() | st.text("ab"), max_size=2),
}  # fmt: skip


@st.composite
def runs(draw):
    """Messages of up to two streams, schemas changing, states anywhere; and what they mean."""
    messages, model, states = [], {}, []
    properties = {}
    for _ in range(draw(st.integers(1, 25))):
        stream = draw(st.sampled_from(["one", "two"]))
        step = draw(st.sampled_from(["schema", "record", "record", "record", "state"]))
        if step == "state":
            states.append({"n": len(states)})
            messages.append({"type": "STATE", "value": states[-1]})
        elif step == "schema" or stream not in properties:
            # a property keeps its kind, properties come and go
            known = properties.setdefault(stream, {})
            names = draw(st.lists(st.sampled_from("abcd"), unique=True))
            for name in names:
                known.setdefault(name, draw(st.sampled_from(sorted(KINDS))))
            properties[stream] = known
            listed = {name: {"type": [known[name], "null"]} for name in names}
            messages.append(
                {"type": "SCHEMA", "stream": stream, "key_properties": ["id"],
                 "schema": {"type": "object",
                            "properties": {"id": {"type": "integer"}, **listed}}}
            )  # fmt: skip
            model.setdefault(stream, {})
            properties[stream + " now"] = names
        else:
            names = properties[stream + " now"]
            record = {"id": draw(st.integers(0, 5))}
            for name in names:
                if draw(st.booleans()):
                    record[name] = draw(KINDS[properties[stream][name]] | st.none())
            messages.append({"type": "RECORD", "stream": stream, "record": record})
            before = model[stream].get(record["id"], {})
            # a column that the schema names is set, one that it does not name stays
            row = {**before, **dict.fromkeys(names), **record}
            model[stream][record["id"]] = row
    kinds = {stream: dict(properties.get(stream, {})) for stream in model}
    return messages, model, states, kinds


def plain(value, kind):
    if value is None:
        return None
    if kind == "object":
        return value if isinstance(value, dict) else json.loads(value)
    if kind == "number":
        return round(Decimal(str(value)), 3)
    return int(value) if kind == "integer" else value


def dumps(message):
    return json.dumps(message, default=float).encode()


@pytest.mark.parametrize("target", ["target-duckdb", "target-postgres"])
@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(run=runs(), batch_rows=st.integers(1, 10))
def test_what_is_loaded_is_what_the_messages_mean(target, run, batch_rows, request, tmp_path):
    from tests.conftest import Destination

    messages, model, states, kinds = run
    if target == "target-duckdb":
        config = {"filepath": str(tmp_path / f"{uuid.uuid4().hex}.duckdb")}
    else:
        postgres = request.getfixturevalue("postgres")
        config = {**postgres, "default_target_schema": f"h{uuid.uuid4().hex[:10]}"}
    destination = Destination(target, config)
    printed = destination.load(*map(dumps, messages), batch_size_rows=batch_rows)
    assert printed == [state for state in states if state in printed]
    if states:
        assert printed[-1] == states[-1]
    for stream, rows in model.items():
        names = sorted(kinds[stream])
        columns = ", ".join(f'"{name}"' for name in ["id", *names])
        found = destination.query(f"SELECT {columns} FROM {stream}")
        loaded = {
            row[0]: {n: plain(v, kinds[stream][n]) for n, v in zip(names, row[1:], strict=True)}
            for row in found
        }
        assert loaded == {
            key: {name: plain(row.get(name), kinds[stream][name]) for name in names}
            for key, row in rows.items()
        }
