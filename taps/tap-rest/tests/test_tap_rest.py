"""tap-rest against a server that really paginates."""

import json
from io import BytesIO

import pytest
from headwater.errors import ConfigError, IncompleteFetchError
from headwater.testing.output import last_state, records
from headwater.testing.server import Answer, Server
from tap_rest.tap import TapREST

SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}


def config(server, **pagination):
    stream = {
        "name": "items",
        "path": "/items",
        "records": "data",
        "primary_keys": ["id"],
        "pagination": pagination,
        "schema": SCHEMA,
    }
    return {
        "api_url": server.url,
        "auth": {"type": "bearer", "token": "secret-token"},
        "streams": [stream],
    }


def sync(config):
    output = BytesIO()
    output.close = lambda: None
    TapREST(config=config, output=output).sync_all()
    return output.getvalue()


def by_cursor(asked):
    start = int(asked.params.get("after", 0))
    body = {"data": [{"id": n} for n in range(start, min(start + 10, 95))], "total": 95}
    return Answer(200, {**body, "next": str(start + 10) if start + 10 < 95 else None})


def test_cursor_pages_all_arrive_with_credentials():
    with Server(by_cursor) as server:
        output = sync(config(server, type="cursor", param="after", cursor="next", total="total"))
        assert records(output) == {"items": 95}
        assert last_state(output)["headwater"]["ledger"]["items"] == {
            "records": 95,
            "complete": True,
        }
        assert all(a.headers["authorization"] == "Bearer secret-token" for a in server.asked)


def test_a_cursor_that_sticks_is_an_error():
    def stuck(asked):
        return Answer(200, {"data": [{"id": len(asked.params)}], "next": "a"})

    with Server(stuck) as server, pytest.raises(IncompleteFetchError, match="items"):
        sync(config(server, type="cursor", param="after", cursor="next"))


def test_a_total_that_is_not_reached_is_an_error():
    def short(asked):
        return Answer(200, {"data": [{"id": 1}], "total": 2})

    with Server(short) as server, pytest.raises(IncompleteFetchError, match="reported 2"):
        sync(config(server, type="cursor", param="after", cursor="next", total="total"))


def test_a_declaration_that_is_wrong_names_its_place():
    with pytest.raises(ConfigError, match=r"streams\.0"):
        TapREST(config={"api_url": "http://x", "streams": [{"name": "a"}]})


def test_discovery_lists_declared_streams(capsys):
    with Server(by_cursor) as server:
        TapREST(config=config(server, type="none")).run_discovery()
    assert json.loads(capsys.readouterr().out)["streams"][0]["tap_stream_id"] == "items"
