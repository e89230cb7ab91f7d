"""`headwater run` and `headwater replay`, with real processes."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from headwater.testing.output import records
from headwater.testing.server import Answer, Server

BIN = Path(sys.executable).parent
SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}},
}


class Source:
    """Items with the moment of their change; a list that is asked for by that."""

    def __init__(self):
        self.items = [{"id": n, "at": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z", "n": n * 2}
                      for n in range(250)]  # fmt: skip
        self.latency = 0.0
        self.fails_at = None

    def __call__(self, asked):
        time.sleep(self.latency)
        if asked.headers.get("authorization") != "Bearer the-token":
            return Answer(401, {"message": "no"})
        found = [i for i in self.items if i["at"] >= asked.params.get("since", "")]
        page, size = int(asked.params["page"]), int(asked.params["size"])
        if page == self.fails_at:
            return Answer(400, {"message": "broken on purpose"})
        return Answer(200, {"data": found[(page - 1) * size : page * size], "total": len(found)})


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def pipeline(tmp_path, source, monkeypatch):
    monkeypatch.setenv("ITEMS_TOKEN", "the-token")
    with Server(source) as server:
        stream = {
            "path": "/items", "records": "data", "primary_keys": ["id"], "schema": SCHEMA,
            "pagination": {"type": "page", "size": ["size", 50], "total": "total"},
        }  # fmt: skip
        items = {**stream, "name": "items", "replication_key": "at", "sorted": True,
                 "start_param": "since"}  # fmt: skip
        tap = {
            "api_url": server.url,
            "auth": {"type": "bearer", "token": "env:ITEMS_TOKEN"},
            "streams": [items, {**stream, "name": "all_items", "raw": True}],
        }
        yield Pipeline(tmp_path, tap)


class Pipeline:
    def __init__(self, folder, tap):
        self.folder = folder
        self.tap = tap
        self.target = {"filepath": str(folder / "out.duckdb"), "add_record_metadata": False}
        self.more = {}

    def __call__(self, *arguments, command="run", **options):
        (self.folder / "tap.json").write_text(json.dumps(self.tap))
        (self.folder / "target.json").write_text(json.dumps(self.target))
        plugins = ["tap-rest", "target-duckdb", "--tap-config", "tap.json",
                   "--target-config", "target.json"]  # fmt: skip
        return subprocess.run(
            [BIN / "headwater", command, *plugins, *arguments],
            cwd=self.folder, capture_output=True, text=True, timeout=60, **options,
        )  # fmt: skip

    @property
    def state(self):
        return json.loads((self.folder / ".headwater/tap-rest--target-duckdb.json").read_text())

    def query(self, statement):
        with duckdb.connect(self.target["filepath"]) as connection:
            return connection.execute(statement).fetchall()


def test_it_pipes_keeps_the_state_and_prints_the_table(pipeline, source):
    done = pipeline("--summary", "table.json")
    assert done.returncode == 0, done.stderr
    assert pipeline.query("SELECT count(*) FROM items") == [(250,)]
    assert pipeline.state["bookmarks"]["items"]["replication_key_value"] == source.items[-1]["at"]
    row = json.loads((pipeline.folder / "table.json").read_text())["items"]
    assert row == {"reported": 250, "fetched": 250, "emitted": 250, "received": 250,
                   "invalid": 0, "committed": 250}  # fmt: skip
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("items "))
    assert line.split() == ["items", *["250"] * 4, "0", "250"]
    source.items.append({"id": 999, "at": "2026-01-02T00:00:00Z"})
    again = pipeline("--summary", "table.json")
    assert again.returncode == 0
    assert json.loads((pipeline.folder / "table.json").read_text())["items"]["emitted"] == 2
    assert pipeline.query("SELECT count(*) FROM items") == [(251,)]


def test_selected_streams_and_full_refresh(pipeline, source):
    assert pipeline("--streams", "ite*").returncode == 0
    assert pipeline.query("SELECT table_name FROM duckdb_tables()") == [("items",)]
    source.items.pop()
    source.items[0]["n"] = 5
    done = pipeline("--full-refresh", "--streams", "items", "--summary", "table.json")
    assert done.returncode == 0
    assert json.loads((pipeline.folder / "table.json").read_text())["items"]["emitted"] == 249
    unknown = pipeline("--streams", "nothing")
    assert unknown.returncode == 2
    assert "'nothing'" in unknown.stderr
    assert "all_items" in unknown.stderr


def test_a_dry_run_loads_nothing_and_moves_no_state(pipeline):
    done = pipeline("--dry-run")
    assert done.returncode == 0, done.stderr
    assert "250" in done.stderr
    assert not (pipeline.folder / "out.duckdb").exists()
    assert not (pipeline.folder / ".headwater/tap-rest--target-duckdb.json").exists()


def test_a_failing_tap_fails_the_run_and_keeps_what_is_true(pipeline, source):
    source.fails_at = 4
    pipeline.tap["streams"] = pipeline.tap["streams"][:1]
    done = pipeline()
    assert done.returncode == 1
    assert "broken on purpose" in done.stderr
    assert "the tap left with 1" in done.stderr
    assert pipeline.query("SELECT count(*) FROM items") == [(150,)]
    source.fails_at = None
    assert pipeline().returncode == 0
    assert pipeline.query("SELECT count(*) FROM items") == [(250,)]


def test_a_failing_target_fails_the_run_and_the_state_does_not_move(pipeline):
    pipeline.target["filepath"] = str(pipeline.folder / "no/such/folder/x.duckdb")
    done = pipeline()
    assert done.returncode == 2
    assert "the target left with 2" in done.stderr
    assert "the state has not moved" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-tap", "target-duckdb"], "no-such-tap"),
        (["tap-rest"], "a tap and a target"),
        (["gone.yml"], "gone.yml"),
        (["odd.yml"], "'taps'"),
    ],
)
def test_bad_usage_exits_2(arguments, said, tmp_path):
    (tmp_path / "odd.yml").write_text("taps: x\n")
    done = subprocess.run(
        [BIN / "headwater", "run", *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pipeline_is_one_file_and_its_secrets_stay_references(pipeline):
    text = json.dumps({
        "tap": {"name": "tap-rest", "config": pipeline.tap},
        "target": {"name": "target-duckdb", "config": pipeline.target},
        "state": "states", "id": "mine", "streams": ["items"],
    })  # fmt: skip
    (pipeline.folder / "pipeline.yml").write_text(text)
    done = subprocess.run(
        [BIN / "headwater", "run", "pipeline.yml"], cwd=pipeline.folder, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((pipeline.folder / "states/mine.json").read_text())["bookmarks"]["items"]


def test_the_destination_can_keep_the_state(pipeline, source):
    for _ in range(2):
        done = pipeline("--state-store", "destination", "--streams", "items",
                        "--summary", "table.json")  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert json.loads((pipeline.folder / "table.json").read_text())["items"]["emitted"] == 1
    assert not (pipeline.folder / ".headwater").exists()
    ((kept,),) = pipeline.query("SELECT id FROM _headwater_state")
    assert kept == "tap-rest--target-duckdb"


def test_a_url_can_keep_the_state(pipeline):
    done = pipeline("--state-store", f"local://{pipeline.folder}/elsewhere")
    assert done.returncode == 0, done.stderr
    assert list((pipeline.folder / "elsewhere").glob("*.json"))


def test_two_runs_of_one_pipeline_do_not_mix(pipeline, source):
    source.latency = 0.5
    first = subprocess.Popen(
        [BIN / "headwater", "run", "tap-rest", "target-duckdb", "--tap-config", "tap.json",
         "--target-config", "target.json"],
        cwd=pipeline.folder, stderr=subprocess.PIPE,
    ) if pipeline("--dry-run").returncode == 0 else None  # fmt: skip
    time.sleep(1.0)
    second = pipeline()
    assert second.returncode == 2
    assert "another run" in second.stderr
    assert first.wait(60) == 0


def test_sigterm_ends_the_tap_and_commits_what_is_whole(pipeline, source):
    pipeline.tap["streams"] = pipeline.tap["streams"][:1]
    assert pipeline("--dry-run").returncode == 0
    source.latency = 0.7
    process = subprocess.Popen(
        [BIN / "headwater", "run", "tap-rest", "target-duckdb", "--tap-config", "tap.json",
         "--target-config", "target.json"],
        cwd=pipeline.folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(3.0)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1, said
    assert "stopped by a signal" in said
    ((count,),) = pipeline.query("SELECT count(*) FROM items")
    assert 0 < count < 250
    source.latency = 0
    assert pipeline().returncode == 0
    assert pipeline.query("SELECT count(*) FROM items") == [(250,)]


def test_a_table_is_derived_anew_from_its_answers(pipeline):
    assert pipeline().returncode == 0
    columns = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'all_items' ORDER BY 1"
    assert pipeline.query(columns) == [("at",), ("id",)]
    ((payload, encoding),) = pipeline.query(
        "SELECT payload, encoding FROM all_items__raw ORDER BY url LIMIT 1"
    )
    assert json.loads(payload)["total"] == 250
    assert encoding == "utf-8"
    assert pipeline.query("SELECT count(*) FROM all_items__raw WHERE url LIKE '%token%'") == [(0,)]
    # the schema has changed: what was dropped then is in the answers that were kept
    properties = {**SCHEMA["properties"], "n": {"type": "integer"}}
    pipeline.tap["streams"][1]["schema"] = {**SCHEMA, "properties": properties}
    done = pipeline("--stream", "all_items", command="replay")
    assert done.returncode == 0, done.stderr
    assert pipeline.query("SELECT count(*), sum(n) FROM all_items") == [(250, 249 * 250)]
    replaced = pipeline("--stream", "all_items", "--replace", command="replay")
    assert replaced.returncode == 0, replaced.stderr
    assert pipeline.query("SELECT count(*), sum(n) FROM all_items") == [(250, 249 * 250)]
    gone = pipeline("--stream", "gone", command="replay")
    assert gone.returncode == 2
    assert "gone" in gone.stderr


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_answers_can_be_kept_in_files(pipeline, form):
    messages = subprocess.run(
        [BIN / "tap-rest", "--config", _written(pipeline)], capture_output=True, check=True
    ).stdout
    target = {
        "destination_path": str(pipeline.folder / "out"),
        "format": form,
        "add_record_metadata": False,
        "compression": "gzip" if form != "parquet" else "zstd",
    }
    (pipeline.folder / "files.json").write_text(json.dumps(target))
    command = [BIN / "target-files", "--config", pipeline.folder / "files.json"]
    subprocess.run(command, input=messages, check=True, capture_output=True)
    read = subprocess.run([*command, "--read", "all_items__raw"], capture_output=True, check=True)
    (pipeline.folder / "answers.jsonl").write_bytes(read.stdout)
    replayed = subprocess.run(
        [BIN / "tap-rest", "--config", pipeline.folder / "tap.json", "--replay", "-"],
        input=read.stdout, capture_output=True, check=True,
    )  # fmt: skip
    assert records(replayed.stdout) == {"all_items": 250}
    assert b"STATE" not in replayed.stdout


def _written(pipeline):
    (pipeline.folder / "tap.json").write_text(json.dumps(pipeline.tap))
    return pipeline.folder / "tap.json"


def test_a_third_partys_target_is_run_too(pipeline, tmp_path):
    """One that has no summary: what it commits is not told, the state is its own."""
    script = tmp_path / "target-other"
    script.write_text(
        f"#!{sys.executable}\nimport sys, json\n"
        "state = None\n"
        "for line in sys.stdin:\n"
        "    message = json.loads(line)\n"
        "    if message['type'] == 'STATE': state = message['value']\n"
        "print('loaded everything')\n"
        "print(json.dumps(state))\n"
    )
    script.chmod(0o755)
    _written(pipeline)
    done = subprocess.run(
        [BIN / "headwater", "run", "tap-rest", script, "--tap-config", "tap.json", "--id", "x"],
        cwd=pipeline.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((pipeline.folder / ".headwater/x.json").read_text())["bookmarks"]
    assert "items " in done.stderr
    assert "loaded everything" in done.stderr


def test_progress_of_both_is_told_to_who_asks(pipeline):
    environment = {**os.environ, "HEADWATER_PROGRESS": "1"}
    done = subprocess.run(
        [BIN / "tap-rest", "--config", _written(pipeline)],
        capture_output=True, env=environment, check=True,
    )  # fmt: skip
    numbers = [json.loads(line[1:]) for line in done.stderr.decode().split("\n")
               if line.startswith("\x1e")]  # fmt: skip
    assert numbers[-1]["records"] == 500
    assert numbers[-1]["pages"] == 10


def on_a_terminal(command, folder):
    """Run a command whose standard error is a terminal; return what a person sees there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert process.wait(60) == 0, seen.decode()
    return seen.decode()


def test_a_terminal_shows_a_live_line(pipeline, source):
    source.latency = 0.2
    tap = [BIN / "tap-rest", "--config", _written(pipeline)]
    seen = on_a_terminal(tap, pipeline.folder)
    assert re.search(r"\r\x1b\[K\d+ records, \d+ pages, [\d,]+/s, \d+ requests, 0 retries", seen)
    (pipeline.folder / "target.json").write_text(json.dumps(pipeline.target))
    run = [BIN / "headwater", "run", "tap-rest", "target-duckdb", "--tap-config", "tap.json",
           "--target-config", "target.json"]  # fmt: skip
    seen = on_a_terminal(run, pipeline.folder)
    assert "| target:" in seen
    assert " records, " in seen
    assert "\x1e" not in seen


def test_a_key_that_is_rotated_mid_run_is_read_again(pipeline, source, tmp_path):
    (tmp_path / "token").write_text("the-token")
    pipeline.tap["auth"] = {"type": "bearer", "token": f"file:{tmp_path}/token"}
    asked = []

    def rotating(request):
        asked.append(request.headers["authorization"])
        if len(asked) == 3:
            (tmp_path / "token").write_text("the-new-token")
        wanted = "Bearer the-token" if len(asked) < 3 else "Bearer the-new-token"
        if asked[-1] != wanted:
            return Answer(401, {"message": "rotated"})
        page, size = int(request.params["page"]), int(request.params["size"])
        return Answer(200, {"data": source.items[(page - 1) * size : page * size], "total": 250})

    with Server(rotating) as server:
        pipeline.tap["api_url"] = server.url
        done = subprocess.run([BIN / "tap-rest", "--config", _written(pipeline)],
                              capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert records(done.stdout) == {"items": 250, "all_items": 250, "all_items__raw": 5}
    assert asked.count("Bearer the-token") == 3
    assert b"new-token" not in done.stderr
