"""The table of types, shape by shape and target by target."""

import json
from io import BytesIO

import pyarrow.parquet as pq
import pytest
from headwater.errors import HeadwaterError
from target_files.target import TargetJSONL, TargetParquet

from tests.type_matrix import CASES, KEYS, REFUSED


def messages(case):
    schema = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "v": case.schema},
        "definitions": {"money": {"type": "number"}},
    }
    text = json.dumps({"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": ["id"]})
    record = f'{{"type":"RECORD","stream":"s","record":{{"id":1,"v":{case.value}}}}}'
    return [text.encode(), record.encode()]


def shown(value):
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    text = str(value)
    if text.startswith(("{", "[")) and ": " not in text and ", " not in text:
        return text
    return text


@pytest.mark.parametrize("case", CASES, ids=[case.shape for case in CASES])
def test_databases(destination, case):
    expected = getattr(case, destination.name.removeprefix("target-"))
    if expected == REFUSED:
        with pytest.raises(HeadwaterError, match="'s'"):
            destination.load(*messages(case))
        return
    destination.load(*messages(case))
    ((value,),) = destination.query("SELECT v FROM s")
    if isinstance(value, str) and expected[:1] in ("{", "["):
        value = json.loads(value)
    if expected == '"x"':
        value = json.dumps(value) if value == "x" else value
    assert shown(value) == expected


def files(target_type, folder, case):
    config = {"destination_path": str(folder), "add_record_metadata": False}
    target = target_type(config=config, output=lambda line: None)
    target.process(BytesIO(b"\n".join(messages(case)) + b"\n"))
    (file,) = folder.glob("*")
    return file


@pytest.mark.parametrize("case", CASES, ids=[case.shape for case in CASES])
def test_parquet(tmp_path, case):
    if case.parquet == REFUSED:
        with pytest.raises(HeadwaterError, match="'s'"):
            files(TargetParquet, tmp_path, case)
        assert list(tmp_path.glob("*")) == []
        return
    ((row),) = pq.read_table(files(TargetParquet, tmp_path, case)).to_pylist()
    assert shown(row["v"]) == case.parquet


@pytest.mark.parametrize("case", CASES, ids=[case.shape for case in CASES])
def test_jsonl(tmp_path, case):
    if case.jsonl == REFUSED:
        with pytest.raises(HeadwaterError, match="'s'"):
            files(TargetJSONL, tmp_path, case)
        return
    line = files(TargetJSONL, tmp_path, case).read_text()
    assert json.loads(line) == json.loads(f'{{"id":1,"v":{case.jsonl}}}')


def test_property_names(destination):
    properties = {"id": {"type": "integer"}, **{key: {"type": "string"} for key in KEYS}}
    values = {key: f"value {number}" for number, key in enumerate(KEYS)}
    schema = {"type": "SCHEMA", "stream": "s", "key_properties": ["id"],
              "schema": {"type": "object", "properties": properties}}  # fmt: skip
    for _ in range(2):
        destination.load(schema, {"type": "RECORD", "stream": "s", "record": {"id": 1, **values}})
    (row,) = destination.query("SELECT * FROM s")
    assert {*map(str, row)} == {"1", *values.values()}
