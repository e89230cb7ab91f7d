"""What is true of GitHub, against a server that speaks its protocol."""

import gzip
import json
import re
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from headwater.errors import AuthError, ConfigError, IncompleteFetchError
from headwater.testing.github import GitHubAPI, world_from_git
from headwater.testing.output import last_state, messages, records
from headwater.testing.server import Answer
from tap_github.tap import TapGitHub

SPEC = Path(__file__).parents[4] / "shared/specs/github.openapi.json.gz"


@pytest.fixture
def world():
    return world_from_git(Path(__file__).parent, "acme", "rocket")


@pytest.fixture
def serve(world):
    servers = []

    def start(**options):
        servers.append(GitHubAPI(world, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def sync(api, *, state=None, only=(), **settings):
    config = {
        "auth_token": "demo-token",
        "repositories": ["acme/rocket"],
        "api_url": api.url,
        "rate_limit_buffer": 0,
        **settings,
    }
    output = BytesIO()
    tap = TapGitHub(config=config, state=state, output=output)
    for name, stream in tap.streams.items():
        if only:
            stream.selected = name in only
    tap.sync_all()
    return output.getvalue()


def test_every_request_is_in_githubs_description(serve):
    if not SPEC.exists():
        pytest.skip("GitHub's description is not on this machine")
    with gzip.open(SPEC) as file:
        paths = json.load(file)["paths"]
    patterns = {
        re.compile(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(path)) + "$"): item
        for path, item in paths.items()
    }
    api = serve()
    first = sync(api, organizations=["acme"], user_usernames=["octocat"], user_ids=[])
    sync(api, state=last_state(first), searches=[{"name": "s", "query": "rocket"}])
    for asked in api.server.asked:
        if asked.path == "/graphql":
            continue
        found = [
            item[asked.method.lower()]
            for pattern, item in patterns.items()
            if pattern.match(asked.path) and asked.method.lower() in item
        ]
        assert found, asked.path
        known = {
            p["name"] if "name" in p else p["$ref"].rsplit("/", 1)[1].replace("-", "_")
            for operation in found
            for p in operation.get("parameters", ())
        }
        unknown = set(asked.params) - known - {"since", "page", "per_page", "sort", "direction"}
        assert not unknown, (asked.path, unknown)
        assert asked.headers["x-github-api-version"] == "2022-11-28"
        assert asked.headers["user-agent"]


def test_several_tokens_each_under_its_own_budget(serve):
    api = serve(tokens=("token-one", "token-two"), budget=60, window=3600)
    output = sync(api, auth_token="token-one", additional_auth_tokens=["token-two"])
    assert records(output)["issues"] == 165
    used = Counter(a.headers["authorization"] for a in api.server.asked)
    assert len(used) == 2
    assert max(used.values()) <= 60


def test_a_used_up_limit_is_waited_for(serve):
    api = serve(budget=20, window=2)
    started = time.monotonic()
    output = sync(api, only=("issues", "labels", "pull_request_reviews"))
    assert time.monotonic() - started > 1
    assert records(output)["pull_request_reviews"] == 41


def test_a_secondary_limit_is_obeyed(serve):
    answers = [Answer(403, {"message": "secondary rate limit"}, {"Retry-After": "1"})]
    api = serve(fault=lambda number, asked: answers.pop() if answers and number == 2 else None)
    started = time.monotonic()
    assert records(sync(api, only=("labels",)))["labels"] == 3
    assert time.monotonic() - started >= 1


def test_an_app_gets_an_installations_token(serve):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    api = serve(tokens=("installation-token",))
    inner = api.server._answer

    def with_apps(asked):
        if asked.path == "/app/installations":
            return Answer(200, [{"id": 7}])
        if asked.path == "/app/installations/7/access_tokens":
            import jwt

            token = asked.headers["authorization"].removeprefix("Bearer ")
            claims = jwt.decode(token, key.public_key(), algorithms=["RS256"])
            assert claims["iss"] == "42"
            assert claims["exp"] - claims["iat"] <= 600
            return Answer(
                201, {"token": "installation-token", "expires_at": "2099-01-01T00:00:00Z"}
            )
        return inner(asked)

    api.server._answer = with_apps
    output = sync(api, auth_token=None, auth_app_keys=[f"42;;{pem}"], only=("labels",))
    assert records(output)["labels"] == 3
    assert sum("access_tokens" in a.path for a in api.server.asked) == 1


def test_a_bad_app_key_is_a_config_error(serve):
    with pytest.raises(ConfigError, match="auth_app_keys"):
        sync(serve(), auth_token=None, auth_app_keys=["42"])


def test_a_refused_token_says_which_setting(serve):
    with pytest.raises(AuthError, match="auth_token"):
        sync(serve(), auth_token="wrong-token")


@pytest.mark.parametrize("status", [404, 409, 410, 451])
def test_what_a_repository_does_not_have_ends_nothing(serve, status):
    def fault(number, asked):
        return Answer(status, {"message": "no"}) if asked.path.endswith("/labels") else None

    found = records(sync(serve(fault=fault), only=("labels", "milestones")))
    assert found == {"milestones": 3}


def test_unchanged_lists_cost_nothing_when_polling(serve):
    api = serve()
    only = ("events", "labels")
    state = last_state(sync(api, only=only, conditional_requests=True))
    output = sync(api, state=state, only=only, conditional_requests=True)
    assert api.not_modified == 2
    assert records(output) == {}
    assert last_state(output)["bookmarks"] == state["bookmarks"]


def test_without_the_setting_full_lists_are_sent_again(serve):
    api = serve()
    state = last_state(sync(api, only=("labels",)))
    assert records(sync(api, state=state, only=("labels",)))["labels"] == 3


def test_children_are_fetched_for_changed_parents_only(serve, world):
    api = serve()
    only = ("pull_requests", "pull_request_reviews")
    state = last_state(sync(api, only=only))
    world.repositories["acme/rocket"].lists["pulls"][5]["updated_at"] = "2030-01-01T00:00:00Z"
    before = len(api.server.asked)
    output = sync(api, state=state, only=only)
    assert records(output)["pull_requests"] == 2  # the changed one, and the bookmark's own
    assert sum(a.path.endswith("/reviews") for a in api.server.asked[before:]) == 2


def test_a_child_selected_later_gets_everything(serve):
    api = serve()
    state = last_state(sync(api, only=("pull_requests",)))
    output = sync(api, state=state, only=("pull_requests", "pull_request_reviews"))
    assert records(output)["pull_request_reviews"] == 41


def test_what_changes_while_it_is_read_is_not_lost(serve, world):
    issues = world.repositories["acme/rocket"].lists["issues"]
    ids = {issue["id"] for issue in issues}

    def touch(number, asked):
        # between the first page and the second, the oldest issues move to the end
        if asked.path.endswith("/issues") and number > 2:
            for issue in sorted(issues, key=lambda i: i["updated_at"])[:30]:
                issue["updated_at"] = "2025-01-01T00:00:00Z"

    output = sync(serve(fault=touch), only=("issues",))
    came = {m["record"]["id"] for m in messages(output) if m["type"] == "RECORD"}
    assert came == ids


def test_commits_pushed_late_are_found(serve, world):
    api = serve()
    state = last_state(sync(api, only=("commits",)))
    commits = world.repositories["acme/rocket"].lists["commits"]
    old = json.loads(json.dumps(commits[0]))
    old["sha"] = "f" * 40
    old["commit"]["committer"]["date"] = "2001-01-01T00:00:00Z"  # made long before, pushed now
    commits.insert(0, old)
    output = sync(api, state=state, only=("commits",))
    assert [m["record"]["sha"] for m in messages(output) if m["type"] == "RECORD"] == ["f" * 40]


def test_a_search_that_finds_too_much_is_incomplete(serve):
    def fault(number, asked):
        if asked.path == "/search/repositories":
            body = {"total_count": 1001, "incomplete_results": False, "items": []}
            return Answer(200, body)
        return None

    with pytest.raises(IncompleteFetchError, match="searches"):
        sync(serve(fault=fault), searches=[{"name": "s", "query": "x"}])


def test_no_secret_is_written(serve, capfd, monkeypatch):
    monkeypatch.setenv("TAP_GITHUB_LOGLEVEL", "DEBUG")
    api = serve(tokens=("canary-secret-token",))
    output = sync(api, auth_token="canary-secret-token")
    captured = capfd.readouterr()
    for text in (output.decode(), captured.out, captured.err):
        assert "canary-secret-token" not in text
