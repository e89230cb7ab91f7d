"""`headwater demo`: tap-github into target-duckdb, twice, with real processes and real HTTP."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError, HeadwaterError
from headwater.testing.github import GitHubAPI, world_from_git
from headwater.testing.server import Answer, Asked

QUESTION = (
    "SELECT author->>'login' AS author, count(*) AS commits FROM commits "
    "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3"
)
FAULTS = {7: 502, 19: 429, 41: 502}


@dataclass
class Run:
    """What one run did."""

    summary: dict[str, Any]
    state: str


def add_to(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser("demo", help="Extract from an API into DuckDB, twice.")
    parser.add_argument("--live", metavar="OWNER/REPO", help="Use the real GitHub API.")
    parser.add_argument("--repository", default=".", help="The git folder that the server serves.")
    parser.add_argument("--output", default="demo", help="The folder for the results.")
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "github.duckdb"
    for old in (database, folder / "github.duckdb.wal"):
        old.unlink(missing_ok=True)
    api: GitHubAPI | None = None
    config: dict[str, Any]
    if arguments.live:
        token = os.environ.get("GITHUB_TOKEN") or os.environ.get("TAP_GITHUB_AUTH_TOKEN")
        config = {"repositories": [arguments.live], "rate_limit_buffer": 0}
        if token:
            config["auth_token"] = token
    else:
        api = GitHubAPI(world_from_git(Path(arguments.repository), "acme", "rocket"), fault=_faults)
        config = {
            "api_url": api.url,
            "auth_token": "demo-token",
            "repositories": ["acme/rocket"],
            "organizations": ["acme"],
            "rate_limit_buffer": 0,
        }
    (folder / "tap.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tap.json").chmod(0o600)
    (folder / "target.json").write_text(json.dumps({"filepath": str(database)}), encoding="utf-8")
    try:
        _say("First run: everything")
        first = _run(folder, None)
        _say("Second run: what changed since")
        second = _run(folder, first.state)
    finally:
        if api:
            api.close()
    _report(first, second, database)
    return 0


def _faults(number: int, asked: Asked) -> Answer | None:  # noqa: ARG001
    status = FAULTS.get(number)
    headers = {"Retry-After": "1"} if status == 429 else {}
    return Answer(status, {"message": "injected by the demo"}, headers) if status else None


def _run(folder: Path, state: str | None) -> Run:
    bin_folder = Path(sys.executable).parent
    tap = [str(bin_folder / "tap-github"), "--config", str(folder / "tap.json")]
    tap += ["--summary", str(folder / "summary.json")]
    if state:
        (folder / "state.json").write_text(state, encoding="utf-8")
        tap += ["--state", str(folder / "state.json")]
    target = [str(bin_folder / "target-duckdb"), "--config", str(folder / "target.json")]
    quiet = {**os.environ, "TAP_GITHUB_LOGLEVEL": os.environ.get("TAP_GITHUB_LOGLEVEL", "WARNING")}
    try:
        source = subprocess.Popen(tap, stdout=subprocess.PIPE, env=quiet)
    except FileNotFoundError as fault:
        raise ConfigError(
            "the demo needs tap-github and target-duckdb beside headwater."
        ) from fault
    sink = subprocess.Popen(target, stdin=source.stdout, stdout=subprocess.PIPE)
    assert source.stdout  # noqa: S101  it is a pipe
    source.stdout.close()
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.extend(sink.stdout or ()))
    reader.start()
    codes = source.wait(), sink.wait()
    reader.join()
    if any(codes) or not lines:
        raise HeadwaterError(f"tap-github left with {codes[0]}, target-duckdb with {codes[1]}.")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return Run(summary, lines[-1].decode().strip())


def _report(first: Run, second: Run, database: Path) -> None:
    import duckdb

    with duckdb.connect(str(database), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
        answer = connection.execute(QUESTION).fetchall()
        rows = {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]
            for name in tables
        }
    _say(f"\n{'stream':24}{'first run':>12}{'second run':>12}{'rows now':>12}")
    for name in tables:
        one, two = (
            run.summary["streams"].get(name, {}).get("emitted", 0) for run in (first, second)
        )
        _say(f"{name:24}{one:12,}{two:12,}{rows[name]:12,}")
    for title, run in (("first", first), ("second", second)):
        http = run.summary["http"]
        _say(
            f"{title} run: {http['requests']} requests, {http['retries']} retries, "
            f"statuses {http['statuses']}"
        )
    bookmarks = json.loads(second.state)["bookmarks"]
    _say("state: " + ", ".join(f"{name} {_value(b)}" for name, b in bookmarks.items()))
    _say(f"who committed most ({QUESTION}): {answer}")
    _say(f"database: {database}")


def _value(bookmark: dict[str, Any]) -> str:
    places = bookmark.get("partitions") or [bookmark]
    return str(places[0].get("replication_key_value"))


def _say(text: str) -> None:
    print(text, flush=True)
