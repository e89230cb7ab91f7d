"""The message path: compared with the SDK's own, and at JSON's edges."""

import io
import json
import math
import os
import subprocess
import sys
import textwrap
from decimal import Decimal

import pytest
from headwater.errors import MessageError
from headwater.messages import MessageReader, MessageWriter, RecordRun, decode_exact
from headwater.messages.json import decode_lines_exact
from headwater.streams.catalog import Selection, selected_schema
from headwater.streams.shape import Shaper
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.singerlib import Catalog

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def written(records, **options):
    stream = io.BytesIO()
    stream.close = lambda: None
    writer = MessageWriter(stream)
    writer.write_records("s", records, **options)
    writer.close()
    return stream.getvalue()


def exact(value):
    """A float as the decimal that its shortest text names: what a reader of exact numbers sees."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: exact(part) for name, part in value.items()}
    return [exact(part) for part in value] if isinstance(value, list) else value


@given(st.lists(st.dictionaries(st.text(), values, max_size=4), min_size=1, max_size=4))
def test_what_is_written_is_read_as_it_was(records):
    runs = list(MessageReader(io.BytesIO(written(records, time_extracted="2026-01-01T00:00:00Z"))))
    came = [m["record"] for run in runs for m in decode_lines_exact(run.lines)]
    assert came == [exact(record) for record in records]


def an_object(properties):
    return {"type": ["object", "null"], "properties": properties}


names = st.sampled_from(["a", "b", "c", "d"])
schemas = st.recursive(
    st.sampled_from(
        [{"type": ["string", "null"]}, {"type": "integer"}, {"type": ["number", "null"]}]
    ),
    lambda inner: st.dictionaries(names, inner, max_size=3).map(an_object),
    max_leaves=5,
)


@settings(deadline=None)
@given(
    st.dictionaries(names, schemas, min_size=1),
    st.lists(st.tuples(names, st.booleans()), max_size=4),
)
def test_selection_is_the_sdks(properties, choices):
    schema = {"type": "object", "properties": properties}
    metadata = {(): {"selected": True}}
    for name, chosen in choices:
        if name in properties:
            metadata[("properties", name)] = {"inclusion": "available", "selected": chosen}
    entries = [{"breadcrumb": list(b), "metadata": m} for b, m in metadata.items()]
    catalog = Catalog.from_dict(
        {"streams": [{"tap_stream_id": "s", "schema": schema, "metadata": entries}]}
    )
    mask = catalog["s"].metadata.resolve_selection()
    ours = selected_schema(schema, Selection(metadata))
    assert ours["properties"] == get_selected_schema("s", schema, mask)["properties"]


def test_unknown_and_deselected_properties_are_left_out():
    schema = {"properties": {"id": {"type": "integer"}, "b": {"type": "boolean"}}}
    shaper = Shaper(schema, Selection({(): {"selected": True}}), from_json=True)
    assert shaper({"id": 1, "b": 1, "new": 2}) == {"id": 1, "b": True}
    assert shaper.unknown == {"new"}


def test_numbers_beyond_what_floats_hold_stay_exact():
    record = {"big": 10**40, "small": Decimal("0.12345678901234567890123456789")}
    line = written([record])
    assert decode_exact(line)["record"] == record


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_becomes_null(number):
    assert json.loads(written([{"x": number}]))["record"] == {"x": None}


def test_a_lone_surrogate_survives_as_an_escape():
    line = written([{"x": "a\ud800b"}, {"x": "fine"}]).splitlines()[0]
    assert b"\\ud800" in line
    assert decode_exact(line)["record"]["x"] == "a\ud800b"


def test_nul_and_newlines_stay_in_one_line():
    lines = written([{"x": "a\0b\nc\r"}]).splitlines()
    assert len(lines) == 1
    assert decode_exact(lines[0])["record"]["x"] == "a\0b\nc\r"


def test_the_last_of_duplicate_keys_wins():
    line = b'{"type":"RECORD","stream":"s","record":{"a":1,"a":2}}\n'
    (run,) = MessageReader(io.BytesIO(line))
    assert decode_lines_exact(run.lines)[0]["record"] == {"a": 2}


def test_a_line_of_50_mb():
    (run,) = MessageReader(io.BytesIO(written([{"x": "y" * 50_000_000}])))
    assert len(decode_lines_exact(run.lines)[0]["record"]["x"]) == 50_000_000


@given(st.integers(1, 64), st.lists(st.sampled_from("ab"), max_size=30))
def test_runs_keep_every_line_in_order_whatever_the_chunks(size, streams):
    lines = [
        json.dumps({"type": "RECORD", "stream": s, "record": {"n": n}}) + "\n"
        for n, s in enumerate(streams)
    ]
    source = io.BytesIO("".join(lines).encode())
    seen = []
    for run in MessageReader(source, chunk_bytes=size):
        assert isinstance(run, RecordRun)
        seen += [(run.stream, m["record"]["n"]) for m in decode_lines_exact(run.lines)]
    assert seen == [(s, n) for n, s in enumerate(streams)]


def test_an_input_cut_in_a_line_is_an_error():
    with pytest.raises(MessageError, match="cut off"):
        list(MessageReader(io.BytesIO(b'{"type":"STATE","value":{}}\n{"type":"REC')))


def test_a_stray_print_goes_to_standard_error():
    code = textwrap.dedent(
        """
        import os
        from headwater.messages import claim_stdout
        out = claim_stdout()
        print("stray")
        os.system("echo child")
        out.write(b"message\\n")
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.stdout == b"message\n"
    assert {*done.stderr.split()} == {b"stray", b"child"}


def test_a_closed_pipe_ends_the_tap_quietly_and_non_zero(tmp_path):
    code = textwrap.dedent(
        """
        from headwater.errors import OutputClosedError
        from headwater.messages import MessageWriter, claim_stdout
        writer = MessageWriter(claim_stdout())
        try:
            for n in range(100_000):
                writer.write_records("s", [{"n": n}] * 100)
        except OutputClosedError as fault:
            raise SystemExit(fault.exit_code)
        """
    )
    reader, writer = os.pipe()
    done = subprocess.Popen([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    assert done.wait(60) == 1
    assert done.stderr.read() == b""
