"""What users know from singer-sdk comes out the same here: messages, maps, `--about`."""

import contextlib
import datetime as dt
import io
import json
from decimal import Decimal

import pytest
import singer_sdk
from headwater.http import Client
from headwater.plugin.about import FORMATS, AboutInfo
from headwater.retry import RetryPolicy
from headwater.settings import Setting, Settings
from headwater.streams import Stream
from headwater.tap import Tap
from headwater.target import Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer_sdk import about as sdk_about

AT = dt.datetime(2026, 1, 31, 9, 30, tzinfo=dt.timezone.utc)


def ours(schema, records, config, catalog=None):
    class Items(Stream):
        name = "items"
        primary_keys = ("id",)
        declared_schema = schema
        records_are_json = False

        def pages(self, context, start):
            yield [dict(record) for record in records]

    class TapOurs(Tap):
        """Ours."""

        name = "tap-ours"
        package_name = "headwater"
        own_settings = Settings(())
        stream_types = (Items,)

        def make_client(self):
            return Client(retry=RetryPolicy())

    output = io.BytesIO()
    output.close = lambda: None
    TapOurs(config=config, catalog=catalog, output=output).sync_all()
    return described(output.getvalue().decode())


def theirs(schema, records, config, catalog=None):
    given_schema = schema

    class Items(singer_sdk.Stream):
        name = "items"
        primary_keys = ("id",)
        schema = given_schema

        def get_records(self, context):
            yield from (dict(record) for record in records)

    class TapTheirs(singer_sdk.Tap):
        name = "tap-theirs"
        config_jsonschema = {"type": "object", "properties": {}}

        def discover_streams(self):
            return [Items(self)]

    output = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with contextlib.redirect_stdout(output):
        TapTheirs(config=config, catalog=catalog).sync_all()
    return described(output.buffer.getvalue().decode())


def described(text):
    """The SCHEMA and RECORD messages of each stream in order, without the extraction's moment."""
    found = []
    for line in filter(None, text.split("\n")):
        message = json.loads(line, parse_float=number, parse_int=number)
        message.pop("time_extracted", None)
        if message["type"] in ("SCHEMA", "RECORD"):
            if message["type"] == "SCHEMA":
                message["schema"].pop("$schema", None)
                message.setdefault("bookmark_properties", [])
            found.append(message)
    # ours writes a page of one mapped stream, then of the next; the SDK record by record
    return sorted(found, key=lambda message: message["stream"])


def number(text):
    return Decimal(text).normalize()


scalars = {
    "string": st.text(),
    "integer": st.integers(-(10**30), 10**30),
    "number": st.decimals(allow_nan=False, allow_infinity=False, places=6)
    | st.integers(-(2**53), 2**53),
    "boolean": st.booleans(),
    "date-time": st.datetimes(
        min_value=dt.datetime(1, 1, 2),  # noqa: DTZ001  what hypothesis asks for
        timezones=st.just(dt.timezone.utc) | st.none(),
    ),
    "date": st.dates(),
    "array": st.lists(st.integers() | st.text(), max_size=3),
}


def schema_of(kind):
    if kind in ("date-time", "date"):
        return {"type": ["string", "null"], "format": kind}
    return {"type": [kind, "null"]}


@st.composite
def streams(draw):
    """A schema and records that fit it, with properties that it does not know among them."""
    names = draw(st.lists(st.sampled_from("abcde"), unique=True, max_size=4))
    kinds = {name: draw(st.sampled_from([*scalars, "object"])) for name in names}
    properties, values = {"id": {"type": "integer"}}, {"id": st.integers(0, 10**20)}
    for name, kind in kinds.items():
        if kind == "object":
            inner = draw(st.sampled_from(sorted(scalars)))
            properties[name] = {
                "type": ["object", "null"],
                "properties": {"x": schema_of(inner), "y": schema_of("string")},
            }
            values[name] = st.fixed_dictionaries(
                {"x": scalars[inner]}, optional={"y": st.text(), "unknown": st.integers()}
            )
        else:
            properties[name] = schema_of(kind)
            values[name] = scalars[kind]
        values[name] |= st.none()
    record = st.fixed_dictionaries(
        {"id": values.pop("id")}, optional={**values, "unknown": st.text()}
    )
    schema = {"type": "object", "properties": properties}
    return schema, draw(st.lists(record, min_size=1, max_size=3))


relaxed = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(streams())
def test_records_and_schemas(stream):
    assert ours(*stream, {}) == theirs(*stream, {})


@relaxed
@given(streams(), st.integers(0, 2), st.sampled_from(["__", "_"]))
def test_flattening(stream, depth, separator):
    config = {
        "flattening_enabled": True,
        "flattening_max_depth": depth,
        "flattening_separator": separator,
    }
    assert ours(*stream, config) == theirs(*stream, config)


MAPS = (
    {"items": {"doubled": "id * 2"}},
    {"items": {"id": "id", "__else__": None}},
    {"items": {"__filter__": "id % 2 == 0"}},
    {"items": {"__alias__": "renamed"}},
    {"items": {"a": None}},
    {"items": {"id": "id", "label": "'n' + str(id)", "__key_properties__": ["label"]}},
    {"items": None},
    {"copy": {"__source__": "items", "id": "id", "__else__": None}},
)


@relaxed
@given(streams(), st.sampled_from(MAPS))
def test_stream_maps(stream, maps):
    config = {"stream_maps": maps}
    assert ours(*stream, config) == theirs(*stream, config)


@relaxed
@given(streams(), st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=3))
def test_catalog_selection(stream, choices):
    schema, records = stream
    metadata = [{"breadcrumb": [], "metadata": {"selected": True}}]
    for name, chosen in dict(choices).items():
        if name in schema["properties"]:
            entry = {"inclusion": "available", "selected": chosen}
            metadata.append({"breadcrumb": ["properties", name], "metadata": entry})
    catalog = {
        "streams": [
            {
                "tap_stream_id": "items",
                "stream": "items",
                "key_properties": ["id"],
                "schema": schema,
                "metadata": metadata,
            }
        ]
    }
    assert ours(schema, records, {}, catalog) == theirs(schema, records, {}, catalog)


# what the SDK's targets have and ours say otherwise or elsewhere
NOT_OURS = {"default_target_schema", "load_method"}


@pytest.mark.parametrize("style", ["text", "json", "markdown"])
def test_about_reads_as_the_sdks(style):
    declared = Settings(
        (
            Setting("api_key", description="The key.\nSecret.", required=True, secret=True),
            Setting("page_size", "integer", "Records of a page.", default=100),
            Setting("nested", "object", "More.", properties={"inner": {"type": "string"}}),
        )
    )
    schema = declared.jsonschema()
    info = AboutInfo(
        name="tap-x",
        description="Singer tap for X.",
        version="1.2.3",
        sdk_version="0.50.0",
        supported_python_versions=["3.10", "3.11"],
        capabilities=["catalog", "state"],
        settings=schema,
        env_var_prefix="TAP_X_",
    )
    import enum

    capabilities = enum.Enum("Capabilities", {"A": "catalog", "B": "state"})
    values = {
        "name": info.name,
        "description": info.description,
        "version": info.version,
        "sdk_version": info.sdk_version,
        "supported_python_versions": info.supported_python_versions,
        "capabilities": [*capabilities],
        "settings": schema,
        "env_var_prefix": info.env_var_prefix,
    }
    fields = sdk_about.AboutInfo.__dataclass_fields__
    theirs_info = sdk_about.AboutInfo(**{k: v for k, v in values.items() if k in fields})
    expected = sdk_about.AboutFormatter.get_formatter(style).format_about(theirs_info)
    got = FORMATS[style](info)
    if style == "json":
        got, expected = json.loads(got), json.loads(expected)
        expected["capabilities"] = info.capabilities
    else:
        expected = expected.replace("Capabilities.A", "catalog").replace("Capabilities.B", "state")
        got, expected = got.strip(), expected.strip()
    assert got == expected


def test_a_targets_builtin_settings_have_the_sdks_names():
    class Theirs(singer_sdk.Target):
        name = "target-theirs"
        config_jsonschema = {"type": "object", "properties": {}}

    Theirs.append_builtin_config(Theirs.config_jsonschema)
    theirs_names = {*Theirs.config_jsonschema["properties"]} - NOT_OURS
    assert theirs_names - {setting.name for setting in Target.builtin_settings} == set()
