"""A target killed at any point, restarted with the last printed state: exactly the right rows."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import duckdb
import psycopg
import pytest

BIN = Path(sys.executable).parent
ROWS, ROUND = 4000, 100
KILLS = int(os.environ.get("HEADWATER_KILLS", "200"))
SCHEMA = {
    "type": "SCHEMA",
    "stream": "s",
    "key_properties": ["id"],
    "schema": {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "text": {"type": "string"}},
    },
}


def lines_after(state):
    """What a tap writes that begins after a state: record n, and a state every so often."""
    yield json.dumps(SCHEMA).encode() + b"\n"
    for number in range(state.get("after", 0), ROWS):
        record = {"id": number, "text": f"row {number} " * 5}
        yield json.dumps({"type": "RECORD", "stream": "s", "record": record}).encode() + b"\n"
        if number % ROUND == ROUND - 1:
            yield json.dumps({"type": "STATE", "value": {"after": number + 1}}).encode() + b"\n"


def run(name, config_file, state, kill_after=None):
    """Run a target from a state; return the last state that it printed, and its exit code."""
    process = subprocess.Popen(
        [BIN / name, "--config", config_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def feed():
        try:
            for line in lines_after(state):
                process.stdin.write(line)
            process.stdin.close()
        except (BrokenPipeError, ValueError, OSError):
            pass

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    printed = process.stdout.read().splitlines(keepends=True)
    code = process.wait()
    feeder.join(10)
    complete = [json.loads(line) for line in printed if line.endswith(b"\n")]
    return (complete[-1] if complete else state), code


def killed_at_random(name, config, tmp_path, kills):
    """Kill a target again and again, each time further on, until it has had enough."""
    file = tmp_path / "target.json"
    file.write_text(json.dumps({**config, "add_record_metadata": False, "batch_size_rows": 300}))
    chance = random.Random(7)
    started = time.monotonic()
    run(name, file, {"after": ROWS})
    launch = time.monotonic() - started  # from here on something can be under way
    state, done = {}, 0
    for _ in range(kills):
        state, code = run(name, file, state, launch * chance.uniform(0.3, 1.6))
        if code == 0:  # it was faster than the signal: begin again on what is there
            done += 1
            state = {}
    _, code = run(name, file, state)
    assert code == 0
    return done


def test_target_postgres(postgres, tmp_path):
    schema = f"k{uuid.uuid4().hex[:10]}"
    config = {**postgres, "default_target_schema": schema}
    assert killed_at_random("target-postgres", config, tmp_path, KILLS) < KILLS
    names = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
    arguments = {names[k]: v for k, v in postgres.items() if k in names}
    with psycopg.connect(**arguments) as connection:
        rows = connection.execute(f"SELECT id, text FROM {schema}.s ORDER BY id").fetchall()
    assert rows == [(n, f"row {n} " * 5) for n in range(ROWS)]


def test_target_duckdb(tmp_path):
    config = {"filepath": str(tmp_path / "out.duckdb")}
    assert killed_at_random("target-duckdb", config, tmp_path, KILLS) < KILLS
    with duckdb.connect(config["filepath"]) as connection:
        rows = connection.execute("SELECT id, text FROM s ORDER BY id").fetchall()
    assert rows == [(n, f"row {n} " * 5) for n in range(ROWS)]


def test_target_files_shows_no_half_file(tmp_path):
    folder = tmp_path / "out"
    config = {"destination_path": str(folder), "format": "jsonl"}
    killed_at_random("target-files", config, tmp_path, max(10, KILLS // 5))
    seen = set()
    for file in folder.glob("*.jsonl"):
        for line in file.read_bytes().splitlines(keepends=True):
            assert line.endswith(b"\n")
            seen.add(json.loads(line)["id"])
    assert seen == set(range(ROWS))


@pytest.mark.parametrize("name", ["target-duckdb", "target-postgres"])
def test_a_state_kept_with_the_rows_is_exactly_once(name, request, tmp_path):
    """Append-only, so a row that came twice would be seen; no store but the database."""
    settings = {"load_method": "append-only", "state_in_destination": True}
    settings |= {"add_record_metadata": False, "batch_size_rows": 300}
    if name == "target-duckdb":
        settings["filepath"] = str(tmp_path / "out.duckdb")
    else:
        postgres = request.getfixturevalue("postgres")
        settings |= {**postgres, "default_target_schema": f"e{uuid.uuid4().hex[:10]}"}
    file = tmp_path / "target.json"
    file.write_text(json.dumps(settings))
    chance = random.Random(3)
    started = time.monotonic()
    kept(name, file)
    launch = time.monotonic() - started
    for _ in range(max(10, KILLS // 8)):
        run(name, file, kept(name, file), launch * chance.uniform(0.5, 1.7))
    _, code = run(name, file, kept(name, file))
    assert code == 0
    assert kept(name, file) == {"after": ROWS}
    if name == "target-duckdb":
        with duckdb.connect(settings["filepath"]) as connection:
            rows = connection.execute("SELECT id FROM s ORDER BY id").fetchall()
    else:
        names = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
        arguments = {names[k]: v for k, v in settings.items() if k in names}
        with psycopg.connect(**arguments) as connection:
            statement = f"SELECT id FROM {settings['default_target_schema']}.s ORDER BY id"
            rows = connection.execute(statement).fetchall()
    assert rows == [(n,) for n in range(ROWS)]


def kept(name, file):
    done = subprocess.run([BIN / name, "--config", file, "--state"], capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["target-duckdb", "target-files"])
def test_sigterm_commits_what_is_whole_and_prints_the_last_true_state(name, tmp_path):
    key = "filepath" if name == "target-duckdb" else "destination_path"
    file = tmp_path / "target.json"
    file.write_text(json.dumps({key: str(tmp_path / "out"), "add_record_metadata": False}))
    process = subprocess.Popen(
        [BIN / name, "--config", file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for number, line in enumerate(lines_after({})):
        if number == 1011 + 10:
            break
        process.stdin.write(line)
    process.stdin.flush()
    time.sleep(1.5)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert b"Traceback" not in errors
    state = json.loads(output.splitlines()[-1])
    assert state == {"after": 1000}
    if name == "target-duckdb":
        with duckdb.connect(str(tmp_path / "out")) as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM s").fetchall()
        assert count >= 1000


@pytest.mark.parametrize("name", ["target-duckdb", "target-files"])
def test_a_tap_cut_in_the_middle_of_a_line_fails_the_run(name, tmp_path):
    key = "filepath" if name == "target-duckdb" else "destination_path"
    file = tmp_path / "target.json"
    file.write_text(json.dumps({key: str(tmp_path / "out"), "add_record_metadata": False}))
    text = b"".join(list(lines_after({}))[:500]) + b'{"type":"RECORD","stream":"s","record":{"i'
    done = subprocess.run([BIN / name, "--config", file], input=text, capture_output=True)
    assert done.returncode == 1
    assert b"cut off" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"after": 400}
