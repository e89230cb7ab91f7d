"""What the databases hold after a run: keys, versions, new columns, wider types."""

import gzip
import json
from decimal import Decimal

import pytest
from headwater.errors import ConfigError, LoadError, MessageError, MissingKeyError, SchemaError


def schema(stream="s", keys=("id",), **properties):
    properties = {"id": {"type": "integer"}, **properties}
    return {
        "type": "SCHEMA",
        "stream": stream,
        "key_properties": list(keys),
        "schema": {"type": "object", "properties": properties},
    }


def record(stream="s", version=None, **values):
    message = {"type": "RECORD", "stream": stream, "record": values}
    return message if version is None else {**message, "version": version}


def state(**value):
    return {"type": "STATE", "value": value}


TEXT = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}


def test_upsert_keeps_the_last_record_of_a_key(destination):
    destination.load(schema(a=TEXT), record(id=1, a="x"), record(id=2, a="y"), record(id=1, a="z"))
    destination.load(schema(a=TEXT), record(id=2, a="new"))
    assert destination.query("SELECT id, a FROM s ORDER BY id") == [(1, "z"), (2, "new")]


def test_append_only_keeps_every_record(destination):
    rows = [record(id=1, a="x"), record(id=1, a="y")]
    destination.load(schema(a=TEXT), *rows, load_method="append-only")
    destination.load(schema(a=TEXT), *rows, load_method="append-only")
    assert destination.query("SELECT count(*) FROM s") == [(4,)]


def test_composite_keys(destination):
    two = schema(keys=("id", "part"), part={"type": "string"}, a=TEXT)
    destination.load(two, record(id=1, part="a", a="x"), record(id=1, part="b", a="y"))
    destination.load(two, record(id=1, part="a", a="z"))
    assert destination.query("SELECT part, a FROM s ORDER BY part") == [("a", "z"), ("b", "y")]


def test_a_stream_without_keys_appends(destination):
    destination.load(schema(keys=()), record(id=1), record(id=1))
    assert destination.query("SELECT count(*) FROM s") == [(2,)]


def test_keys_that_change(destination):
    destination.load(schema(a=TEXT), record(id=1, a="x"))
    wider = schema(keys=("id", "a"), a={"type": "string"})
    destination.load(wider, record(id=1, a="x"), record(id=1, a="y"))
    assert destination.query("SELECT id, a FROM s ORDER BY a") == [(1, "x"), (1, "y")]


@pytest.mark.parametrize("key", [None, "missing"])
def test_a_record_without_its_key_is_refused_by_name(destination, key):
    values = {} if key == "missing" else {"id": key}
    with pytest.raises(MissingKeyError, match=r"stream 's'.*'id'"):
        destination.load(schema(id={"type": ["integer", "null"]}), record(**values), state(a=1))
    assert destination.states == []


def test_overwrite_replaces_the_table_at_the_end(destination):
    destination.load(schema(a=TEXT), record(id=1, a="old"), record(id=2, a="old"))
    # schemas that repeat, change and interleave replace it once
    states = destination.load(
        schema(a=TEXT),
        schema("t"),
        record(id=1, a="new"),
        schema(a=TEXT),
        record("t", id=9),
        schema(a=TEXT, b=TEXT),
        record(id=3, a="new", b="b"),
        state(done=True),
        load_method="overwrite",
        batch_size_rows=1,
    )
    assert destination.query("SELECT id, a FROM s ORDER BY id") == [(1, "new"), (3, "new")]
    assert destination.query("SELECT id FROM t") == [(9,)]
    assert states == [{"done": True}]
    destination.load(schema(a=TEXT), record(id=4, a="again"), state(x=1), load_method="overwrite")
    assert destination.query("SELECT id FROM s") == [(4,)]


@pytest.mark.parametrize(
    "ending",
    [
        [record(id="bad")],
        [b'{"type":"RECORD","stream":"s","rec'],
        [],
        [state(bookmarks={}, headwater={"ledger": {"s": {"records": 1, "complete": False}}})],
    ],
    ids=["a bad record", "a cut line", "no last state", "the tap says incomplete"],
)
def test_overwrite_leaves_the_old_table_after_any_failure(destination, ending):
    destination.load(schema(), record(id=1))
    with pytest.raises((SchemaError, MessageError, LoadError)):
        destination.load(
            schema(), record(id=2), *ending, load_method="overwrite", batch_size_rows=1
        )
    assert destination.query("SELECT id FROM s") == [(1,)]
    assert destination.states == []


def test_columns_are_added_and_never_dropped(destination):
    destination.load(schema(a=TEXT), record(id=1, a="x"))
    destination.load(schema(b=TEXT), record(id=2, b="y"))
    assert destination.query("SELECT id, a, b FROM s ORDER BY id") == [
        (1, "x", None),
        (2, None, "y"),
    ]


def test_types_widen_and_never_narrow(destination):
    kinds = [
        (INTEGER, 7, "7"),
        ({"type": ["integer", "null"]}, 2**62, str(2**62)),
        (NUMBER, 1.5, "1.5"),
        (TEXT, "text", "text"),
        (INTEGER, 9, "9"),
    ]
    for number, (kind, value, _) in enumerate(kinds):
        destination.load(schema(v=kind), record(id=number, v=value))
    found = dict(destination.query("SELECT id, v FROM s"))
    assert float(found[0]) == 7
    assert found[3] == "text"
    assert found[4] == "9"
    assert len(found) == 5


@pytest.mark.parametrize(
    ("before", "first", "after", "second", "expected"),
    [
        ({"type": "string", "format": "date"}, "2026-01-31",
         {"type": "string", "format": "date-time"}, "2026-02-01T10:00:00Z", "2026-01-31"),
        ({"type": "boolean"}, True, {"type": "integer"}, 5, "true"),
        ({"type": "integer"}, 5, {"type": "object"}, {"a": 1}, "5"),
        ({"type": "string"}, "x", {"type": "object"}, {"a": 1}, "x"),
        ({"type": "object"}, {"a": 1}, {"type": "string"}, "x", "a"),
        ({"type": "string", "format": "date-time"}, "2026-01-31T10:00:00Z", TEXT, "free", "2026"),
    ],
)  # fmt: skip
def test_any_kind_can_become_any_other(destination, before, first, after, second, expected):
    destination.load(schema(v=before), record(id=1, v=first))
    destination.load(schema(v=after), record(id=2, v=second))
    found = dict(destination.query("SELECT id, v FROM s"))
    assert expected in str(found[1])
    assert found[2] is not None


def test_integers_beyond_64_bits_keep_every_digit(destination):
    destination.load(schema(v=INTEGER), record(id=1, v=1))
    destination.load(schema(v=INTEGER), record(id=2, v=2**63), record(id=3, v=-(2**63) - 1))
    destination.load(schema(v=INTEGER), record(id=4, v=10**37))
    destination.load(schema(v=INTEGER), record(id=5, v=10**60))
    found = {key: int(value) for key, value in destination.query("SELECT id, v FROM s")}
    assert found == {1: 1, 2: 2**63, 3: -(2**63) - 1, 4: 10**37, 5: 10**60}


def test_activate_version_marks_or_deletes(destination):
    for hard in (False, True):
        stream = f"s{hard}"
        meta = {"add_record_metadata": True, "hard_delete": hard}
        destination.load(
            schema(stream), record(stream, version=1, id=1), record(stream, version=1, id=2), **meta
        )
        activate = {"type": "ACTIVATE_VERSION", "stream": stream, "version": 2}
        destination.load(schema(stream), record(stream, version=2, id=2), activate, **meta)
        rows = destination.query(f'SELECT id, _sdc_deleted_at IS NULL FROM "{stream}" ORDER BY id')
        assert rows == ([(2, True)] if hard else [(1, False), (2, True)])


def test_metadata_columns_are_the_sdks(destination):
    message = {**record(id=1, version=3), "time_extracted": "2026-01-31T09:30:00Z"}
    destination.load(schema(), message, add_record_metadata=True)
    columns = destination.columns("s")
    assert {
        "_sdc_extracted_at", "_sdc_received_at", "_sdc_batched_at", "_sdc_deleted_at",
        "_sdc_sequence", "_sdc_table_version", "_sdc_sync_started_at",
    } <= columns.keys()  # fmt: skip
    ((extracted, version),) = destination.query(
        "SELECT _sdc_extracted_at, _sdc_table_version FROM s"
    )
    assert extracted.isoformat().startswith("2026-01-31T09:30:00")
    assert version == 3


def test_batch_files_are_read(destination, tmp_path):
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_text('{"id": 1}\n{"id": 2}\n')
    packed.write_bytes(gzip.compress(b'{"id": 3}\n'))
    for file, compression in ((plain, "none"), (packed, "gzip")):
        encoding = {"format": "jsonl", "compression": compression}
        message = {"type": "BATCH", "stream": "s", "encoding": encoding,
                   "manifest": [file.as_uri()]}  # fmt: skip
        destination.load(schema(), message)
    assert destination.query("SELECT id FROM s ORDER BY id") == [(1,), (2,), (3,)]
    message["manifest"] = [(tmp_path / "gone").as_uri()]
    with pytest.raises(MessageError, match=r"stream 's'.*gone"):
        destination.load(schema(), message)


def test_names_of_any_language_length_and_case(destination):
    names = ["select", "ключ", "a b", "a.b", 'q"q', "Id", "x" * 200, "x" * 199 + "y", "名前" * 30]
    rows = {name: str(number) for number, name in enumerate(names)}
    long_stream = "stream-" + "z" * 80
    destination.load(
        schema(long_stream, **dict.fromkeys(names, TEXT)), record(long_stream, id=1, **rows)
    )
    destination.load(
        schema(long_stream, **dict.fromkeys(names, TEXT)), record(long_stream, id=1, **rows)
    )
    ((table,),) = destination.query(
        "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'stream-%' "
        f"AND table_schema = '{destination.config.get('default_target_schema', 'main')}'"
    )
    (row,) = destination.query(f'SELECT * FROM "{table}"')
    assert sorted(map(str, row)) == sorted(["1", *rows.values()])


@pytest.mark.parametrize("policy", ["skip", "quarantine"])
def test_invalid_records_are_passed_over_on_demand(destination, policy):
    states = destination.load(
        schema(at={"type": "string", "format": "date-time"}),
        record(id=1, at="2026-01-31T00:00:00Z"),
        record(id="two", at="2026-01-31T00:00:00Z"),
        record(id=3, at="no moment"),
        record(id=4, at="now"),
        record(at="2026-01-31T00:00:00Z"),
        state(done=1),
        on_invalid=policy,
    )
    assert destination.query("SELECT id FROM s") == [(1,)]
    assert states == [{"done": 1}]
    if policy == "quarantine":
        rows = destination.query("SELECT record, reason FROM s__quarantine")
        assert len(rows) == 4
        bad = [r if isinstance(r, dict) else json.loads(r) for r, _ in rows]
        assert {"id": "two", "at": "2026-01-31T00:00:00Z"} in bad
        assert any("'id'" in reason for _, reason in rows)


def test_what_only_the_database_refuses_is_named_too(destination):
    moment = {"type": "string", "format": "date-time"}
    messages = [schema(at=moment)]
    messages += [record(id=n, at="2026-01-31T00:00:00Z") for n in range(500)]
    messages.insert(300, record(id=9999, at="2026-01-31T25:00:00Z"))
    with pytest.raises((LoadError, SchemaError), match="9999"):
        destination.load(*messages, state(done=1))
    assert destination.states == []
    destination.load(*messages, state(done=1), on_invalid="quarantine")
    assert destination.query("SELECT count(*) FROM s") == [(500,)]
    assert destination.query("SELECT count(*) FROM s__quarantine") == [(1,)]


def test_the_state_can_live_with_the_rows(destination):
    settings = {"state_in_destination": True, "state_id": "pipeline"}
    destination.load(schema(), record(id=1), state(bookmarks={"s": "1.10"}), **settings)
    assert destination.query("SELECT id, state FROM _headwater_state") == [
        ("pipeline", '{"bookmarks":{"s":"1.10"}}')
    ]
    with pytest.raises(SchemaError):
        destination.load(schema(), record(id="x"), state(bookmarks={"s": "2"}), **settings)
    destination.load(schema(), record(id=2), state(bookmarks={"s": "3"}), **settings)
    assert destination.query("SELECT state FROM _headwater_state") == [('{"bookmarks":{"s":"3"}}',)]


# --- known pains of the peers ---------------------------------------------------------


def test_repeated_identical_schemas_neither_drain_nor_plan_again(destination, monkeypatch):
    """Sdk 1025"""
    import target_duckdb.loader
    import target_postgres.loader

    counts = {"open": 0, "load": 0}
    for loader in (target_duckdb.loader.DuckDBLoader, target_postgres.loader.PostgresLoader):
        for name in counts:
            inner = getattr(loader, name)

            def counted(self, *arguments, inner=inner, name=name):
                counts[name] += 1
                return inner(self, *arguments)

            monkeypatch.setattr(loader, name, counted)
    messages = []
    for number in range(50):
        messages += [schema("parent"), record("parent", id=number)]
        messages += [schema("child"), record("child", id=number)]
    destination.load(*messages, state(a=1))
    assert counts == {"open": 2, "load": 1}


def test_an_empty_state_never_replaces_a_good_one(destination):
    """Sdk 3000"""
    assert destination.load(schema(), record(id=1), state(a=1), state(), record(id=2)) == [{"a": 1}]
    assert destination.load(schema(), record(id=3)) == []
    assert destination.load(schema(), record(id=3), {"type": "STATE", "value": None}) == []


def test_batches_end_by_rows_bytes_or_age(destination):
    """Sdk 2692"""
    rows = [m for n in range(6) for m in (record(id=n), state(n=n))]
    assert len(destination.load(schema(), *rows, batch_size_rows=2)) == 4
    assert len(destination.load(schema(), *rows, batch_size_bytes=1)) == 6
    assert len(destination.load(schema(), *rows, batch_wait_limit_seconds=0)) == 6
    assert len(destination.load(schema(), *rows)) == 1


def test_a_table_of_300_columns_takes_few_queries(postgres_destination):
    """target-postgres 192"""
    properties = {f"c{n}": TEXT for n in range(300)}
    postgres_destination.load(schema(**properties), record(id=1))
    import psycopg

    seen = []
    inner = psycopg.Cursor.execute

    def counted(self, query, *arguments, **options):
        seen.append(str(query))
        return inner(self, query, *arguments, **options)

    psycopg.Cursor.execute = counted
    try:
        postgres_destination.load(schema(**properties, more=TEXT), record(id=1))
    finally:
        psycopg.Cursor.execute = inner
    assert sum("ALTER TABLE" in query for query in seen) == 1
    assert len(seen) < 20


def test_the_ledger_is_checked_at_every_state(destination):
    ledger = {"headwater": {"ledger": {"s": {"records": 2, "complete": False}}}}
    with pytest.raises(LoadError, match="wrote 2 records and 1 came in"):
        destination.load(schema(), record(id=1), state(**ledger), record(id=2), state(a=1))
    assert destination.states == []


def test_a_bad_schema_is_one_clear_error(destination):
    with pytest.raises(SchemaError, match="'s'"):
        destination.load({"type": "SCHEMA", "stream": "s", "key_properties": [], "schema": {}})
    with pytest.raises(SchemaError, match="nowhere"):
        destination.load(schema(a={"$ref": "#/definitions/none"}))
    with pytest.raises(MissingKeyError, match="'s'"):
        destination.load(schema(keys=("gone",)))


def test_references_are_followed(destination):
    message = schema(a={"$ref": "#/definitions/money"})
    message["schema"]["definitions"] = {"money": {"type": "number", "multipleOf": 0.01}}
    destination.load(message, record(id=1, a=1.25))
    ((value,),) = destination.query("SELECT a FROM s")
    assert value == Decimal("1.25")


def test_a_destination_that_is_not_there_is_a_config_error(tmp_path):
    from target_duckdb.target import TargetDuckDB
    from target_postgres.target import TargetPostgres

    with pytest.raises(ConfigError, match="filepath"):
        _ = TargetDuckDB(config={"filepath": str(tmp_path / "no/such/folder/x.duckdb")}).loader
    with pytest.raises(ConfigError, match="host"):
        _ = TargetPostgres(config={"host": "127.0.0.1", "port": 1, "user": "x"}).loader
