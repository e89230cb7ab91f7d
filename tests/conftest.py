"""What the end-to-end tests share: the vendor-shaped server, and plugins as commands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from headwater.testing.github import GitHubAPI, world_from_git

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
