"""Postgres restarted, full, locked, changed or closed to us: named errors, a true state."""

import json
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import psycopg
import pytest
from headwater.errors import LoadError
from headwater.testing.postgres import Postgres

from tests.conftest import Destination
from tests.test_target_semantics import record, schema, state

BIN = Path(sys.executable).parent
TEXT = {"type": "string"}


@pytest.fixture
def server():
    server = Postgres()
    yield server
    server.close()


def connect(config, **options):
    given = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
    arguments = {given[k]: v for k, v in config.items() if k in given}
    return psycopg.connect(**arguments, autocommit=True, **options)


def lines(count, every=200):
    yield schema(text=TEXT)
    for number in range(count):
        yield record(id=number, text=f"row {number}")
        if number % every == every - 1:
            yield state(after=number + 1)


@pytest.mark.parametrize("method", ["upsert", "append-only"])
def test_restarted_under_load_every_row_is_there_once(server, tmp_path, method):
    config = {**server.config, "default_target_schema": "t", "batch_size_rows": 500,
              "load_method": method, "add_record_metadata": False}  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(config))
    target = subprocess.Popen(
        [BIN / "target-postgres", "--config", tmp_path / "c.json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip

    def feed():
        for number, message in enumerate(lines(20_000)):
            target.stdin.write(json.dumps(message).encode() + b"\n")
            if number in (4_000, 12_000):
                target.stdin.flush()
                server.restart()
        target.stdin.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    output, errors = target.stdout.read(), target.stderr.read()
    assert target.wait(120) == 0, errors.decode()
    feeder.join()
    assert json.loads(output.splitlines()[-1]) == {"after": 20_000}
    with connect(config) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT id) FROM t.s").fetchone()
    assert found == (20_000, 20_000)


def test_a_lost_connection_is_tried_once_more(postgres_destination):
    destination = postgres_destination
    destination.load(schema(), record(id=0))
    from target_postgres.loader import PostgresLoader

    inner, broken = PostgresLoader._bring_in, []

    def cut(self, cursor, batch, lines):
        if not broken:
            broken.append(1)
            with connect(destination.config) as other:
                pid = self._connection.info.backend_pid
                other.execute("SELECT pg_terminate_backend(%s)", (pid,))
                time.sleep(0.1)
        inner(self, cursor, batch, lines)

    PostgresLoader._bring_in = cut
    try:
        assert destination.load(schema(), record(id=1), state(a=1)) == [{"a": 1}]
    finally:
        PostgresLoader._bring_in = inner
    assert destination.query("SELECT id FROM s ORDER BY id") == [(0,), (1,)]


def test_a_full_disk_is_a_named_error(server, tmp_path):
    """A small tablespace on tmpfs, where this machine lets us mount one; else an error like it."""
    config = {**server.config, "default_target_schema": "t", "add_record_metadata": False}
    place = Path(tempfile.mkdtemp(prefix="headwater-full-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place]
    is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
    destination = Destination("target-postgres", config)
    try:
        with connect(config) as connection:
            if is_mounted:
                server.own(place)
                connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
                connection.execute("ALTER DATABASE postgres SET default_tablespace = small")
        destination.load(schema(text=TEXT), record(id=0, text="x"), state(a=0))
        if not is_mounted:
            with connect(config) as connection:
                connection.execute(FULL)
        rows = [record(id=n, text=uuid.uuid4().hex * 30) for n in range(1, 9000)]
        with pytest.raises(LoadError, match="No space left"):
            destination.load(schema(text=TEXT), *rows, state(a=1))
        assert destination.states == []
        assert destination.query("SELECT id FROM t.s") == [(0,)]
    finally:
        server.stop()
        if is_mounted:
            subprocess.run(["umount", place], check=True)
        place.rmdir()


FULL = """
CREATE FUNCTION t.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION
USING ERRCODE = '53100', MESSAGE = 'could not extend file: No space left on device'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON t.s EXECUTE FUNCTION t.full();
"""


def test_a_lock_of_another_session_is_waited_for(postgres_destination):
    destination = postgres_destination
    destination.load(schema(), record(id=0))
    name = destination.config["default_target_schema"]
    with connect(destination.config) as other:
        other.autocommit = False
        other.execute(f"LOCK TABLE {name}.s IN ACCESS EXCLUSIVE MODE")
        timer = threading.Timer(1.0, other.rollback)
        timer.start()
        started = time.monotonic()
        destination.load(schema(), record(id=1), state(a=1))
        assert time.monotonic() - started > 0.8
        timer.join()
    assert destination.states == [{"a": 1}]


def test_a_table_that_vanishes_between_batches_is_a_named_error(postgres_destination):
    destination = postgres_destination
    destination.load(schema(), record(id=0))
    from target_postgres.loader import PostgresLoader

    inner, loads = PostgresLoader.load, []

    def drops(self, batches, state):
        inner(self, batches, state)
        loads.append(1)
        if len(loads) == 1:
            with connect(destination.config) as other:
                other.execute(f"DROP TABLE {destination.config['default_target_schema']}.s")

    PostgresLoader.load = drops
    try:
        with pytest.raises(LoadError, match=r"stream 's'.*does not exist"):
            destination.load(
                schema(), record(id=1), state(a=1), record(id=2), state(a=2), batch_size_rows=1
            )
    finally:
        PostgresLoader.load = inner
    assert destination.states == [] or destination.states[-1] == {"a": 1}


def test_a_missing_permission_is_a_named_error(postgres_destination):
    destination = postgres_destination
    destination.load(schema(), record(id=0))
    name, role = destination.config["default_target_schema"], f"r{uuid.uuid4().hex[:8]}"
    with connect(destination.config) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT USAGE ON SCHEMA {name} TO {role}")
        connection.execute(f"GRANT SELECT ON {name}.s TO {role}")
    with pytest.raises(LoadError, match=r"stream 's'.*permission denied"):
        destination.load(schema(), record(id=1), state(a=1), user=role)
    assert destination.states == []


def test_concurrent_runs_into_one_schema_do_not_deadlock(postgres_destination, tmp_path):
    config = {**postgres_destination.config, "batch_size_rows": 50, "add_record_metadata": False}
    (tmp_path / "c.json").write_text(json.dumps(config))
    runs = []
    for shift in range(4):
        messages = [schema("a"), schema("b")]
        numbers = range(1000) if shift % 2 else range(999, -1, -1)
        for number in numbers:
            streams = "ab" if shift % 2 else "ba"
            messages += [record(s, id=number) for s in streams] + [state(n=number)]
        text = b"".join(json.dumps(m).encode() + b"\n" for m in messages)
        (tmp_path / f"{shift}.jsonl").write_bytes(text)
        with (tmp_path / f"{shift}.jsonl").open("rb") as source:
            runs.append(
                subprocess.Popen(
                    [BIN / "target-postgres", "--config", tmp_path / "c.json"],
                    stdin=source,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
            )
    for process in runs:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    for table in "ab":
        assert postgres_destination.query(f"SELECT count(*) FROM {table}") == [(1000,)]


def test_a_table_with_doubled_keys_is_a_named_error(postgres_destination):
    destination = postgres_destination
    destination.load(schema(), record(id=1), record(id=1), load_method="append-only")
    with pytest.raises(LoadError, match=r"same key"):
        destination.load(schema(), record(id=2))


def test_a_column_that_another_tool_made_is_respected(postgres_destination):
    destination = postgres_destination
    name = destination.config["default_target_schema"]
    moment = {"type": "string", "format": "date-time"}
    with connect(destination.config) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        connection.execute(
            f"CREATE TABLE {name}.s (id integer PRIMARY KEY, at timestamp, code varchar(3), u uuid)"
        )
    unique = str(uuid.uuid4())
    message = schema(at=moment, code=TEXT, u=TEXT)
    values = {"at": "2026-01-31T11:30:00+02:00", "code": "abc", "u": unique}
    destination.load(message, record(id=1, **values))
    assert destination.query("SELECT at::text, code, u::text FROM s") == [
        ("2026-01-31 09:30:00", "abc", unique)
    ]
    with pytest.raises(LoadError, match=r"id='2'.*too long"):
        destination.load(message, record(id=2, **{**values, "code": "abcd"}))
