"""tap-github into real databases: full, then incremental."""

import json

import duckdb
import psycopg
import pytest
from headwater.testing.output import last_state, messages, records
from headwater.testing.server import RESET, TRUNCATE, Answer

CHANGED = "2030-01-01T00:00:00Z"


def expected(api):
    lists = api.world.repositories["acme/rocket"].lists
    return {
        "issues": lists["issues"],
        "issue_comments": lists["issues/comments"],
        "pull_requests": lists["pulls"],
        "commits": lists["commits"],
        "branches": lists["branches"],
        "stargazers": lists["stargazers"],
        "discussions": lists["discussions"],
        "events": lists["events"],
        "workflow_runs": lists["actions/runs"],
    }


def tables(api):
    return {name: len(items) for name, items in expected(api).items()}


def change(api):
    """Change one issue, and add one, after the first run."""
    issues = api.world.repositories["acme/rocket"].lists["issues"]
    issues[3].update(title="changed", updated_at=CHANGED)
    issues.append({**issues[0], "id": 999_999_999, "number": 5000, "updated_at": CHANGED})


@pytest.fixture(params=["target-duckdb", "target-postgres"])
def target(request, tmp_path):
    if request.param == "target-duckdb":
        config = {"filepath": str(tmp_path / "out.duckdb")}

        def query(statement):
            with duckdb.connect(config["filepath"]) as connection:
                return connection.execute(statement).fetchall()
    else:
        schema = "s" + str(abs(hash(str(tmp_path))))
        config = {**request.getfixturevalue("postgres"), "default_target_schema": schema}

        def query(statement):
            names = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
            given = {names[k]: v for k, v in config.items() if k in names}
            options = f"-c search_path={schema}"
            with psycopg.connect(**given, options=options) as connection:
                return connection.execute(statement).fetchall()

    return request.param, config, query


def test_full_then_incremental_row_for_row(api, command, target):
    name, config, query = target
    first = command.tap(api)
    assert first.returncode == 0, first.stderr.decode()
    loaded = command(name, config, stdin=first.stdout)
    assert loaded.returncode == 0, loaded.stderr.decode()
    for table, count in tables(api).items():
        assert query(f"SELECT count(*) FROM {table}") == [(count,)], table
    assert json.loads(loaded.stdout.splitlines()[-1]) == last_state(first.stdout)

    change(api)
    second = command.tap(api, state=loaded.stdout.splitlines()[-1].decode())
    assert second.returncode == 0, second.stderr.decode()
    assert records(second.stdout)["issues"] in (2, 3)  # the bookmark is inclusive
    assert records(second.stdout)["pull_requests"] <= 1
    assert command(name, config, stdin=second.stdout).returncode == 0
    items = expected(api)
    got = query("SELECT id, title, state FROM issues ORDER BY id")
    assert got == sorted((i["id"], i["title"], i["state"]) for i in items["issues"])
    commits = query("SELECT sha FROM commits ORDER BY sha")
    assert commits == sorted((c["sha"],) for c in items["commits"])
    stars = query("SELECT user_id FROM stargazers ORDER BY user_id")
    assert stars == sorted((s["user"]["id"],) for s in items["stargazers"])


def test_pages_that_repeat_or_break_lose_nothing(api, command):
    clean = records(command.tap(api).stdout)
    faults = {
        5: Answer(502, {"message": "Bad gateway"}),
        9: Answer(429, {"message": "slow down"}, {"Retry-After": "0"}),
        14: Answer(fault=RESET),
        20: Answer(200, {"x": "y" * 1000}, fault=TRUNCATE),
    }
    start = api.count
    api.fault = lambda number, asked: faults.get(number - start)
    broken = command.tap(api)
    assert broken.returncode == 0, broken.stderr.decode()
    assert records(broken.stdout) == clean


def test_a_refused_token_is_one_clear_error(api, command):
    done = command.tap(api, auth_token="wrong-token")
    assert done.returncode == 1
    text = done.stderr.decode()
    assert "AuthError" in text
    assert "auth_token" in text
    assert "Traceback" not in text
    assert "wrong-token" not in text


def test_a_missing_repository_does_not_end_the_others(api, command):
    done = command.tap(api, repositories=["acme/gone", "acme/rocket"])
    assert done.returncode == 0
    assert records(done.stdout)["issues"] > 0
    assert "acme/gone" in done.stderr.decode()


def test_bad_config_exits_2(command):
    done = command("tap-github", {"auth_token": "x"})
    assert done.returncode == 2
    assert "repositories" in done.stderr.decode()


def test_a_bad_record_moves_no_state(command, tmp_path):
    lines = [
        {
            "type": "SCHEMA",
            "stream": "s",
            "key_properties": ["id"],
            "schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
        },
        {"type": "RECORD", "stream": "s", "record": {"id": 1}},
        {"type": "STATE", "value": {"bookmarks": {"s": 1}}},
        {"type": "RECORD", "stream": "s", "record": {"id": "two"}},
        {"type": "STATE", "value": {"bookmarks": {"s": 2}}},
    ]
    text = "\n".join(map(json.dumps, lines)).encode() + b"\n"
    done = command("target-duckdb", {"filepath": str(tmp_path / "x.duckdb")}, stdin=text)
    assert done.returncode == 1
    assert b"'s'" in done.stderr
    assert b'"s": 2' not in done.stdout


def test_lost_records_fail_the_run(api, command, tmp_path):
    lines = command.tap(api).stdout.splitlines(keepends=True)
    victim = next(
        n for n, line in enumerate(lines) if b'"stream":"issues"' in line and b"RECORD" in line
    )
    done = command(
        "target-duckdb",
        {"filepath": str(tmp_path / "x.duckdb")},
        stdin=b"".join(lines[:victim] + lines[victim + 1 :]),
    )
    assert done.returncode == 1
    assert b"LoadError: stream 'issues'" in done.stderr
    assert done.stdout == b""


def test_only_messages_on_stdout(api, command):
    assert {m["type"] for m in messages(command.tap(api).stdout)} == {"SCHEMA", "RECORD", "STATE"}
