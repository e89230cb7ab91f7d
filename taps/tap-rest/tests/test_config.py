"""A config that is wrong says where, and what was expected; it can say all that code can."""

import gzip
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from headwater.errors import AuthError, ConfigError, IncompleteFetchError, PermanentError
from headwater.pagination import Offset, PageNumber, TimeWindows
from headwater.streams import GraphQLStream, RESTStream
from headwater.streams.options import ATTRIBUTES as OPTION_ATTRIBUTES
from headwater.streams.options import OPTIONS
from headwater.testing.output import last_state, messages, records
from headwater.testing.server import Answer, Server
from tap_rest.config_schema import STREAM_PROPERTIES
from tap_rest.declaration import ATTRIBUTES, pagination
from tap_rest.tap import TapREST

SPECS = Path(__file__).parents[4] / "shared/specs"
BIN = Path(sys.executable).parent
ITEMS = {"name": "items", "path": "/items", "primary_keys": ["id"]}
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}


def config(url="http://127.0.0.1:9", *streams, **more):
    return {"api_url": url, "streams": list(streams) or [{**ITEMS, "schema": SCHEMA}], **more}


def sync(config, state=None):
    output = BytesIO()
    TapREST(config=config, state=state, output=output).sync_all()
    return output.getvalue()


@pytest.mark.parametrize(
    ("change", "place", "expected"),
    [
        ({"streams": [{"name": "a"}]}, "streams.0", "path"),
        ({"streams": [{**ITEMS, "pagination": {"type": "pages"}}]},
         "streams.0.pagination.type", '"pages" is not one of "none"'),
        ({"streams": [{**ITEMS, "pagination": {"type": "offset", "total_pages": "x"}}]},
         "streams.0.pagination", "total_pages"),
        ({"streams": [{**ITEMS, "pagination": {"type": "next_url"}}]},
         "streams.0.pagination", '"url" is a required property'),
        ({"streams": [{**ITEMS, "pagination": {"type": "page", "size": ["a", 0]}}]},
         "streams.0.pagination.size.1", "minimum"),
        ({"streams": [{**ITEMS, "methd": "GET"}]}, "streams.0", "methd"),
        ({"streams": [ITEMS, ITEMS]}, "streams", "declared twice"),
        ({"streams": [{**ITEMS, "parent": {"stream": "gone", "context": {}}}]},
         "streams.0.parent.stream", "gone"),
        ({"auth": {"type": "bearer"}}, "auth", '"token" is a required property'),
        ({"auth": {"type": "oauth"}}, "auth.type", "oauth_client_credentials"),
        ({"errors": [{"status": 403, "then": "wait"}]}, "errors.0.then", '"wait"'),
        ({"budget": {"windows": [{"requests": 5}]}}, "budget.windows.0", "seconds"),
        ({"stream_options": {"items": {"on_drift": "ignore"}}},
         "stream_options.items.on_drift", "warn"),
    ],
)  # fmt: skip
def test_an_error_names_its_place_and_what_was_expected(change, place, expected):
    with pytest.raises(ConfigError) as error:
        TapREST(config={**config(), **change})
    assert f"setting '{place}'" in str(error.value)
    assert expected in str(error.value)


def test_an_error_in_a_secret_does_not_show_it():
    auth = {"type": "bearer", "token": ["canary-token-value"]}
    with pytest.raises(ConfigError) as error:
        TapREST(config=config(auth=auth))
    assert "auth.token" in str(error.value)
    assert "canary" not in str(error.value)


def test_unknown_streams_in_options_are_named():
    tap = TapREST(config=config(stream_options={"itmes": {"raw": True}}))
    with pytest.raises(ConfigError, match="itmes"):
        _ = tap.streams


def test_nothing_that_a_coded_stream_can_declare_is_missing():
    """Every attribute that RESTStream and GraphQLStream declare has a word in the config."""
    other = {"name", "description", "parent", "selected_by_default", "records_are_json"}
    in_config = {ATTRIBUTES.get(n, n) for n in STREAM_PROPERTIES}
    in_config |= {OPTION_ATTRIBUTES.get(n, (n,))[0] for n in OPTIONS}
    declared = set()
    for kind in (*RESTStream.__mro__, *GraphQLStream.__mro__):
        declared |= {n for n in vars(kind).get("__annotations__", {}) if not n.startswith("_")}
    assert declared - other - in_config == set()


def test_pagination_has_the_options_of_its_class():
    assert pagination({"type": "offset", "size": ["n", 7], "overlap": 2}) == Offset(
        size=("n", 7), overlap=2
    )
    windows = pagination(
        {"type": "windows", "start_param": "a", "end_param": "b", "width": 60, "cap": 1000,
         "inner": {"type": "page", "total": "t"}}
    )  # fmt: skip
    assert isinstance(windows, TimeWindows)
    assert windows.inner == PageNumber(total="t")
    assert windows.width.total_seconds() == 60


def test_a_schema_is_inferred_for_children_too():
    def answer(asked):
        if asked.path == "/items":
            return Answer(200, [{"id": n, "score": n / 2, "at": "2026-01-01T00:00:00Z"}
                                for n in range(3)])  # fmt: skip
        return Answer(200, [{"id": 1, "tags": ["a"], "owner": {"name": "x"}}])

    child = {"name": "notes", "path": "/items/{item}/notes", "primary_keys": ["item", "id"],
             "parent": {"stream": "items", "context": {"item": "id"}}}  # fmt: skip
    with Server(answer) as server:
        output = sync(config(server.url, ITEMS, child))
    schemas = {m["stream"]: m["schema"]["properties"] for m in messages(output)
               if m["type"] == "SCHEMA"}  # fmt: skip
    assert schemas["items"]["at"] == {"type": ["string", "null"], "format": "date-time"}
    assert schemas["items"]["score"]["type"] == ["number", "null"]
    assert schemas["notes"]["owner"]["properties"]["name"]["type"] == ["string", "null"]
    assert records(output) == {"items": 3, "notes": 3}


def test_a_schema_can_be_a_file_or_in_an_openapi_document(tmp_path):
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    document = {
        "openapi": "3.1.0",
        "paths": {"/things": {"get": {"responses": {"200": {"content": {"application/json": {
            "schema": {"type": "object", "properties": {"data": {
                "type": "array", "items": {"$ref": "#/components/schemas/Thing"}}}}}}}}}}},
        "components": {"schemas": {"Thing": {"allOf": [
            {"type": "object", "properties": {"id": {"type": "integer"}}},
            {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}},
        ]}}},
    }  # fmt: skip
    (tmp_path / "api.json").write_text(json.dumps(document))
    api = str(tmp_path / "api.json")
    tap = TapREST(config=config(
        "http://x",
        {**ITEMS, "schema": {"file": str(tmp_path / "schema.json")}},
        {**ITEMS, "name": "by_name", "schema": {"openapi": api, "schema": "Thing"}},
        {**ITEMS, "name": "by_path", "path": "/things", "records": "data",
         "schema": {"openapi": api}},
    ))  # fmt: skip
    assert tap.streams["items"].schema == SCHEMA
    for name in ("by_name", "by_path"):
        found = tap.streams[name].schema["properties"]
        assert found["id"] == {"type": ["integer", "null"]}
        assert found["at"]["format"] == "date-time"


def test_a_list_without_pagination_that_has_more_pages_is_incomplete():
    link = {"Link": '<http://127.0.0.1/items?page=2>; rel="next"'}
    with (
        Server(lambda _: Answer(200, [{"id": 1}], link)) as server,
        pytest.raises(IncompleteFetchError, match="no pagination"),
    ):
        sync(config(server.url))


def test_errors_of_a_graphql_answer_end_the_run():
    body = {"data": {"items": None}, "errors": [{"message": "Field 'x' does not exist"}]}
    stream = {**ITEMS, "query": "{items {x}}", "records": "data.items", "schema": SCHEMA}
    with (
        Server(lambda _: Answer(200, body)) as server,
        pytest.raises(PermanentError, match="Field 'x' does not exist"),
    ):
        sync(config(server.url, stream))


def test_declared_errors_are_obeyed():
    asked_again = []

    def answer(asked):
        if asked.path == "/gone":
            return Answer(400, {"code": "NO_SUCH_LIST"})
        if not asked_again:
            asked_again.append(1)
            return Answer(409, {"code": "BUSY"}, {"X-Wait": "0"})
        return Answer(200, [{"id": 1}])

    errors = [
        {"status": [400, 404], "path": "code", "equals": "NO_SUCH_LIST", "then": "skip"},
        {"status": 409, "contains": "busy", "then": "retry", "after_header": "X-Wait"},
    ]
    gone = {"name": "gone", "path": "/gone", "schema": SCHEMA}
    with Server(answer) as server:
        output = sync(config(server.url, {**ITEMS, "schema": SCHEMA}, gone, errors=errors))
    assert records(output) == {"items": 1}


def test_several_credentials_are_used_together():
    used = []

    def answer(asked):
        used.append(asked.headers["authorization"])
        left = 3 - used.count(used[-1])
        page = int(asked.params["page"])
        body = [{"id": page}] if page < 6 else []
        return Answer(200, body, {"X-Left": str(left), "X-Reset": "3600"})

    pages = {"type": "page", "size": None}
    with Server(answer) as server:
        output = sync(config(
            server.url, {**ITEMS, "schema": SCHEMA, "pagination": pages},
            auth={"type": "bearer", "token": "first-token"},
            additional_auths=[{"type": "bearer", "token": "second-token"}],
            budget={"headers": {"remaining": "X-Left", "reset": "X-Reset", "is_relative": True}},
        ))  # fmt: skip
    assert records(output) == {"items": 5}
    assert used == ["Bearer first-token"] * 3 + ["Bearer second-token"] * 3


def test_a_refused_key_says_which_setting():
    with (
        Server(lambda _: Answer(401, {"message": "who are you"})) as server,
        pytest.raises(AuthError, match="setting 'auth'"),
    ):
        sync(config(server.url, auth={"type": "api_key", "key": "wrong-key"}))


# --- an OpenAPI document ----------------------------------------------------------------

DOCUMENT = {
    "openapi": "3.0.3",
    "servers": [{"url": "https://api.example.com/v1"}],
    "components": {
        "securitySchemes": {"old": {"type": "apiKey", "in": "query", "name": "hapikey"},
                            "key": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Customer": {"type": "object", "properties": {
                "id": {"type": "string"}, "updated_at": {"type": "string", "format": "date-time"},
                "address": {"$ref": "#/components/schemas/Address"}}},
            "Address": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    },
    "paths": {
        "/customers": {"get": {
            "parameters": [
                {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 50}},
                {"name": "after", "in": "query", "schema": {"type": "string"}},
                {"name": "updated_since", "in": "query", "schema": {"type": "string"}},
            ],
            "responses": {"200": {"content": {"application/json": {"schema": {
                "type": "object", "properties": {
                    "data": {"type": "array",
                             "items": {"$ref": "#/components/schemas/Customer"}},
                    "paging": {"type": "object", "properties": {
                        "next_cursor": {"type": "string"}, "total": {"type": "integer"}}},
                }}}}}},
        }},
        "/customers/{customer_id}/notes": {"get": {
            "parameters": [{"name": "page", "in": "query", "schema": {"type": "integer"}}],
            "responses": {"200": {"content": {"application/json": {"schema": {
                "type": "array", "items": {"type": "object", "properties": {
                    "code": {"type": "string"}, "text": {"type": "string"}}}}}}}},
        }},
        "/health": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {
            "type": "object", "properties": {"ok": {"type": "boolean"}}}}}}}}},
    },
}  # fmt: skip


def from_openapi(path):
    return subprocess.run(
        [BIN / "tap-rest", "--from-openapi", path], capture_output=True, text=True
    )


def test_a_config_from_openapi_runs_and_marks_its_guesses(tmp_path):
    (tmp_path / "api.json").write_text(json.dumps(DOCUMENT))
    done = from_openapi(tmp_path / "api.json")
    assert done.returncode == 0, done.stderr
    guessed = yaml.safe_load(done.stdout)
    assert [s["name"] for s in guessed["streams"]] == ["customers", "customers_notes"]
    customers, notes = guessed["streams"]
    assert customers["pagination"] == {
        "type": "cursor", "param": "after", "cursor": "paging.next_cursor",
        "size": ["limit", 50], "total": "paging.total",
    }  # fmt: skip
    assert customers["start_param"] == "updated_since"
    assert notes["pagination"] == {"type": "page", "param": "page", "size": None}
    assert notes["primary_keys"] == ["customer_id", "code"]
    assert guessed["auth"] == {"type": "bearer", "token": "env:KEY"}
    for option in ("pagination", "primary_keys", "replication_key", "records"):
        before = done.stdout.split(f"    {option}:")[0].splitlines()[-1]
        assert before.strip().startswith("# guess:"), option

    def answer(asked):
        if asked.headers.get("authorization") != "Bearer the-key":
            return Answer(401)
        if asked.path.endswith("/notes"):
            return Answer(200, [{"code": "a"}] if asked.params["page"] == "1" else [])
        start, size = int(asked.params.get("after") or 0), int(asked.params["limit"])
        end = min(start + size, 120)
        data = [{"id": str(n), "updated_at": "2026-01-01T00:00:00Z", "address": {"city": "x"}}
                for n in range(start, end)]  # fmt: skip
        following = str(end) if end < 120 else None
        return Answer(200, {"data": data, "paging": {"next_cursor": following, "total": 120}})

    with Server(answer) as server:
        text = done.stdout.replace("https://api.example.com/v1", server.url)
        (tmp_path / "config.yml").write_text(text)
        done = subprocess.run(
            [BIN / "tap-rest", "--config", tmp_path / "config.yml"],
            capture_output=True, env={"KEY": "the-key", "PATH": "/usr/bin"},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert records(done.stdout) == {"customers": 120, "customers_notes": 1}


@pytest.mark.parametrize(
    "name", ["hubspot/contacts.openapi.json.gz", "hubspot/crmOwners.openapi.json.gz"]
)
def test_a_config_from_a_vendors_document_is_valid(name, tmp_path, monkeypatch):
    if not (SPECS / name).exists():
        pytest.skip("the vendor's description is not on this machine")
    (tmp_path / "api.json").write_bytes(gzip.decompress((SPECS / name).read_bytes()))
    done = from_openapi(tmp_path / "api.json")
    assert done.returncode == 0, done.stderr
    guessed = yaml.safe_load(done.stdout)
    monkeypatch.setenv("OAUTH2", "token")
    monkeypatch.setenv("OAUTH2_LEGACY", "token")
    guessed.pop("auth", None)
    (stream, *_) = TapREST(config=guessed).streams.values()
    assert stream.pagination.cursor == "paging.next.after"


def test_what_is_no_openapi_document_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    done = from_openapi(tmp_path / "x.json")
    assert done.returncode == 2
    assert "paths" in done.stderr


# --- tap-rest-api-msdk ------------------------------------------------------------------


def test_the_settings_of_tap_rest_api_msdk():
    def answer(asked):
        if asked.headers.get("x-api-key") != "my-secret-key":
            return Answer(401)
        page = int(asked.params.get("page", 1))
        assert asked.params["changed"].startswith("gt2026-01-0")
        body = {"entries": [{"id": page, "changed": f"2026-01-0{page}T00:00:00Z"}]}
        return Answer(200, {**body, **({"next_page": page + 1} if page < 3 else {})})

    with Server(answer) as server:
        given = {
            "api_url": server.url,
            "auth_method": "api_key",
            "api_keys": {"X-API-KEY": "my-secret-key"},
            "pagination_request_style": "jsonpath_paginator",
            "next_page_token_path": "$.next_page",
            "records_path": "$.entries[*]",
            "start_date": "2026-01-01",
            "streams": [{"name": "things", "path": "/things", "primary_keys": ["id"],
                         "replication_key": "changed", "source_search_field": "changed",
                         "source_search_query": "gt$last_run_date",
                         "num_inference_records": 2}],
        }  # fmt: skip
        output = sync(given)
        assert records(output) == {"things": 3}
        assert last_state(output)["bookmarks"]["things"]["replication_key_value"].startswith(
            "2026-01-03"
        )


def test_an_offset_of_tap_rest_api_msdk():
    def answer(asked):
        offset, limit = int(asked.params["offset"]), int(asked.params["limit"])
        part = [{"id": n} for n in range(offset, min(offset + limit, 61))]
        return Answer(
            200, {"data": part, "pagination": {"offset": offset, "limit": limit, "total": 60}}
        )

    with Server(answer) as server:
        output = sync({
            "api_url": server.url, "pagination_request_style": "style1",
            "pagination_page_size": 20, "records_path": "$.data[*]",
            "streams": [{"name": "things", "path": "/t", "primary_keys": ["id"]}],
        })  # fmt: skip
    assert records(output) == {"things": 60}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pagination_request_style": "none_such"}, "none_such"),
        ({"auth_method": "aws"}, "aws"),
        ({"auth_method": "basic", "auth": {"type": "bearer", "token": "x"}}, "twice"),
        ({"backoff_type": "message", "path": "/x"}, "errors"),
    ],
)
def test_what_means_something_else_is_refused(change, why):
    tap = TapREST(config={**config(), **change})
    with pytest.raises(ConfigError, match=why):
        _ = tap.streams


def test_a_limit_that_would_end_a_fetch_early_is_refused():
    tap = TapREST(config={**config(), "pagination_results_limit": 10})
    with pytest.raises(ConfigError, match="end a fetch early"):
        _ = tap.streams
