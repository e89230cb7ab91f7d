"""What the end-to-end tests share: the vendor-shaped server, and plugins as commands."""

import json
import subprocess
import sys
import uuid
from io import BytesIO
from pathlib import Path

import duckdb
import psycopg
import pytest
from headwater.testing.github import GitHubAPI, world_from_git
from target_duckdb.target import TargetDuckDB
from target_postgres.target import TargetPostgres

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parent.parent


@pytest.fixture
def api(tmp_path):
    folder = tmp_path / "history"
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    for number in range(120):
        message = f"Commit {number}"
        subprocess.run(
            [*git, "-C", str(folder), "commit", "-q", "--allow-empty", "-m", message], check=True
        )
    subprocess.run(["git", "-C", str(folder), "tag", "v1"], check=True)
    server = GitHubAPI(world_from_git(folder, "acme", "rocket"))
    yield server
    server.close()


class Command:
    """Runs plugins with config files in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name, config, *arguments, stdin=None):
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(config))
        return subprocess.run(
            [BIN / name, "--config", path, *arguments],
            input=stdin,
            capture_output=True,
            timeout=120,
        )

    def tap(self, api, *, state=None, **settings):
        config = {
            "auth_token": "demo-token",
            "repositories": ["acme/rocket"],
            "organizations": ["acme"],
            "user_usernames": ["octocat"],
            "api_url": api.url,
            "rate_limit_buffer": 0,
            **settings,
        }
        arguments = []
        if state is not None:
            (self.folder / "state.json").write_text(state)
            arguments = ["--state", self.folder / "state.json"]
        return self("tap-github", config, *arguments)


@pytest.fixture
def command(tmp_path):
    return Command(tmp_path)


class Destination:
    """A database that a target loads into, in this process; one schema a test."""

    def __init__(self, name, config):
        self.name = name
        self.config = config
        self.states = []

    def load(self, *messages, **settings):
        """Load messages; return the states that were written."""
        target_type = TargetPostgres if self.name == "target-postgres" else TargetDuckDB
        config = {"add_record_metadata": False, **self.config, **settings}
        states = []
        target = target_type(config=config, output=states.append)
        lines = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
        try:
            target.process(BytesIO(b"".join(line + b"\n" for line in lines)))
        finally:
            self.states = [json.loads(state) for state in states]
            if target._loader is not None:
                target._loader.close()
        return self.states

    def query(self, statement):
        if self.name == "target-postgres":
            given = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
            arguments = {given[k]: v for k, v in self.config.items() if k in given}
            schema = self.config["default_target_schema"]
            options = f"-c search_path={schema} -c timezone=UTC"
            with psycopg.connect(**arguments, options=options) as connection:
                cursor = connection.execute(statement)
                return cursor.fetchall() if cursor.description else []
        with duckdb.connect(self.config["filepath"]) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(statement).fetchall()

    def columns(self, table):
        schema = self.config.get("default_target_schema", "main")
        return dict(
            self.query(
                "SELECT column_name, data_type FROM information_schema.columns "
                f"WHERE table_schema = '{schema}' AND table_name = '{table}'"
            )
        )


@pytest.fixture(params=["target-duckdb", "target-postgres"])
def destination(request, tmp_path):
    if request.param == "target-duckdb":
        return Destination(request.param, {"filepath": str(tmp_path / "out.duckdb")})
    schema = f"s{uuid.uuid4().hex[:12]}"
    postgres = request.getfixturevalue("postgres")
    return Destination(request.param, {**postgres, "default_target_schema": schema})


@pytest.fixture
def postgres_destination(postgres):
    schema = f"s{uuid.uuid4().hex[:12]}"
    return Destination("target-postgres", {**postgres, "default_target_schema": schema})
