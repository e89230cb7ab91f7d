"""What is true of DuckDB alone."""

import json
from io import BytesIO

import duckdb
import pytest
from headwater.errors import LoadError
from target_duckdb.target import TargetDuckDB


def load(messages, **config):
    states = []
    target = TargetDuckDB(config={"add_record_metadata": False, **config}, output=states.append)
    target.process(BytesIO(b"".join(json.dumps(m).encode() + b"\n" for m in messages)))
    return states


def wide(streams, columns):
    names = [f"c{n}" for n in range(columns)]
    properties = {"id": {"type": "integer"}, **{n: {"type": ["string", "null"]} for n in names}}
    for number in range(streams):
        yield {"type": "SCHEMA", "stream": f"s{number}", "key_properties": ["id"],
               "schema": {"type": "object", "properties": properties}}  # fmt: skip
    for number in range(streams):
        for key in range(30):
            record = {"id": key, **{n: f"{n} {key}" for n in names}}
            yield {"type": "RECORD", "stream": f"s{number}", "record": record}
    yield {"type": "STATE", "value": {"done": True}}


def test_many_wide_streams_get_the_memory_that_they_need(tmp_path):
    file = str(tmp_path / "x.duckdb")
    for _ in range(2):
        assert load(wide(60, 300), filepath=file) == ['{"done":true}']
    with duckdb.connect(file) as connection:
        assert connection.execute("SELECT count(*), max(c299) FROM s59").fetchone() == (
            30, "c299 9",
        )  # fmt: skip


def test_a_limit_that_is_given_is_kept_and_the_error_says_so(tmp_path):
    with pytest.raises(LoadError, match=r"(?i)memory limit") as error:
        load(wide(60, 300), filepath=str(tmp_path / "x.duckdb"), memory_limit_mb=64)
    assert "the state has not moved" in str(error.value)
