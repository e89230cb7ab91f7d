"""Recorded answers: what tap-github makes of them must not change by accident.

`pytest --record-mode=rewrite` records anew, from the server that speaks GitHub's protocol
(no test reaches the network), under the real API's URL.
"""

import json
import os
from io import BytesIO
from pathlib import Path

import pytest
from headwater.testing.cassettes import vcr_options
from headwater.testing.github import GitHubAPI, world_from_git
from headwater.testing.output import last_state, records
from tap_github.tap import TapGitHub

REAL = "https://api.github.com"
TOKEN = "ghp_canary0canary0canary0canary0"
CASSETTES = Path(__file__).parent / "cassettes"


@pytest.fixture(scope="module")
def api_url(request):
    if request.config.getoption("--record-mode") in (None, "none"):
        yield REAL
        return
    server = GitHubAPI(world_from_git(Path(__file__).parent, "acme", "rocket"), tokens=(TOKEN,))
    yield server.url
    server.close()


@pytest.fixture(scope="module")
def vcr_config(api_url):
    return vcr_options((api_url, REAL))


def sync(api_url, *only, state=None):
    config = {"api_url": api_url, "auth_token": TOKEN, "repositories": ["acme/rocket"]}
    config["concurrency"] = 1  # vcrpy records one thread
    output = BytesIO()
    tap = TapGitHub(config=config, state=state, output=output)
    for name, stream in tap.streams.items():
        stream.selected = name in only
    tap.sync_all()
    return output.getvalue()


@pytest.mark.vcr
@pytest.mark.parametrize("stream", ["issues", "labels", "stargazers", "pull_request_reviews"])
def test_a_stream(api_url, stream):
    output = sync(api_url, stream)
    state = last_state(output)
    assert records(output)[stream] == EXPECTED[stream]
    assert state["headwater"]["ledger"][stream]["complete"] is True


EXPECTED = {"issues": 165, "labels": 3, "stargazers": 130, "pull_request_reviews": 41}


def test_no_cassette_holds_a_secret():
    cassettes = [p.read_text() for p in CASSETTES.rglob("*.yaml")]
    assert cassettes
    for text in cassettes:
        assert TOKEN not in text
        assert "ghp_" not in text
        assert "127.0.0.1" not in text


def test_nothing_secret_survives_the_scrubbing():
    options = vcr_options()

    class Asked:
        uri = "https://api.github.com/x"
        headers = {"Authorization": "Bearer " + TOKEN, "Accept": "x"}
        body = json.dumps({"refresh_token": "canary-refresh"}).encode()

    asked = options["before_record_request"](Asked())
    answer = options["before_record_response"](
        {
            "headers": {"Set-Cookie": ["session=canary"], "Content-Type": ["x"]},
            "body": {"string": json.dumps({"token": "canary-token", "key": TOKEN}).encode()},
        }
    )
    everything = repr(asked.headers) + repr(asked.body) + repr(answer)
    assert "canary" not in everything
    assert os.environ.get("GITHUB_TOKEN", "canary") not in everything
