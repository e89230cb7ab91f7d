"""A config from an OpenAPI document: what it says, and what can be guessed, each guess marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from headwater.schema.openapi import OpenAPI

# the names that APIs give to things, most usual first
RECORDS = ("data", "items", "results", "records", "values", "value", "entries", "list", "content")
TOTALS = ("total", "total_count", "totalCount", "count", "total_results", "totalItems")
SIZES = ("per_page", "page_size", "pageSize", "limit", "size", "count", "maxResults")
PAGES = ("page", "page_number", "pageNumber", "p")
OFFSETS = ("offset", "skip", "start")
CURSORS = ("cursor", "after", "starting_after", "page_token", "pageToken", "next_token")
NEXT_CURSORS = ("next_cursor", "nextCursor", "next_page_token", "nextPageToken", "next_token")
NEXT_URLS = ("next", "next_url", "nextUrl", "next_page_url", "nextLink", "@odata.nextLink")
KEYS = ("id", "uuid", "guid", "key", "code", "slug", "name")
UPDATED = ("updated_at", "updatedAt", "modified_at", "modifiedAt", "last_modified", "updated")
SINCE = ("since", "updated_since", "updated_after", "modified_since", "updatedAfter")
LARGEST_GUESS = 100
MARK = "guess"


@dataclass
class Guess:
    """A stream of the config, and why each of its guesses was made.

    Args:
        stream: The declaration.
        notes: Reasons by option.
    """

    stream: dict[str, Any]
    notes: dict[str, str] = field(default_factory=dict)

    def guess(self, option: str, value: Any, why: str) -> None:
        """Take an option into the declaration."""
        self.stream[option] = value
        self.notes[option] = why


def guessed_config(document: Mapping[str, Any], name: str) -> str:
    """Return a config as YAML, a comment beside each guess.

    Args:
        document: The OpenAPI document.
        name: What the document is called, for the first line.
    """
    api = OpenAPI(document)
    lines = [
        f"# From {name}. What is marked '{MARK}' is one: check it against the documentation.",
        *_dump("api_url", _server(document)),
    ]
    auth = _auth(api)
    if auth:
        lines += [f"# {MARK}: from the document's security schemes", *_dump("auth", auth)]
    lines.append("streams:")
    names: set[str] = set()
    for guess in _streams(api):
        stream = guess.stream
        stream["name"] = _unique(stream["name"], names)
        for number, (option, value) in enumerate(stream.items()):
            if why := guess.notes.get(option):
                lines.append(f"{'  - ' if number == 0 else '    '}# {MARK}: {why}")
            start = "  - " if number == 0 else "    "
            text = _dump(option, value)
            lines += [start + text[0], *("    " + line for line in text[1:])]
    if not names:
        lines[-1] = "streams: []  # no path of the document answers with a list"
    return "\n".join(lines) + "\n"


def _dump(option: str, value: Any) -> list[str]:
    """Return the lines of an option; lists of names stand on one line."""
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=None, sort_keys=False, allow_unicode=True
    )
    lines = text.removesuffix("...\n").rstrip("\n").splitlines()
    if len(lines) == 1 and not isinstance(value, list):
        return [f"{option}: {lines[0]}"]
    return [f"{option}:", *("  " + line for line in lines)]


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: a schema that stands twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _server(document: Mapping[str, Any]) -> str:
    servers = document.get("servers")
    if servers:
        return str(servers[0].get("url", "")).rstrip("/")
    host = document.get("host", "api.example.com")
    scheme = (document.get("schemes") or ["https"])[0]
    return f"{scheme}://{host}{document.get('basePath', '')}".rstrip("/")


def _auth(api: OpenAPI) -> dict[str, Any] | None:
    document = api.document
    schemes = document.get("components", {}).get("securitySchemes") or document.get(
        "securityDefinitions", {}
    )
    found = [
        ranked for name, given in schemes.items() if (ranked := _one_auth(name, api.resolve(given)))
    ]
    return min(found, key=lambda ranked: ranked[0])[1] if found else None


def _one_auth(name: str, scheme: Mapping[str, Any]) -> tuple[int, dict[str, Any]] | None:
    """Return how a security scheme is declared, and its rank: a key in a URL comes last."""
    secret = f"env:{re.sub('[^A-Za-z0-9]', '_', name).upper()}"
    kind = (scheme.get("type"), str(scheme.get("scheme", "")).lower())
    if kind == ("http", "bearer"):
        return 0, {"type": "bearer", "token": secret}
    if kind[0] == "oauth2":
        credentials = (scheme.get("flows") or {}).get("clientCredentials") or {}
        if not credentials.get("tokenUrl"):
            return 2, {"type": "bearer", "token": secret}
        return 1, {
            "type": "oauth_client_credentials",
            "token_url": credentials["tokenUrl"],
            "client_id": "env:CLIENT_ID",
            "client_secret": "env:CLIENT_SECRET",
        }
    if kind[0] == "apiKey" and scheme.get("in") == "header":
        return 3, {"type": "api_key", "key": secret, "header": scheme["name"]}
    if kind in (("http", "basic"), ("basic", "")):
        return 4, {"type": "basic", "username": "env:USERNAME", "password": "env:PASSWORD"}
    if kind[0] == "apiKey" and scheme.get("in") == "query":
        return 5, {"type": "api_key", "key": secret, "param": scheme["name"]}
    return None


def _streams(api: OpenAPI) -> Iterator[Guess]:
    for path, operation, answer in api.lists():
        records = _records(api, answer)
        if records is None:
            continue
        item = api.items_of(answer, records)
        properties = api.properties(item)
        if not properties:
            continue
        guess = Guess({"name": _name(path, operation), "path": path})
        if records:
            guess.guess("records", records, "the one list in the answer")
        names = re.findall(r"\{(\w+)\}", path)
        if names:
            values = [{name: f"VALUE_OF_{name.upper()}" for name in names}]
            guess.guess("partitions", values, "a 'parent' stream may give these values instead")
        key = next((name for name in KEYS if name in properties), None)
        if key:
            guess.guess("primary_keys", [*names, key] if _is_local(key) else [key], "by its name")
        _guess_pagination(api, guess, operation, answer)
        _guess_incremental(guess, operation, properties, api)
        guess.stream["schema"] = _without_descriptions(api.schema(item))
        for name in names:
            guess.stream["schema"].setdefault("properties", {}).setdefault(name, {
                "type": ["string", "null"]
            })  # fmt: skip
        yield guess


def _without_descriptions(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_descriptions(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {n: _without_descriptions(part) for n, part in value.items()}
        if name == "properties"
        else _without_descriptions(value)
        for name, value in schema.items()
        if name != "description"
    }


def _is_local(key: str) -> bool:
    """Whether a key of this name is unique below its parent only."""
    return key not in ("id", "uuid", "guid")


def _records(api: OpenAPI, answer: Mapping[str, Any]) -> str | None:
    """Return where in an answer the records are; None: it has no list of objects."""
    if answer.get("type") == "array":
        return ""
    lists = [
        name
        for name, part in api.properties(answer).items()
        if (found := api.resolve(part)) and isinstance(found, Mapping)
        and found.get("type") == "array" and api.properties(found.get("items", {}))
    ]  # fmt: skip
    known = [name for name in RECORDS if name in lists]
    if known:
        return known[0]
    return lists[0] if len(lists) == 1 else None


def _parameters(api: OpenAPI, operation: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = {}
    for given in operation.get("parameters", ()):
        parameter = api.resolve(given)
        if isinstance(parameter, Mapping) and parameter.get("in") == "query":
            found[str(parameter["name"])] = parameter
    return found


def _guess_pagination(
    api: OpenAPI, guess: Guess, operation: Mapping[str, Any], answer: Mapping[str, Any]
) -> None:
    parameters = _parameters(api, operation)
    properties = _deep_names(api, answer)
    size = next((name for name in SIZES if name in parameters), None)
    sizes: dict[str, Any] = {"size": [size, _largest(parameters[size])]} if size else {}
    how: dict[str, Any]
    total = next((path for path in properties if path.rpartition(".")[2] in TOTALS), None)
    totals = {"total": total} if total else {}

    def first(names: tuple[str, ...]) -> str | None:
        return next((name for name in names if name in parameters), None)

    def place(names: tuple[str, ...]) -> str | None:
        return next((path for path in properties if path.rpartition(".")[2] in names), None)

    if _has_link_header(api, operation):
        guess.guess("pagination", {"type": "link", **sizes}, "the answer has a Link header")
    elif (param := first(CURSORS)) and (cursor := place((*NEXT_CURSORS, "after", "cursor"))):
        how = {"type": "cursor", "param": param, "cursor": cursor, **sizes, **totals}
        guess.guess("pagination", how, "a cursor goes in and comes out")
    elif param == "starting_after" and (more := place(("has_more",))):
        how = {"type": "cursor", "param": param, "from_last": "id", "more": more, **sizes}
        guess.guess("pagination", how, "the last record's id is the cursor")
    elif url := place(NEXT_URLS):
        how = {"type": "next_url", "url": url, **sizes, **totals}
        guess.guess("pagination", how, "the answer names the next page")
    elif (param := first(OFFSETS)) and size:
        how = {"type": "offset", "param": param, **sizes, **totals}
        guess.guess("pagination", how, "an offset and a limit go in")
    elif param := first(PAGES):
        how = {"type": "page", "param": param, **(sizes or {"size": None}), **totals}
        guess.guess("pagination", how, "a page's number goes in")
    else:
        why = "nothing in the document tells of pages"
        if size:
            why = f"'{size}' sets the size of a page; how to get the next one it does not say"
        guess.guess("pagination", {"type": "none"}, why)


def _deep_names(api: OpenAPI, answer: Mapping[str, Any], depth: int = 3) -> list[str]:
    """Return the paths of an answer's properties that are not lists, shallow ones first."""
    found: list[str] = []
    level = [("", answer)]
    for _ in range(depth):
        following = []
        for path, part in level:
            for name, given in api.properties(part).items():
                inner = api.resolve(given)
                if not isinstance(inner, Mapping) or inner.get("type") == "array":
                    continue
                here = f"{path}.{name}" if path else name
                if api.properties(inner):
                    following.append((here, inner))
                else:
                    found.append(here)
        level = following
    return found


def _has_link_header(api: OpenAPI, operation: Mapping[str, Any]) -> bool:
    answer = api.resolve(operation.get("responses", {}).get("200") or {})
    headers = answer.get("headers") if isinstance(answer, Mapping) else None
    return any(name.lower() == "link" for name in headers or ())


def _largest(parameter: Mapping[str, Any]) -> int:
    schema = parameter.get("schema") or parameter
    most = schema.get("maximum")
    if isinstance(most, int) and most > 0:
        return most
    return max(LARGEST_GUESS if most is None else 1, int(schema.get("default") or 0))


def _guess_incremental(
    guess: Guess, operation: Mapping[str, Any], properties: Mapping[str, Any], api: OpenAPI
) -> None:
    since = next((name for name in SINCE if name in _parameters(api, operation)), None)
    key = next((name for name in UPDATED if name in properties), None)
    if since and key:
        guess.guess("replication_key", key, f"parameter '{since}' filters by a moment")
        guess.guess("start_param", since, "by its name")


def _name(path: str, operation: Mapping[str, Any]) -> str:
    parts = [part for part in path.split("/") if part and not part.startswith("{")]
    words = parts[-2:] if "{" in path else parts[-1:]
    name = re.sub(r"\W+", "_", "_".join(words)).strip("_").lower()
    return name or str(operation.get("operationId", "stream"))


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found
