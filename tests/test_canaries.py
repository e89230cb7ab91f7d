"""Canary secrets: every tap and target at DEBUG; nothing written anywhere holds one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from headwater.testing.conformance import subjects
from headwater.testing.github import GitHubAPI
from headwater.testing.github.world import seeded_world
from headwater.testing.server import Answer, Server

BIN = Path(sys.executable).parent
CANARY = "canary+secret/value=="
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}
MESSAGES = b"".join(
    json.dumps(message).encode() + b"\n"
    for message in (
        {"type": "SCHEMA", "stream": "s", "key_properties": ["id"], "schema": SCHEMA},
        {"type": "RECORD", "stream": "s", "record": {"id": 1}},
        {"type": "STATE", "value": {"bookmarks": {}}},
    )
)


def run(folder, name, config, *arguments, stdin=b""):
    """Run a plugin at DEBUG in a folder of its own; return all that it wrote anywhere."""
    folder.mkdir(exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    environment = {
        **os.environ,
        "LOGLEVEL": "DEBUG",
        "XDG_STATE_HOME": str(folder / "state"),
        "CANARY_IN_ENVIRONMENT": CANARY,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run(
        [BIN / name, "--config", file, *arguments],
        input=stdin, capture_output=True, cwd=folder, env=environment, timeout=90,
    )  # fmt: skip
    file.unlink()
    written = {"stdout": done.stdout, "stderr": done.stderr}
    for place in folder.rglob("*"):
        if place.is_file():
            written[str(place.relative_to(folder))] = place.read_bytes()
    return done.returncode, written


def assert_clean(written, secrets=(CANARY,)):
    for secret in secrets:
        for spelling in {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}:
            for place, content in written.items():
                assert spelling.encode() not in content, f"{spelling} in {place}"


def answers(asked):
    if asked.path == "/token":
        return Answer(200, {"access_token": CANARY + "access", "expires_in": 3600,
                            "refresh_token": CANARY + "rotated"})  # fmt: skip
    if asked.path == "/login":
        return Answer(200, {"token": CANARY + "session"})
    if asked.path == "/fails":
        return Answer(400, {"echo": CANARY, "url": f"/fails?api_key={quote(CANARY)}"})
    return Answer(200, [{"id": 1}])


AUTHS = {
    "api_key in a header": {"type": "api_key", "key": CANARY, "header": "X-Key"},
    "api_key in the query": {"type": "api_key", "key": CANARY, "param": "api_key"},
    "basic": {"type": "basic", "username": "u", "password": CANARY},
    "bearer": {"type": "bearer", "token": CANARY},
    "headers": {"type": "headers", "headers": {"X-A": CANARY}},
    "by reference": {"type": "bearer", "token": "env:CANARY_IN_ENVIRONMENT"},
    "session": {"type": "session", "token_path": "token",
                "request": {"path": "/login", "body": {"password": CANARY}}},
    "client credentials": {"type": "oauth_client_credentials", "token_url": "{url}/token",
                           "client_id": "c", "client_secret": CANARY},
    "refresh token": {"type": "oauth_refresh_token", "token_url": "{url}/token", "client_id": "c",
                      "client_secret": CANARY, "refresh_token": CANARY + "first"},
}  # fmt: skip


@pytest.mark.parametrize("path", ["/items", "/fails"])
@pytest.mark.parametrize("auth", AUTHS)
def test_tap_rest(auth, path, tmp_path):
    with Server(answers) as server:
        config = {
            "api_url": server.url,
            "auth": json.loads(json.dumps(AUTHS[auth]).replace("{url}", server.url)),
            "streams": [{"name": "items", "path": path, "schema": SCHEMA, "raw": True}],
        }
        code, written = run(tmp_path / "run", "tap-rest", config)
        assert code == (0 if path == "/items" else 1)
        assert server.asked
    # the one place where a rotated token belongs: only its owner reads it
    kept = [name for name in written if name.startswith("state/headwater/tokens/")]
    for name in kept:
        assert (tmp_path / "run" / name).stat().st_mode & 0o077 == 0
        del written[name]
    assert bool(kept) == (auth == "refresh token")
    assert_clean(written)


def test_tap_github(tmp_path):
    api = GitHubAPI(seeded_world("acme", "rocket"), tokens=(CANARY, CANARY + "two"), budget=40)
    config = {"api_url": api.url, "auth_token": CANARY, "repositories": ["acme/rocket"],
              "additional_auth_tokens": [CANARY + "two"], "rate_limit_buffer": 0,
              "stream_options": {"*": {"raw": True}}}  # fmt: skip
    code, written = run(tmp_path / "ok", "tap-github", config, "--test")
    assert code == 0, written["stderr"]
    assert_clean(written)
    code, written = run(tmp_path / "bad", "tap-github", {**config, "auth_token": CANARY + "bad"})
    api.close()
    assert_clean(written)
    key = "-----BEGIN RSA PRIVATE KEY-----\ncanarykeymaterial0123456789\n-----END-----"
    app = {"api_url": api.url, "repositories": ["a/b"], "auth_app_keys": [f"1;;{key}"]}
    code, written = run(tmp_path / "app", "tap-github", app)
    assert code == 2
    assert_clean(written, ["canarykeymaterial0123456789"])


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("target-postgres", {"host": "127.0.0.1", "port": 9, "user": "u", "password": CANARY,
                             "database": "d"}),
        ("target-postgres", {"sqlalchemy_url":
                             f"postgresql://u:{quote(CANARY, safe='')}@127.0.0.1:9/d"}),
        ("target-postgres", {"host": "x", "password": CANARY, "ssh_tunnel": {
            "enable": True, "host": "127.0.0.1", "port": 9, "username": "u",
            "private_key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n",
            "private_key_password": CANARY}}),
        ("target-postgres", {"host": ["not", "a", "text"], "password": [CANARY]}),
        ("target-files", {"destination_path": "s3://bucket/x", "storage_options": {
            "key": CANARY, "secret": CANARY, "endpoint_url": "http://127.0.0.1:9",
            "config_kwargs": {"retries": {"max_attempts": 1}}}}),
    ],
)  # fmt: skip
def test_targets_that_cannot_reach_their_destination(name, config, tmp_path):
    code, written = run(tmp_path / "run", name, config, stdin=MESSAGES)
    assert code != 0
    assert b"Error" in written["stderr"]
    assert_clean(written, [CANARY, CANARY.rstrip("=")])


def test_targets_that_reach_it(postgres, tmp_path):
    config = {**postgres, "password": CANARY, "default_target_schema": "canaries"}
    code, written = run(tmp_path / "pg", "target-postgres", config, stdin=MESSAGES)
    assert code == 0, written["stderr"]
    assert_clean(written)


def test_every_tap_that_names_itself_is_looked_at():
    assert set(subjects()) == {"tap-github", "tap-rest"}
