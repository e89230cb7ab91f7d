"""A tap killed at any point, restarted with the last printed state: exactly the right rows."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import duckdb
import psycopg
import pytest
from headwater.testing.items import SCHEMA, ItemsAPI

BIN = Path(sys.executable).parent
KILLS = int(os.environ.get("HEADWATER_TAP_KILLS", "50"))
COUNT = 600


def tap_config(url):
    common = {"records": "data", "primary_keys": ["id"], "schema": SCHEMA}
    return {
        "api_url": url,
        "state_message_threshold": 100,
        "auth": {"type": "oauth_client_credentials", "token_url": f"{url}/token",
                 "client_id": "items-client", "client_secret": "items-client-secret"},
        "streams": [
            {**common, "name": "orders", "path": "/orders", "replication_key": "updated_at",
             "sorted": True, "pagination": {"type": "page", "size": None, "total": "total"}},
            # taken up where it ended: a list without a bookmark
            {**common, "name": "events", "path": "/events", "resumable": True,
             "pagination": {"type": "cursor", "param": "after", "cursor": "next",
                            "total": "total"}},
        ],
    }  # fmt: skip


def run(folder, target, state, kill_after=None):
    """Run tap | target; return the last state that came out, and both exit codes."""
    (folder / "state.json").write_text(json.dumps(state))
    tap_command = [BIN / "tap-rest", "--config", folder / "tap.json",
                   "--state", folder / "state.json"]  # fmt: skip
    tap = subprocess.Popen(tap_command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    sink = subprocess.Popen(
        [BIN / target, "--config", folder / "target.json"],
        stdin=tap.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    tap.stdout.close()
    if kill_after is not None:
        time.sleep(kill_after)
        tap.send_signal(signal.SIGKILL)
    printed, said = sink.communicate(timeout=60)
    lines = printed.splitlines()
    return (json.loads(lines[-1]) if lines else state), (tap.wait(), sink.returncode), said


@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", ["target-duckdb", "target-postgres"])
def test_rows_are_right_after_fifty_kills(target, request, tmp_path):
    if target == "target-duckdb":
        settings = {"filepath": str(tmp_path / "out.duckdb")}
    else:
        schema = f"t{uuid.uuid4().hex[:10]}"
        settings = {**request.getfixturevalue("postgres"), "default_target_schema": schema}
    (tmp_path / "target.json").write_text(json.dumps({**settings, "add_record_metadata": False}))
    api = ItemsAPI(COUNT, latency=0.01)
    (tmp_path / "tap.json").write_text(json.dumps(tap_config(api.url)))
    chance = random.Random(11)
    started = time.monotonic()
    state, codes, said = run(tmp_path, target, {})
    assert codes == (0, 0), said
    whole = time.monotonic() - started
    state, cut, resumed = {}, 0, 0
    for _ in range(KILLS):
        state, codes, said = run(tmp_path, target, state, whole * chance.uniform(0.1, 0.9))
        resumed += bool(state) and codes[0] != 0
        cut += codes[0] == -signal.SIGKILL
        if codes[0] == 0:
            state = {}
    assert cut > KILLS // 2
    assert resumed > 2
    _, codes, said = run(tmp_path, target, state)
    assert codes == (0, 0), said
    api.close()
    wanted = {
        name: [(i["id"], i["text"]) for i in api.lists[name]] for name in ("orders", "events")
    }
    for name, rows in wanted.items():
        assert query(target, settings, f"SELECT id, text FROM {name} ORDER BY id") == rows


def query(target, settings, statement):
    if target == "target-duckdb":
        with duckdb.connect(settings["filepath"]) as connection:
            return connection.execute(statement).fetchall()
    names = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
    arguments = {names[k]: v for k, v in settings.items() if k in names}
    options = f"-c search_path={settings['default_target_schema']}"
    with psycopg.connect(**arguments, options=options) as connection:
        return connection.execute(statement).fetchall()


def test_a_list_without_a_bookmark_is_taken_up_where_it_ended(tmp_path):
    api = ItemsAPI(COUNT, latency=0.1)
    config = tap_config(api.url)
    config["streams"] = config["streams"][1:]
    (tmp_path / "tap.json").write_text(json.dumps(config))
    command = [BIN / "tap-rest", "--config", tmp_path / "tap.json"]
    tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.4)
    tap.send_signal(signal.SIGTERM)
    output, said = tap.communicate(timeout=30)
    assert tap.returncode != 0, said
    messages = [json.loads(line) for line in output.splitlines()]
    first = [m["record"]["id"] for m in messages if m["type"] == "RECORD"]
    assert 0 < len(first) < COUNT
    state = messages[-1]["value"]
    assert state["bookmarks"]["events"]["resume"]["url"].startswith(api.url)
    assert b"access-token" not in output
    (tmp_path / "state.json").write_text(json.dumps(state))
    done = subprocess.run([*command, "--state", tmp_path / "state.json"], capture_output=True)
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    second = [m["record"]["id"] for m in messages if m["type"] == "RECORD"]
    assert first + second == list(range(COUNT))
    assert "resume" not in messages[-1]["value"]["bookmarks"]["events"]
    api.close()


def test_a_position_that_the_api_does_not_know_any_more_begins_anew(tmp_path):
    api = ItemsAPI(120)
    config = tap_config(api.url)
    config["streams"] = config["streams"][1:]
    (tmp_path / "tap.json").write_text(json.dumps(config))
    gone = {"url": f"{api.url}/events-of-yesterday", "progress": {"fetched": 50, "reported": 120}}
    (tmp_path / "state.json").write_text(
        json.dumps({"bookmarks": {"events": {"resume": {**gone, "url": f"{api.url}/events/x"}}}})
    )
    command = [BIN / "tap-rest", "--config", tmp_path / "tap.json", "--state",
               tmp_path / "state.json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b'"RECORD"') == 120
    assert b"begins anew" in done.stderr
    api.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", ["target-duckdb", "target-postgres"])
def test_headwater_run_is_exactly_once_with_the_state_in_the_destination(target, request, tmp_path):
    """Append-only, so a row that came twice would be seen; no store but the destination."""
    settings = {"load_method": "append-only", "add_record_metadata": False, "batch_size_rows": 150}
    if target == "target-duckdb":
        settings["filepath"] = str(tmp_path / "out.duckdb")
    else:
        schema = f"h{uuid.uuid4().hex[:10]}"
        settings |= {**request.getfixturevalue("postgres"), "default_target_schema": schema}
    api = ItemsAPI(COUNT, latency=0.05)
    config = tap_config(api.url)
    config["streams"] = config["streams"][1:]
    config["state_message_threshold"] = 50
    pipeline = {"tap": {"name": "tap-rest", "config": config},
                "target": {"name": target, "config": settings}, "state": "destination"}  # fmt: skip
    (tmp_path / "pipeline.yml").write_text(json.dumps(pipeline))
    command = [BIN / "headwater", "run", tmp_path / "pipeline.yml"]
    chance = random.Random(5)
    cut = 0
    for _ in range(12):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(chance.uniform(0.8, 2.2))
        cut += process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait() == 0:
            break
    assert cut
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    api.close()
    rows = query(target, settings, "SELECT id FROM events ORDER BY id")
    # a whole list that was read to its end begins anew: count the rounds
    rounds, rest = divmod(len(rows), COUNT)
    assert rest == 0
    assert rows == [(n,) for n in range(COUNT) for _ in range(rounds)]
