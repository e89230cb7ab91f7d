"""Other people's targets behind our taps, and other people's taps before our targets."""

import json
import subprocess
import sys
import uuid
from decimal import Decimal
from pathlib import Path

import duckdb
import psycopg
import pytest
from headwater.testing.items import ItemsAPI
from headwater.testing.output import records
from headwater.testing.peers import NotInstallableError, peer

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
ONLY = ["issues", "labels", "stargazers", "pull_requests"]


def installed(*requirements):
    try:
        return peer(ROOT / ".tools/peers", *requirements)
    except NotInstallableError as fault:
        pytest.skip(str(fault))


def connect(config):
    names = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
    return psycopg.connect(
        **{names[k]: v for k, v in config.items() if k in names}, autocommit=True
    )


@pytest.fixture
def catalog(api, command, tmp_path):
    """Our messages of four streams, and what was sent."""
    found = json.loads(
        subprocess.run([BIN / "tap-github", "--discover"], capture_output=True).stdout
    )
    for stream in found["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == []:
                entry["metadata"]["selected"] = stream["stream"] in ONLY
    (tmp_path / "catalog.json").write_text(json.dumps(found))
    config = {"api_url": api.url, "auth_token": "demo-token", "repositories": ["acme/rocket"]}
    done = command("tap-github", config, "--catalog", tmp_path / "catalog.json")
    assert done.returncode == 0, done.stderr
    return done.stdout


def into(executable, config, messages, folder):
    (folder / "peer.json").write_text(json.dumps(config))
    done = subprocess.run(
        [executable, "--config", folder / "peer.json"], input=messages, capture_output=True,
        cwd=folder, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


@pytest.mark.timeout(600)
def test_our_tap_into_meltanolabs_target_postgres(catalog, postgres, tmp_path):
    place = installed("meltanolabs-target-postgres==0.8.1")
    schema = f"m{uuid.uuid4().hex[:8]}"
    config = {**postgres, "password": "none", "default_target_schema": schema,
              "load_method": "upsert"}  # fmt: skip
    states = into(place / "target-postgres", config, catalog, tmp_path)
    with connect(postgres) as connection:
        for stream, count in records(catalog).items():
            found = connection.execute(f"SELECT count(*) FROM {schema}.{stream}").fetchone()
            assert found == (count,)
    assert json.loads(states.splitlines()[-1])["bookmarks"]["issues"]


@pytest.mark.timeout(600)
def test_our_tap_into_pipelinewise_target_postgres(catalog, postgres, tmp_path):
    place = installed("pipelinewise-target-postgres==2.1.2", "setuptools<80")
    schema = f"p{uuid.uuid4().hex[:8]}"
    config = {**postgres, "dbname": postgres["database"], "password": "none",
              "default_target_schema": schema}  # fmt: skip
    into(place / "target-postgres", config, catalog, tmp_path)
    with connect(postgres) as connection:
        for stream, count in records(catalog).items():
            found = connection.execute(f"SELECT count(*) FROM {schema}.{stream}").fetchone()
            assert found == (count,)


@pytest.mark.timeout(600)
def test_our_tap_into_target_jsonl(catalog, tmp_path):
    place = installed("target-jsonl==0.1.4", "setuptools<80")
    (tmp_path / "out").mkdir()
    into(place / "target-jsonl", {"destination_path": str(tmp_path / "out")}, catalog, tmp_path)
    for stream, count in records(catalog).items():
        (file,) = (tmp_path / "out").glob(f"{stream}*.jsonl")
        assert len(file.read_text().splitlines()) == count


@pytest.fixture
def source(postgres):
    """A table with what classic taps trip over."""
    schema = f"src{uuid.uuid4().hex[:8]}"
    with connect(postgres) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(
            f"CREATE TABLE {schema}.things (id int PRIMARY KEY, name text, price numeric(20, 4), "
            "at timestamptz, doc jsonb, flag boolean, updated timestamptz)"
        )
        connection.execute(
            f"INSERT INTO {schema}.things SELECT n, 'näme ' || n, n + 0.1234, "
            "'2026-01-31T09:30:00Z', jsonb_build_object('n', n), n % 2 = 0, "
            "'2026-01-01T00:00:00Z'::timestamptz + n * interval '1 minute' "
            "FROM generate_series(1, 500) n"
        )
    yield schema
    with connect(postgres) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


def rows_in(destination_name, config):
    statement = "SELECT id, name, price FROM {} ORDER BY id"
    if destination_name == "target-duckdb":
        with duckdb.connect(config["filepath"]) as connection:
            ((table,),) = connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%things'"
            ).fetchall()
            return connection.execute(statement.format(f'"{table}"')).fetchall()
    schema = config["default_target_schema"]
    with connect(config) as connection:
        ((table,),) = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s "
            "AND table_name LIKE '%%things'",
            (schema,),
        ).fetchall()
        return connection.execute(statement.format(f'{schema}."{table}"')).fetchall()


def our_target(name, postgres, tmp_path):
    if name == "target-duckdb":
        return {"filepath": str(tmp_path / "out.duckdb")}
    return {**postgres, "default_target_schema": f"o{uuid.uuid4().hex[:8]}"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["target-duckdb", "target-postgres"])
def test_a_classic_tap_into_our_targets(source, postgres, tmp_path, name):
    """singer-python: breadcrumb catalogs, versions, time_extracted, ACTIVATE_VERSION."""
    place = installed("pipelinewise-tap-postgres==2.1.0", "setuptools<80")
    config = {**postgres, "dbname": postgres["database"], "password": "none",
              "filter_schemas": source}  # fmt: skip
    (tmp_path / "tap.json").write_text(json.dumps(config))
    tap = [place / "tap-postgres", "--config", tmp_path / "tap.json"]
    found = subprocess.run([*tap, "--discover"], capture_output=True)
    assert found.returncode == 0, found.stderr.decode()[-1000:]
    chosen = json.loads(found.stdout)
    for stream in chosen["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == []:
                entry["metadata"] |= {"selected": True, "replication-method": "FULL_TABLE"}
    (tmp_path / "properties.json").write_text(json.dumps(chosen))
    target = our_target(name, postgres, tmp_path)
    (tmp_path / "state.json").write_text("{}")
    for _ in range(2):
        run = [*tap, "--properties", tmp_path / "properties.json"]
        done = subprocess.run(run, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()[-1000:]
        assert b"ACTIVATE_VERSION" in done.stdout
        states = into(BIN / name, target, done.stdout, tmp_path)
        assert json.loads(states.splitlines()[-1])["bookmarks"]
    check(rows_in(name, target))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["target-duckdb", "target-postgres"])
def test_an_sdk_tap_into_our_targets(source, postgres, tmp_path, name):
    place = installed("meltanolabs-tap-postgres==0.10.0")
    config = {**postgres, "password": "none", "filter_schemas": [source]}
    (tmp_path / "tap.json").write_text(json.dumps(config))
    tap = [place / "tap-postgres", "--config", tmp_path / "tap.json"]
    found = json.loads(subprocess.run([*tap, "--discover"], capture_output=True).stdout)
    for stream in found["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == []:
                entry["metadata"]["selected"] = True
    (tmp_path / "catalog.json").write_text(json.dumps(found))
    run = [*tap, "--catalog", tmp_path / "catalog.json"]
    done = subprocess.run(run, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-1000:]
    target = our_target(name, postgres, tmp_path)
    into(BIN / name, target, done.stdout, tmp_path)
    check(rows_in(name, target))


def check(rows):
    assert [(i, name) for i, name, _ in rows] == [(n, f"näme {n}") for n in range(1, 501)]
    assert [round(Decimal(price), 4) for _, _, price in rows] == [
        Decimal(n) + Decimal("0.1234") for n in range(1, 501)
    ]


@pytest.fixture
def items():
    server = ItemsAPI()
    server._tokens["fixed-token"] = float("inf")
    yield server
    server.close()


@pytest.mark.timeout(600)
def test_tap_rest_on_the_config_of_tap_rest_api_msdk(items, tmp_path):
    """One config, both taps: the same records; and `headwater check` on somebody else's tap."""
    place = installed("tap-rest-api-msdk==1.4.2", "setuptools<80")
    config = {
        "api_url": items.url,
        "headers": {"Authorization": "Bearer fixed-token"},
        "next_page_token_path": "$.next",
        "pagination_request_style": "jsonpath_paginator",
        "pagination_next_page_param": "after",
        "records_path": "$.data[*]",
        "streams": [{"name": "events", "path": "/events", "primary_keys": ["id"],
                     "num_inference_records": 10}],
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = {}
    for tap in (place / "tap-rest-api-msdk", BIN / "tap-rest"):
        done = subprocess.run([tap, "--config", tmp_path / "config.json"], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        lines = map(json.loads, done.stdout.splitlines())
        found[tap.name] = [m["record"]["id"] for m in lines if m["type"] == "RECORD"]
    assert found["tap-rest-api-msdk"] == found["tap-rest"] == list(range(230))
    done = subprocess.run(
        [BIN / "headwater", "check", place / "tap-rest-api-msdk", "--config",
         tmp_path / "config.json", "--url-setting", "api_url", "--only", "502",
         "--report", tmp_path / "report.json"],
        capture_output=True, text=True,
    )  # fmt: skip
    report = {v["fault"]: v for v in json.loads((tmp_path / "report.json").read_text())}
    assert report["502"]["passed"], done.stderr
