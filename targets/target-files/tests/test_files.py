"""target-files: where files are, how they are named, split, partitioned, compressed and typed."""

import datetime as dt
import gzip
import json
from decimal import Decimal
from io import BytesIO

import boto3
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import zstandard
from headwater.errors import HeadwaterError, LoadError
from moto.server import ThreadedMotoServer
from target_files.target import TargetCSV, TargetFiles, TargetJSONL, TargetParquet

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "country": {"type": ["string", "null"]},
        "price": {"type": "number", "multipleOf": 0.01},
        "at": {"type": "string", "format": "date-time"},
        "nested": {
            "type": "object",
            "properties": {"x": {"type": "integer"}, "at": {"type": "string", "format": "date"}},
        },
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}


def row(number, **values):
    return {
        "id": number,
        "country": "NL",
        "price": 19.99,
        "at": "2026-01-31T09:30:00+02:00",
        "nested": {"x": number, "at": "2026-01-31"},
        "tags": ["a", "b"],
        **values,
    }


def load(target_type, rows, **settings):
    messages = [{"type": "SCHEMA", "stream": "my stream", "key_properties": ["id"],
                 "schema": SCHEMA}]  # fmt: skip
    messages += [{"type": "RECORD", "stream": "my stream", "record": r} for r in rows]
    messages += [{"type": "STATE", "value": {"n": len(rows)}}]
    states = []
    config = {"add_record_metadata": False, **settings}
    config = {k: str(v) if k == "destination_path" else v for k, v in config.items()}
    target = target_type(config=config, output=states.append)
    target.process(BytesIO(b"".join(json.dumps(m).encode() + b"\n" for m in messages)))
    return [json.loads(state) for state in states]


def test_jsonl_keeps_records_as_they_came(tmp_path):
    assert load(TargetJSONL, [row(1), row(2, unknown=1)], destination_path=tmp_path) == [{"n": 2}]
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("my_stream-")
    assert file.suffix == ".jsonl"
    assert [json.loads(line) for line in file.open()] == [row(1), row(2, unknown=1)]


def test_metadata_is_added_to_each_line(tmp_path):
    load(TargetJSONL, [row(1)], destination_path=tmp_path, add_record_metadata=True)
    (file,) = tmp_path.iterdir()
    found = json.loads(file.read_text())
    assert {"_sdc_received_at", "_sdc_sequence", "_sdc_deleted_at"} <= found.keys()
    assert found["id"] == 1


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("target_type", [TargetJSONL, TargetCSV])
def test_compression(tmp_path, compression, target_type):
    load(target_type, [row(1)], destination_path=tmp_path, compression=compression)
    (file,) = tmp_path.iterdir()
    assert file.suffix == {"gzip": ".gz", "zstd": ".zst"}[compression]
    content = file.read_bytes()
    text = (
        gzip.decompress(content)
        if compression == "gzip"
        else zstandard.ZstdDecompressor().decompressobj().decompress(content)
    )
    assert b"19.99" in text


def test_parquet_has_real_types(tmp_path):
    load(TargetParquet, [row(1), row(2, country=None)], destination_path=tmp_path)
    table = pq.read_table(next(tmp_path.iterdir()))
    assert table.schema.field("price").type == pa.decimal128(38, 2)
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert pa.types.is_struct(table.schema.field("nested").type)
    assert table.schema.field("tags").type == pa.list_(pa.string())
    first, second = table.to_pylist()
    assert first["price"] == Decimal("19.99")
    assert first["at"] == dt.datetime(2026, 1, 31, 7, 30, tzinfo=dt.timezone.utc)
    assert first["nested"] == {"x": 1, "at": dt.date(2026, 1, 31)}
    assert second["country"] is None


def test_row_groups_and_file_sizes_are_limited(tmp_path):
    rows = [row(number) for number in range(100)]
    load(TargetParquet, rows, destination_path=tmp_path, max_file_rows=40, row_group_rows=10)
    files = sorted(tmp_path.iterdir())
    assert [pq.read_metadata(file).num_rows for file in files] == [40, 40, 20]
    assert pq.read_metadata(files[0]).num_row_groups == 4
    load(TargetJSONL, rows, destination_path=tmp_path / "small", max_file_bytes=2000)
    sizes = [file.stat().st_size for file in (tmp_path / "small").iterdir()]
    assert len(sizes) > 5
    assert max(sizes) <= 2000


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_hive_partitions(tmp_path, kind):
    rows = [row(1), row(2, country="a/b c"), row(3, country=None), row(4)]
    load(TargetFiles, rows, destination_path=tmp_path, format=kind, partition_by=["country"])
    folders = {path.name for path in tmp_path.iterdir()}
    assert folders == {"country=NL", "country=a%2Fb c", "country=__HIVE_DEFAULT_PARTITION__"}
    if kind == "parquet":
        table = ds.dataset(tmp_path, partitioning=ds.partitioning(flavor="hive")).to_table()
        assert sorted(table.column("id").to_pylist()) == [1, 2, 3, 4]


def test_csv_is_read_back(tmp_path):
    import csv

    load(TargetCSV, [row(1, country='a "b"\nc')], destination_path=tmp_path)
    with next(tmp_path.iterdir()).open(newline="") as file:
        (found,) = csv.DictReader(file)
    assert found["country"] == 'a "b"\nc'
    assert json.loads(found["nested"]) == {"x": 1, "at": "2026-01-31"}


def test_the_hubs_settings_are_honoured(tmp_path):
    one_file = {"destination_path": tmp_path / "j", "do_timestamp_file": False}
    load(TargetJSONL, [row(1)], **one_file)
    load(TargetJSONL, [row(2)], **one_file)
    (file,) = (tmp_path / "j").iterdir()
    assert file.name == "my_stream.jsonl"
    assert [json.loads(line)["id"] for line in file.open()] == [1, 2]
    load(TargetJSONL, [row(1)], custom_name="mine", **one_file)
    assert (tmp_path / "j/mine.jsonl").exists()
    naming = "{datestamp}/{stream_name}.csv"
    load(TargetCSV, [row(1)], output_path=str(tmp_path / "c"), file_naming_scheme=naming)
    load(TargetCSV, [row(2)], output_path=str(tmp_path / "c"), file_naming_scheme=naming)
    (file,) = (tmp_path / "c").glob("*/*")
    assert len(file.read_text().splitlines()) == 3
    load(
        TargetParquet, [row(1)], destination_path=tmp_path / "p",
        streams_in_separate_folder=True, compression_method="gzip",
    )  # fmt: skip
    (file,) = (tmp_path / "p/my_stream").iterdir()
    assert pq.read_metadata(file).row_group(0).column(0).compression == "GZIP"


def test_a_full_disk_leaves_no_file_and_moves_no_state(tmp_path, monkeypatch):
    import headwater.storage.store as store

    def fails(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", fails)
    with pytest.raises(LoadError, match="No space left"):
        load(TargetJSONL, [row(1)], destination_path=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_place_is_a_config_error():
    with pytest.raises(HeadwaterError, match="nowhere"):
        load(TargetJSONL, [row(1)], destination_path="nowhere://x")


@pytest.fixture(scope="module")
def s3():
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "canary", "aws_secret_access_key": "canary"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="lake")
    yield (
        client,
        {
            "key": "canary",
            "secret": "canary-secret",
            "client_kwargs": {"endpoint_url": url, "region_name": "us-east-1"},
        },
    )
    server.stop()


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_s3(s3, kind):
    client, options = s3
    where = {"destination_path": f"s3://lake/{kind}", "storage_options": options}
    load(TargetFiles, [row(1), row(2)], format=kind, partition_by=["country"], **where)
    (found,) = client.list_objects_v2(Bucket="lake", Prefix=kind + "/")["Contents"]
    assert found["Key"].startswith(f"{kind}/country=NL/my_stream-")
    content = client.get_object(Bucket="lake", Key=found["Key"])["Body"].read()
    if kind == "parquet":
        assert pq.read_table(BytesIO(content)).num_rows == 2
    else:
        assert content.count(b"\n") == (2 if kind == "jsonl" else 3)


def test_a_bucket_that_is_not_there_is_a_named_error(s3):
    _, options = s3
    with pytest.raises(LoadError, match="my stream"):
        load(TargetJSONL, [row(1)], destination_path="s3://none/x", storage_options=options)
