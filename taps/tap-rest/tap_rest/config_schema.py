"""The JSON Schema of a config: derived from the values of the library that it stands for.

A kind of pagination has the options that its class has: what can be declared in code can be
declared in config, and the other way round.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from headwater.clock import Clock
from headwater.pagination import (
    CursorInBody,
    GraphQLConnection,
    LinkHeader,
    NextURL,
    Offset,
    PageNumber,
    Pagination,
    SinglePage,
    SortedSince,
    TimeWindows,
)
from headwater.rate_limit import Window
from headwater.retry import RetryPolicy
from headwater.streams.options import OPTIONS

from tap_rest.widen import WIDEN_STREAM_PROPERTIES

TEXT = {"type": "string"}
SECRET = {"type": "string", "secret": True, "writeOnly": True}
SECONDS = {"type": "number", "minimum": 0}
TEXTS = {"type": "array", "items": TEXT}
OBJECT = {"type": "object"}

PAGINATIONS: dict[str, type[Pagination]] = {
    "none": SinglePage,
    "page": PageNumber,
    "offset": Offset,
    "cursor": CursorInBody,
    "link": LinkHeader,
    "next_url": NextURL,
    "graphql": GraphQLConnection,
    "since": SortedSince,
    "windows": TimeWindows,
}
SIMPLE: dict[Any, dict[str, Any]] = {
    str: TEXT,
    int: {"type": "integer", "minimum": 0},
    float: SECONDS,
    bool: {"type": "boolean"},
    timedelta: SECONDS,
    tuple[str, int]: {
        "type": "array",
        "prefixItems": [TEXT, {"type": "integer", "minimum": 1}],
        "minItems": 2,
        "maxItems": 2,
    },
}


def choice(by: str, options: Mapping[str, tuple[Mapping[str, Any], list[str]]]) -> dict[str, Any]:
    """Return the schema of an object whose property `by` says which others it has.

    Args:
        by: The property.
        options: For each of its values: the schemas of the others, and which are required.
    """
    known: dict[str, Any] = {}
    for properties, _ in options.values():
        known |= {name: _what_it_says(schema) for name, schema in properties.items()}
    rules = [
        {
            "if": {"properties": {by: {"const": name}}, "required": [by]},
            "then": {
                "properties": {by: True, **properties},
                "required": [by, *required],
                "additionalProperties": False,
            },
        }
        for name, (properties, required) in options.items()
    ]
    return {
        "type": "object",
        "required": [by],
        "properties": {by: {"enum": list(options)}, **known},
        "allOf": rules,
    }


def _what_it_says(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schema says for people and of secrets; what it asks for is in the rules."""
    found = {n: schema[n] for n in ("description", "secret", "writeOnly") if n in schema}
    for name in ("properties", "additionalProperties"):
        if name in schema and "secret" in repr(schema[name]):
            found[name] = schema[name]
    return found


def of_value(value: type, *, without: tuple[str, ...] = ()) -> tuple[dict[str, Any], list[str]]:
    """Return the schemas of a value's fields, described as its docstring does, and the required."""
    hints = typing.get_type_hints(value)
    described = _arguments(value.__doc__ or "")
    properties, required = {}, []
    for field in dataclasses.fields(value) if dataclasses.is_dataclass(value) else ():
        kind = not_none(hints[field.name])
        may_be_null = kind is not hints[field.name]
        if kind is Clock or field.name in without or not field.init:
            continue
        if kind is Pagination:
            schema: dict[str, Any] = pagination_schema(nested=True)
        else:
            schema = dict(SIMPLE[kind])
            if may_be_null:
                schema["type"] = [schema["type"], "null"]
        properties[field.name] = {**schema, "description": described.get(field.name, "")}
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
    return properties, required


def not_none(hint: Any) -> Any:
    """Return a type without its `None`."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (hint,) = (option for option in typing.get_args(hint) if option is not types.NoneType)
    return hint


def _arguments(text: str) -> dict[str, str]:
    """Return what a docstring of Google's style says of each argument."""
    # Python 3.13 takes the indentation away, those before it do not
    _, _, part = inspect.cleandoc(text).partition("Args:")
    found: dict[str, str] = {}
    name = ""
    for line in part.splitlines():
        if match := re.match(r"^ {4}(\w+): (.*)", line):
            name = match[1]
            found[name] = match[2].strip()
        elif name and line.startswith(" " * 8):
            found[name] += " " + line.strip()
    return found


def pagination_schema(*, nested: bool = False) -> dict[str, Any]:
    """Return the schema of a stream's pagination; windows do not nest."""
    kinds = {n: kind for n, kind in PAGINATIONS.items() if not (nested and n == "windows")}
    return choice("type", {name: of_value(kind) for name, kind in kinds.items()})


REQUEST = {
    "type": "object",
    "required": ["path"],
    "additionalProperties": False,
    "properties": {
        "path": TEXT,
        "method": {"enum": ["GET", "POST", "PUT"]},
        "params": {**OBJECT, "secret": True},
        "headers": {**OBJECT, "secret": True},
        "body": {"secret": True, "description": "A JSON body."},
        "form": {**OBJECT, "secret": True, "description": "A body as a form."},
    },
}
TOKEN = {
    "refresh_margin": {
        **SECONDS,
        "description": "Seconds before its end that a token is renewed, by default 300.",
    },
    "header": {**TEXT, "description": "The header that carries the token."},
    "form": {**TEXT, "description": "The header's value, `{token}` in it."},
    "lifetime": {**SECONDS, "description": "How long a token lives, where the API does not say."},
}
OAUTH = {
    **TOKEN,
    "token_url": {**TEXT, "description": "The authorization server's token endpoint."},
    "client_id": TEXT,
    "client_secret": SECRET,
    "scope": {**TEXT, "description": "The permissions to ask for, a space between them."},
    "in_header": {
        "type": "boolean",
        "description": "Id and secret go as HTTP basic instead of in the form.",
    },
    "extra": {
        "type": "object",
        "additionalProperties": TEXT,
        "description": "More fields of the form: `audience`, say.",
    },
}
AUTH = choice(
    "type",
    {
        "api_key": (
            {
                "key": SECRET,
                "header": {**TEXT, "description": "The header that carries the key."},
                "param": {**TEXT, "description": "The query parameter that carries the key."},
            },
            ["key"],
        ),
        "headers": (
            {"headers": {"type": "object", "additionalProperties": SECRET}},
            ["headers"],
        ),
        "basic": ({"username": TEXT, "password": SECRET}, ["username", "password"]),
        "bearer": ({"token": SECRET}, ["token"]),
        "session": (
            {
                **TOKEN,
                "request": {**REQUEST, "description": "The request that logs in."},
                "token_path": {
                    **TEXT,
                    "description": "Where in the answer the token is: JSONPath, or `header:NAME`.",
                },
                "expires_in": {
                    **TEXT,
                    "description": "Where in the answer the seconds are that it lives.",
                },
            },
            ["request", "token_path"],
        ),
        "oauth_client_credentials": (OAUTH, ["token_url", "client_id", "client_secret"]),
        "oauth_password": (
            {**OAUTH, "username": TEXT, "password": SECRET},
            ["token_url", "username", "password"],
        ),
        "oauth_refresh_token": (
            {**OAUTH, "refresh_token": SECRET},
            ["token_url", "client_id", "refresh_token"],
        ),
        "oauth_jwt": (
            {
                **OAUTH,
                "private_key": {**SECRET, "description": "The key that signs, in PEM."},
                "issuer": {**TEXT, "description": "The claim `iss`."},
                "subject": {**TEXT, "description": "The claim `sub`; by default the issuer."},
                "audience": {**TEXT, "description": "The claim `aud`; by default the endpoint."},
                "algorithm": {**TEXT, "description": "How it is signed, by default RS256."},
            },
            ["token_url", "private_key", "issuer"],
        ),
    },
)
BUDGET_HEADERS = {
    "remaining": {**TEXT, "description": "The header that says how many requests are left."},
    "reset": {
        **TEXT,
        "description": "The header that says when the budget is full again, in epoch seconds.",
    },
    "limit": {**TEXT, "description": "The header that says how large the budget is."},
    "resource": {**TEXT, "description": "The header that names the resource that was counted."},
    "reserve": {"type": "integer", "minimum": 0, "description": "Requests to leave unused."},
    "is_relative": {"type": "boolean", "description": "`reset` counts seconds from now."},
}
BUDGET = {
    "windows": {
        "type": "array",
        "description": "Declared budgets that hold at once: `requests` in `seconds`.",
        "items": {
            "type": "object",
            "properties": of_value(Window)[0],
            "required": of_value(Window)[1],
            "additionalProperties": False,
        },
    },
    "headers": {
        "type": "object",
        "description": "The headers by which the API tells its budget.",
        "properties": BUDGET_HEADERS,
        "required": ["remaining", "reset"],
        "additionalProperties": False,
    },
}
RETRY = of_value(RetryPolicy)[0]
ERROR = {
    "type": "object",
    "required": ["status", "then"],
    "additionalProperties": False,
    "properties": {
        "status": {
            "type": ["integer", "array"],
            "items": {"type": "integer"},
            "description": "The status, or the statuses, that this row speaks of.",
        },
        "contains": {**TEXT, "description": "Only where the body contains this text."},
        "header": {
            "type": "object",
            "additionalProperties": TEXT,
            "description": "Only where these headers have these values.",
        },
        "path": {**TEXT, "description": "Only where this place of the body ..."},
        "equals": {"description": "... has this value (by default: where there is something)."},
        "then": {
            "enum": ["retry", "refresh", "skip", "fail"],
            "description": "Try again; renew the credentials; take it for nothing; end the run.",
        },
        "after": {**SECONDS, "description": "Seconds to wait before trying again."},
        "after_header": {
            **TEXT,
            "description": "The header that says how long: seconds, or a moment in epoch seconds.",
        },
        "pause_all": {"type": "boolean", "description": "All requests wait, not only this one."},
        "counts": {"type": "boolean", "description": "Whether it uses up one of the tries."},
        "doubles": {"type": "boolean", "description": "Whether `after` doubles with every try."},
        "advice": {**TEXT, "description": "What the user is told to do where the run ends."},
    },
}
SCHEMA = {
    "type": ["object", "string"],
    "description": "The records' JSON Schema; or `{file}`: a JSON file that holds it; or "
    "`{openapi, schema}`: a document, and a schema's name in it or the path of the stream there; "
    "or `{infer}`: the number of records to infer it from.",
    "properties": {
        "infer": {"type": "integer", "minimum": 1},
        "file": TEXT,
        "openapi": TEXT,
        "schema": TEXT,
    },
}
STREAM_PROPERTIES: dict[str, Any] = {
    "name": TEXT,
    "description": TEXT,
    "path": {**TEXT, "description": "The path below `api_url`, `{names}` from the context in it."},
    "method": {"enum": ["GET", "POST", "PUT"]},
    "params": {**OBJECT, "description": "Query parameters, filled in as `path` is."},
    "headers": {"type": "object", "additionalProperties": TEXT},
    "body": {"description": "A JSON body, filled in as `path` is."},
    "query": {**TEXT, "description": "A GraphQL query: the stream is one of a GraphQL API."},
    "variables": {**OBJECT, "description": "The query's variables, filled in as `path` is."},
    "records": {**TEXT, "description": "Where in the answer the records are, as JSONPath."},
    "may_lack_records": {
        "type": "boolean",
        "description": "The API leaves out `records` where there are none.",
    },
    "response_format": {"enum": ["json", "ndjson", "csv", "xml"]},
    "schema": SCHEMA,
    "primary_keys": TEXTS,
    "replication_key": TEXT,
    "sorted": {
        "type": "boolean",
        "description": "Records come in ascending order of the replication key.",
    },
    "newest_first": {
        "type": "boolean",
        "description": "Records come in descending order of it: the fetch ends at the bookmark.",
    },
    "start_param": {**TEXT, "description": "The parameter that takes the value to begin at."},
    "start_format": {
        **TEXT,
        "description": "How it is written: `rfc3339`, `date`, `epoch`, `epoch_ms`, or a format of "
        "strftime.",
    },
    "start_exclusive": {
        "type": "boolean",
        "description": "The API gives only what is after the start.",
    },
    "end_param": {**TEXT, "description": "The parameter that takes setting `end_date`."},
    "pagination": pagination_schema(),
    "page_concurrency": {
        "type": "integer",
        "minimum": 1,
        "description": "Pages asked for at once, where their number is known from the first.",
    },
    "conditional": {
        "type": "boolean",
        "description": "Ask with the ETag of the last run; emit nothing where nothing changed.",
    },
    "tolerated": {
        "type": "array",
        "items": {"type": "integer"},
        "description": "Statuses that mean that there is nothing, and end nothing.",
    },
    "scope": {**TEXT, "description": "Which of the API's budgets the requests count against."},
    "cost": {"type": "integer", "minimum": 1, "description": "What a request uses of a budget."},
    "parent": {
        "type": "object",
        "required": ["stream", "context"],
        "additionalProperties": False,
        "properties": {
            "stream": TEXT,
            "context": {
                "type": "object",
                "additionalProperties": TEXT,
                "description": "A name for each of the parent's fields that the stream needs.",
            },
        },
    },
    "partitions": {
        "type": "array",
        "items": OBJECT,
        "description": "Contexts that are known beforehand; each has a bookmark of its own.",
    },
    **OPTIONS,
}
DEFAULTS = {
    name: schema
    for name, schema in STREAM_PROPERTIES.items()
    if name not in ("name", "description", "parent", "partitions")
}
STREAM = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {**STREAM_PROPERTIES, **WIDEN_STREAM_PROPERTIES},
}
