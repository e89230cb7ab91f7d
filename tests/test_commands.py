"""The plugins as commands: what a shell user meets first."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from headwater.testing.output import messages, records

BIN = Path(sys.executable).parent
PLUGINS = (
    "tap-github",
    "tap-rest",
    "target-postgres",
    "target-duckdb",
    "target-files",
    "target-jsonl",
    "target-csv",
    "target-parquet",
)


def run(*arguments, **options):
    return subprocess.run(
        [BIN / arguments[0], *arguments[1:]], capture_output=True, text=True, **options
    )


@pytest.mark.parametrize("plugin", PLUGINS)
def test_about_version_and_help(plugin):
    text = run(plugin, "--about")
    assert text.returncode == 0
    assert f"Name: {plugin}" in text.stdout
    described = json.loads(run(plugin, "--about", "--format=json").stdout)
    assert described["name"] == plugin
    assert described["settings"]["properties"]
    assert run(plugin, "--about", "--format=markdown").stdout.startswith(f"# `{plugin}`")
    assert run(plugin, "--version").stdout.startswith(f"{plugin} v")
    assert "--config" in run(plugin, "--help").stdout


@pytest.mark.parametrize("plugin", PLUGINS)
def test_bad_usage_exits_2_without_a_traceback(plugin, tmp_path):
    (tmp_path / "bad.json").write_text("{")
    for arguments in (["--nonsense"], ["--config", "/no/such"], ["--config", "bad.json"]):
        done = run(plugin, *arguments, cwd=tmp_path, input="")
        assert done.returncode == 2
        assert done.stdout == ""
        assert "Traceback" not in done.stderr


def test_discovery_needs_no_credentials():
    done = run("tap-github", "--discover")
    assert done.returncode == 0
    streams = json.loads(done.stdout)["streams"]
    assert len(streams) >= 31
    assert all(s["metadata"] and s["schema"]["properties"] for s in streams)


def test_a_discovered_catalog_selects(api, command, tmp_path):
    catalog = json.loads(run("tap-github", "--discover").stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == []:
                entry["metadata"]["selected"] = stream["stream"] == "labels"
            elif entry["breadcrumb"] == ["properties", "color"]:
                entry["metadata"]["selected"] = False
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    config = {"api_url": api.url, "auth_token": "demo-token", "repositories": ["acme/rocket"]}
    done = command("tap-github", config, "--catalog", tmp_path / "catalog.json")
    assert records(done.stdout) == {"labels": 3}
    rows = [m["record"] for m in messages(done.stdout) if m["type"] == "RECORD"]
    assert all("color" not in row and "name" in row for row in rows)


def test_test_fetches_one_record_of_each_stream(api, command):
    config = {"api_url": api.url, "auth_token": "demo-token", "repositories": ["acme/rocket"]}
    done = command("tap-github", config, "--test")
    assert done.returncode == 0, done.stderr.decode()
    assert {*records(done.stdout).values()} == {1}
    assert all(m["type"] != "STATE" or not m["value"]["bookmarks"].get("issues")
               for m in messages(done.stdout))  # fmt: skip
    schemas = command("tap-github", config, "--test=schema")
    assert {m["type"] for m in messages(schemas.stdout)} == {"SCHEMA"}
    assert command("tap-github", {**config, "auth_token": "wrong"}, "--test").returncode == 1


def test_settings_come_from_the_environment(api):
    env = {
        **os.environ,
        "TAP_GITHUB_API_URL": api.url,
        "TAP_GITHUB_AUTH_TOKEN": "demo-token",
        "TAP_GITHUB_REPOSITORIES": '["acme/rocket"]',
    }
    done = run("tap-github", "--config=ENV", "--test", env=env)
    assert done.returncode == 0, done.stderr


def test_a_closed_pipe_ends_the_tap_quietly(api, tmp_path):
    config = {"api_url": api.url, "auth_token": "demo-token", "repositories": ["acme/rocket"]}
    (tmp_path / "tap.json").write_text(json.dumps(config))
    reader, writer = os.pipe()
    tap = subprocess.Popen(
        [BIN / "tap-github", "--config", tmp_path / "tap.json"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "TAP_GITHUB_LOGLEVEL": "WARNING"},
    )
    os.close(writer)
    os.read(reader, 100)
    os.close(reader)
    assert tap.wait(60) == 1
    assert b"Traceback" not in tap.stderr.read()


def test_the_demo(tmp_path):
    folder = tmp_path / "history"
    subprocess.run(["git", "init", "-q", folder], check=True)
    git = ["git", "-C", folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "First"], check=True)
    done = run("headwater", "demo", "--repository", folder, "--output", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    for word in ("rows now", "retries", "state:", "who committed most"):
        assert word in done.stdout
    with duckdb.connect(str(tmp_path / "demo/github.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM commits").fetchone() == (1,)


def test_the_readmes_commands_and_generated_parts_are_up_to_date():
    root = Path(__file__).parent.parent
    text = (root / "README.md").read_text()
    assert "./run demo" in text
    assert "./run tests" in text
    for script in ("docs.py", "meltano_yml.py"):
        done = subprocess.run([sys.executable, root / "tests" / script, "--check"], cwd=root)
        assert done.returncode == 0
