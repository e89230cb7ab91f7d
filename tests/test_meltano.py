"""Real Meltano, from the package index, with this checkout's meltano.yml."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def meltano():
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder = ROOT / ".tools" / f"meltano-{version}"
    if not (folder / "bin" / "meltano").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run(
            [folder / "bin/python", "-m", "pip", "install", "-q", "meltano", "uv"], check=True
        )
    return folder / "bin" / "meltano"


@pytest.mark.meltano
@pytest.mark.timeout(600)
def test_two_runs_select_and_test(api, tmp_path, meltano):
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "meltano.yml", project)
    for name in ("taps", "targets", "shared", "pyproject.toml", "uv.lock"):
        (project / name).symlink_to(ROOT / name)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VIRTUAL_ENV", "UV_P"))}
    environment = {
        **kept,
        "PATH": f"{meltano.parent}:{os.environ['PATH']}",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "TAP_GITHUB_API_URL": api.url,
        "TAP_GITHUB_AUTH_TOKEN": "demo-token",
        "TAP_GITHUB_REPOSITORIES": json.dumps(["acme/rocket"]),
        "TAP_GITHUB_RATE_LIMIT_BUFFER": "0",
        "TARGET_DUCKDB_FILEPATH": str(project / "out.duckdb"),
    }

    def run(*arguments):
        done = subprocess.run(
            [meltano, *arguments], cwd=project, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def count(table):
        with duckdb.connect(str(project / "out.duckdb")) as connection:
            return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    run("install", "extractor", "tap-github")
    run("install", "loader", "target-duckdb")
    assert "issues" in run("select", "tap-github", "--list", "--all")
    for pattern in ("issues", "commits"):
        run("select", "tap-github", pattern, "*")
    run("config", "test", "tap-github")
    run("run", "tap-github", "target-duckdb")
    lists = api.world.repositories["acme/rocket"].lists
    assert count("issues") == len(lists["issues"])
    assert count("commits") == len(lists["commits"])
    with duckdb.connect(str(project / "out.duckdb")) as connection:
        assert {name for (name,) in connection.execute("SHOW TABLES").fetchall()} == {
            "issues",
            "commits",
        }

    asked = api.count
    lists["issues"].append(
        {**lists["issues"][0], "id": 1_999_999_999, "updated_at": "2030-01-01T00:00:00Z"}
    )
    run("run", "tap-github", "target-duckdb")
    assert count("issues") == len(lists["issues"])
    assert any("since" in a.params for a in api.server.asked[asked:])
    assert any("/compare/" in a.path for a in api.server.asked[asked:])
