"""What every stream gets: increments, state, change detection, drift, answers kept as they came."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from typing import ClassVar

import pytest
from headwater.clock import rfc3339
from headwater.errors import ConfigError, HeadwaterError, SchemaError
from headwater.http import Client
from headwater.messages.json import decode_exact
from headwater.pagination import PageNumber
from headwater.retry import RetryPolicy
from headwater.schema.inference import infer
from headwater.schema.openapi import OpenAPI
from headwater.settings import Setting, Settings
from headwater.streams import RESTStream
from headwater.streams.drift import DriftWatch
from headwater.streams.from_texts import FromTexts
from headwater.testing.output import last_state, messages
from headwater.testing.server import Answer, Server
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

MOMENT = {"type": "string", "format": "date-time"}
SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "at": MOMENT, "text": {"type": ["string", "null"]}},
}


class Items(RESTStream):
    name = "items"
    path = "/items"
    primary_keys = ("id",)
    declared_schema: ClassVar = SCHEMA
    pagination = PageNumber(size=("size", 10), total="total")
    records = "data"


class Incremental(Items):
    replication_key = "at"
    start_param = "since"


class Sorted(Incremental):
    is_sorted = True


def tap_of(stream_type, url, state=None, catalog=None, **config):
    from headwater.tap import Tap

    class TapItems(Tap):
        """A tap of one stream."""

        name = "tap-items"
        package_name = "headwater"
        own_settings = Settings((Setting("api_url"), Setting("start_date"), Setting("end_date")))
        stream_types = (stream_type,)

        def make_client(self):
            return Client(retry=RetryPolicy(attempts=1))

    output = BytesIO()
    tap = TapItems(config={"api_url": url, **config}, state=state, catalog=catalog, output=output)
    return tap, output


def sync(stream_type, url, state=None, **config):
    tap, output = tap_of(stream_type, url, state, **config)
    fault = None
    try:
        tap.sync_all()
    except HeadwaterError as error:
        fault = error
    return output.getvalue(), fault, tap


def rows(output, stream="items"):
    return [m["record"] for m in messages(output) if m["type"] == "RECORD"
            and m["stream"] == stream]  # fmt: skip


class Source:
    """Items by page, those since a moment where asked."""

    def __init__(self, items):
        self.items = items
        self.asked = []
        self.fails_at = None

    def __call__(self, asked):
        self.asked.append(asked)
        found = [i for i in self.items if i.get("at", "") >= asked.params.get("since", "")]
        page, size = int(asked.params["page"]), int(asked.params["size"])
        if page == self.fails_at:
            return Answer(400, {})
        return Answer(200, {"data": found[(page - 1) * size : page * size], "total": len(found)})


def at(minutes):
    return rfc3339(datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minutes))


def item(n, minutes=None, **more):
    return {"id": n, "at": at(n if minutes is None else minutes), "text": f"item {n}", **more}


@pytest.fixture
def source():
    return Source([item(n) for n in range(35)])


@pytest.fixture
def url(source):
    with Server(source) as server:
        yield server.url


def bookmark(output):
    return last_state(output)["bookmarks"]["items"]


# --- increments -----------------------------------------------------------------------------


def test_the_first_run_begins_at_the_start_date_and_the_next_at_the_bookmark(source, url):
    first, _, _ = sync(Sorted, url, start_date=at(5))
    assert [r["id"] for r in rows(first)] == list(range(5, 35))
    assert bookmark(first)["replication_key_value"] == at(34)
    source.items.append(item(99, 40))
    second, _, _ = sync(Sorted, url, state=last_state(first), start_date=at(5))
    assert [r["id"] for r in rows(second)] == [34, 99]


def test_a_run_that_finds_nothing_new_ends_with_its_state(source, url):
    first, _, _ = sync(Sorted, url)
    source.items.clear()
    second, _, _ = sync(Sorted, url, state=last_state(first))
    assert rows(second) == []
    assert messages(second)[-1]["type"] == "STATE"
    assert bookmark(second)["replication_key_value"] == at(34)


def test_a_lookback_begins_before_the_bookmark_but_not_before_the_start_date(source, url):
    class LookingBack(Sorted):
        lookback = timedelta(minutes=4)

    state = {"bookmarks": {"items": {"replication_key": "at", "replication_key_value": at(30)}}}
    output, _, _ = sync(LookingBack, url, state=state)
    assert [r["id"] for r in rows(output)] == list(range(26, 35))
    output, _, _ = sync(LookingBack, url, state=state, start_date=at(28))
    assert [r["id"] for r in rows(output)] == list(range(28, 35))
    in_config, _, _ = sync(Sorted, url, state=state, stream_options={"items": {"lookback": 60}})
    assert [r["id"] for r in rows(in_config)] == list(range(29, 35))


def test_an_exclusive_filter_is_asked_a_second_earlier(source, url):
    class Exclusive(Sorted):
        start_is_exclusive = True

    state = {"bookmarks": {"items": {"replication_key": "at", "replication_key_value": at(30)}}}
    sync(Exclusive, url, state=state)
    assert source.asked[0].params["since"] == at(29.983333333333334)[:17] + "59Z"


def test_an_end_date_leaves_out_what_is_later(url):
    output, _, _ = sync(Sorted, url, end_date=at(9))
    assert [r["id"] for r in rows(output)] == list(range(10))
    assert bookmark(output)["replication_key_value"] == at(9)


def test_an_unsorted_stream_moves_only_at_its_end(source, url):
    source.fails_at = 3
    broken, fault, _ = sync(Incremental, url)
    assert fault is not None
    assert len(rows(broken)) == 20
    assert "items" not in last_state(broken)["bookmarks"]
    source.fails_at = None
    whole, _, _ = sync(Incremental, url)
    assert bookmark(whole)["replication_key_value"] == at(34)


def test_a_sorted_stream_goes_on_from_the_last_safe_point(source, url):
    source.fails_at = 3
    broken, fault, _ = sync(Sorted, url)
    assert "stream 'items'" in str(fault)
    assert bookmark(broken)["replication_key_value"] == at(19)
    source.fails_at = None
    rest, _, _ = sync(Sorted, url, state=last_state(broken))
    assert {r["id"] for r in rows(broken)} | {r["id"] for r in rows(rest)} == set(range(35))
    assert len(rows(rest)) == 16


def test_a_stream_that_turns_out_not_to_be_sorted_moves_only_at_its_end(source, url):
    source.items[3], source.items[30] = source.items[30], source.items[3]
    source.fails_at = 4
    broken, _, _ = sync(Sorted, url)
    value = last_state(broken)["bookmarks"].get("items", {}).get("replication_key_value")
    assert value is None or value <= at(3)


def test_a_moment_from_the_future_does_not_poison_the_bookmark(source, url):
    source.items.append(item(100, 10**8))
    before = rfc3339(datetime.now(timezone.utc))
    output, _, _ = sync(Sorted, url)
    assert len(rows(output)) == 36
    value = bookmark(output)["replication_key_value"]
    assert before[:15] <= value < at(10**8)


def test_a_number_from_the_future_does_not_either():
    class Numbered(Items):
        declared_schema: ClassVar = {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "at": {"type": "integer"}},
        }
        replication_key = "at"
        start_format = "epoch"

    body = {"data": [{"id": 1, "at": 5}, {"id": 2, "at": 10**11}], "total": 2}
    with Server(lambda _: Answer(200, body)) as server:
        output, _, _ = sync(Numbered, server.url)
    assert 1_700_000_000 < bookmark(output)["replication_key_value"] < 10**10


@pytest.mark.parametrize("concurrency", [1, 4])
def test_partitions_in_parallel_leave_the_state_of_those_in_turn(concurrency):
    class Partitioned(Sorted):
        path = "/{place}/items"

        def contexts(self):
            return [{"place": f"p{n}"} for n in range(9)]

    def answer(asked):
        number = int(asked.path[2:].split("/")[0])
        items = [item(n) for n in range(number)]
        page = int(asked.params["page"])
        return Answer(200, {"data": items[(page - 1) * 10 : page * 10], "total": number})

    with Server(answer) as server:
        output, _, _ = sync(Partitioned, server.url, concurrency=concurrency)
    places = bookmark(output)["partitions"]
    assert [p["context"]["place"] for p in places] == [f"p{n}" for n in range(1, 9)]
    assert [p["replication_key_value"] for p in places] == [at(n - 1) for n in range(1, 9)]
    assert len(rows(output)) == sum(range(9))


def test_states_come_regularly(url):
    output, _, _ = sync(Sorted, url, state_message_threshold=10)
    kinds = [m["type"] for m in messages(output)]
    assert kinds.count("STATE") == 4
    for number, message in enumerate(messages(output)):
        if message["type"] == "STATE":
            sent = sum(m["type"] == "RECORD" for m in messages(output)[:number])
            assert message["value"]["headwater"]["ledger"]["items"]["records"] == sent


def test_the_api_total_and_the_fetched_are_told(url, caplog):
    with caplog.at_level("INFO"):
        _, _, tap = sync(Items, url)
    assert tap.last_sync.reports["items"].as_dict()["reported"] == 35
    assert "fetched 35 of 35 reported, emitted 35" in caplog.text


def test_metrics_have_the_sdks_form(url, caplog):
    with caplog.at_level("INFO", logger="singer_sdk.metrics"):
        sync(Items, url)
    points = [json.loads(r.getMessage().removeprefix("METRIC: ")) for r in caplog.records
              if r.name == "singer_sdk.metrics"]  # fmt: skip
    found = {(p["type"], p["metric"]): p for p in points}
    assert found[("counter", "record_count")]["value"] == 35
    assert found[("counter", "record_count")]["tags"]["stream"] == "items"
    assert ("timer", "sync_duration") in found


# --- change detection -----------------------------------------------------------------------


def detecting(tmp_path, **more):
    return {"stream_options": {"items": {"detect_changes": True, **more}},
            "change_store": str(tmp_path / "changes")}  # fmt: skip


def test_only_what_is_new_or_changed_is_emitted(source, url, tmp_path):
    options = detecting(tmp_path, emit_deletions=True)
    first, _, _ = sync(Items, url, **options)
    assert len(rows(first)) == 35
    source.items[3]["text"] = "changed"
    source.items.append(item(50))
    del source.items[0]
    second, _, _ = sync(Items, url, state=last_state(first), **options)
    found = {r["id"]: r for r in rows(second)}
    assert set(found) == {0, 3, 50}
    assert found[0]["_sdc_deleted_at"]
    third, _, _ = sync(Items, url, state=last_state(second), **options)
    assert rows(third) == []


def test_a_run_that_was_not_loaded_loses_nothing(source, url, tmp_path):
    options = detecting(tmp_path)
    first, _, _ = sync(Items, url, **options)
    source.items[3]["text"] = "changed"
    sync(Items, url, state=last_state(first), **options)  # its state never came out
    again, _, _ = sync(Items, url, state=last_state(first), **options)
    assert [r["id"] for r in rows(again)] == [3]


def test_a_run_that_failed_leaves_the_digests_in_force(source, url, tmp_path):
    options = detecting(tmp_path, emit_deletions=True)
    first, _, _ = sync(Items, url, **options)
    source.fails_at = 3
    broken, fault, _ = sync(Items, url, state=last_state(first), **options)
    assert fault is not None
    assert bookmark(broken)["digests"] == bookmark(first)["digests"]
    assert not any("_sdc_deleted_at" in r for r in rows(broken))


def test_digests_that_are_gone_are_no_reason_to_guess(source, url, tmp_path):
    first, _, _ = sync(Items, url, **detecting(tmp_path))
    for file in (tmp_path / "changes").iterdir():
        file.unlink()
    again, fault, _ = sync(Items, url, state=last_state(first), **detecting(tmp_path))
    assert fault is None
    assert len(rows(again)) == 35
    _, fault, _ = sync(
        Items, url, state=last_state(first), **detecting(tmp_path, emit_deletions=True)
    )
    assert "change_store" in str(fault)


def test_what_could_not_be_read_is_not_gone(tmp_path):
    class Partitioned(Items):
        path = "/{place}/items"
        primary_keys = ("place", "id")
        tolerated = frozenset({404})
        declared_schema: ClassVar = {
            "type": "object",
            "properties": {**SCHEMA["properties"], "place": {"type": "string"}},
        }

        def contexts(self):
            return [{"place": "a"}, {"place": "b"}]

    gone = []

    def answer(asked):
        if asked.path.split("/")[1] in gone:
            return Answer(404, {"message": "no access any more"})
        return Answer(200, {"data": [item(1)], "total": 1})

    options = detecting(tmp_path, emit_deletions=True)
    with Server(answer) as server:
        first, _, _ = sync(Partitioned, server.url, **options)
        gone.append("b")
        second, _, _ = sync(Partitioned, server.url, state=last_state(first), **options)
        assert rows(second) == []
        gone.clear()
        third, _, _ = sync(Partitioned, server.url, state=last_state(second), **options)
        assert rows(third) == []


@pytest.mark.parametrize(
    ("stream_type", "options", "said"),
    [
        (Sorted, {"detect_changes": True}, "incremental"),
        (Items, {"emit_deletions": True}, "needs 'detect_changes'"),
    ],
)
def test_options_that_contradict_each_other(stream_type, options, said, url):
    tap, _ = tap_of(stream_type, url, stream_options={"*": options})
    with pytest.raises(ConfigError, match=said):
        _ = tap.streams


# --- drift ----------------------------------------------------------------------------------


def drift(tap):
    return {(e["event"], e["field"]) for e in tap.last_sync.reports["items"].drift}


def test_unknown_fields_never_fail_a_run_and_are_told_once(source, url, caplog):
    for n in range(20):
        source.items[n]["extra"] = {"n": n}
    with caplog.at_level("INFO"):
        output, fault, tap = sync(Items, url)
    assert fault is None
    assert "extra" not in rows(output)[0]
    assert ("new", "extra") in drift(tap)
    assert sum("drift: new 'extra'" in r.getMessage() for r in caplog.records) == 1


def test_unknown_fields_can_be_kept_in_one_column(source, url):
    source.items[0].update(extra=[1], other=None)
    output, _, _ = sync(Items, url, stream_options={"*": {"additional_fields": "keep"}})
    assert rows(output)[0]["additional_fields"] == {"extra": [1], "other": None}
    schema = next(m for m in messages(output) if m["type"] == "SCHEMA")["schema"]
    assert "additional_fields" in schema["properties"]


def test_new_missing_and_retyped_fields_and_values(source, url):
    class Typed(Items):
        declared_schema: ClassVar = {
            "type": "object",
            "properties": {**SCHEMA["properties"], "size": {"type": "integer"},
                           "kind": {"type": "string", "enum": ["a", "b"]},
                           "never": {"type": "string"}},
        }  # fmt: skip

    for n, row in enumerate(source.items):
        row.update(size=str(n), kind="a" if n else "c", extra=1)
    _, fault, tap = sync(Typed, url)
    assert fault is None
    assert drift(tap) == {
        ("retyped", "size"), ("new_enum_value", "kind"), ("new", "extra"), ("missing", "never"),
    }  # fmt: skip


def test_a_run_is_compared_with_the_last_one(source, url):
    for row in source.items:
        row["extra"] = 1
    first, _, _ = sync(Items, url)
    for row in source.items:
        del row["extra"]
        row["newer"] = 1
    _, _, tap = sync(Items, url, state=last_state(first))
    assert {("appeared", "newer"), ("vanished", "extra")} <= drift(tap)


def test_a_property_that_only_some_records_have_does_not_vanish(source, url):
    for row in source.items[::7]:
        row["extra"] = 1
    first, _, _ = sync(Sorted, url)
    source.items[:] = [item(99, 90)]
    second, _, tap = sync(Sorted, url, state=last_state(first))
    assert drift(tap) == set()
    assert last_state(second)["headwater"]["fingerprints"]["items"]["extra"] == "integer?"


def test_drift_can_fail_a_run_before_its_state_moves(source, url):
    source.items[0]["extra"] = 1
    output, fault, _ = sync(Sorted, url, stream_options={"items": {"on_drift": "fail"}})
    assert isinstance(fault, SchemaError)
    assert "new 'extra'" in str(fault)
    assert "on_drift" in str(fault)
    assert rows(output) == []
    assert last_state(output)["bookmarks"] == {}


def test_what_vanished_fails_a_run_before_its_last_state(source, url):
    options = {"stream_options": {"items": {"on_drift": "fail"}}}
    first, _, _ = sync(Sorted, url, **options)
    for row in source.items:
        del row["text"]
    source.items.append(item(99, 90))
    del source.items[-1]["text"]
    second, fault, _ = sync(Sorted, url, state=last_state(first), **options)
    assert "vanished 'text'" in str(fault)
    assert not any(m["type"] == "STATE" for m in messages(second))


def test_a_schema_can_evolve_and_remembers_it(source, url):
    source.items[12]["extra"] = "x"
    options = {"stream_options": {"items": {"on_drift": "evolve"}}}
    first, _, _ = sync(Items, url, **options)
    schemas = [m["schema"] for m in messages(first) if m["type"] == "SCHEMA"]
    assert len(schemas) == 2
    assert schemas[1]["properties"]["extra"] == {"type": ["string", "null"]}
    assert [r["extra"] for r in rows(first) if "extra" in r] == ["x"]
    del source.items[12]["extra"]
    second, _, _ = sync(Items, url, state=last_state(first), **options)
    assert "extra" in messages(second)[0]["schema"]["properties"]


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.none() | st.integers() | st.text()), max_size=12
    )
)
def test_names_that_a_watch_saw_are_its_fingerprint(records):
    watch = DriftWatch("s", {"properties": {}}, None)
    for start in range(0, len(records), 3):
        watch.look(records[start : start + 3])
    print_ = watch.fingerprint()
    if records:
        assert set(print_) <= {name for record in records for name in record}


# --- raw ------------------------------------------------------------------------------------


def test_answers_are_kept_as_they_came(url):
    output, _, _ = sync(Items, url, stream_options={"items": {"raw": True}})
    raw = rows(output, "items__raw")
    assert len(raw) == 4
    assert json.loads(raw[0]["payload"])["total"] == 35
    assert raw[0]["url"].startswith(url)
    assert len({r["_raw_id"] for r in raw}) == 4
    ledger = last_state(output)["headwater"]["ledger"]
    assert ledger["items__raw"] == {"records": 4, "complete": True}


def test_bytes_that_are_no_text_are_kept_too():
    import gzip

    body = gzip.compress(b'{"data": [{"id": 1, "text": "x\\u0000y"}], "total": 1}')
    with Server(lambda _: Answer(200, body)) as server:
        output, _, _ = sync(Items, server.url, stream_options={"items": {"raw": True}})
        (row,) = rows(output, "items__raw")
        assert row["encoding"] == "base64"
        tap, again = tap_of(Items, server.url)
        tap.replay(BytesIO(output))
    assert rows(again.getvalue()) == [{"id": 1, "text": "x\x00y"}]


def test_records_are_derived_anew_without_asking(source, url):
    output, _, _ = sync(Items, url, stream_options={"items": {"raw": True}})
    asked = len(source.asked)

    class Wider(Items):
        declared_schema: ClassVar = SCHEMA

        def post_process(self, record, context):
            record["text"] = record["text"].upper()
            return record

    tap, again = tap_of(Wider, url)
    tap.replay(BytesIO(output))
    assert len(source.asked) == asked
    assert [r["text"] for r in rows(again.getvalue())] == [f"ITEM {n}" for n in range(35)]
    assert b"STATE" not in again.getvalue()


# --- schemas --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False,
                                                                        allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner,
                                                                max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4), max_size=6))
def test_an_inferred_schema_takes_all_its_samples(records):
    schema = infer(records)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for record in records:
        plain = json.loads(json.dumps(record, default=float))
        assert list(validator.iter_errors(plain)) == []


def test_moments_are_inferred():
    found = infer([{"at": "2026-01-01T00:00:00Z"}, {"at": None}])
    assert found["properties"]["at"] == {"type": ["string", "null"], "format": "date-time"}
    mixed = infer([{"at": "2026-01-01T00:00:00Z"}, {"at": "soon"}])
    assert "format" not in mixed["properties"]["at"]


def test_an_openapi_schema_may_refer_to_itself():
    document = {
        "components": {"schemas": {
            "Node": {"type": "object", "properties": {
                "id": {"type": "integer", "nullable": True},
                "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
                "either": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}},
        }},
    }  # fmt: skip
    found = OpenAPI(document).schema({"$ref": "#/components/schemas/Node"})
    Draft202012Validator.check_schema(found)
    assert found["properties"]["id"]["type"] == ["integer", "null"]
    assert found["properties"]["either"] == {}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "7", 7),
        ({"type": ["integer", "null"]}, "seven", "seven"),
        ({"type": "number"}, " 1.50 ", Decimal("1.50")),
        ({"type": "boolean"}, "TRUE", True),
        ({"type": "boolean"}, "0", False),
        ({"type": ["string", "integer"]}, "7", "7"),
        ({"type": "string"}, "7", "7"),
    ],
)
def test_texts_of_csv_and_xml_get_their_types(schema, text, value):
    ((record),) = FromTexts({"properties": {"a": schema}})([{"a": text}])
    assert record == {"a": value}
    assert type(record["a"]) is type(value)


def test_numbers_keep_their_digits():
    assert decode_exact(b"[1.10, 12345678901234567890.123]") == [
        Decimal("1.10"), Decimal("12345678901234567890.123"),
    ]  # fmt: skip
