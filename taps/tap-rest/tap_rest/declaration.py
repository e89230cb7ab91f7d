"""From a declared stream to a stream."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar

from headwater.errors import ConfigError, HeadwaterError
from headwater.http import Request, Response
from headwater.jsonpath import find
from headwater.pagination import Page, Pagination, SinglePage
from headwater.plugin.base import read_document
from headwater.schema.inference import infer
from headwater.schema.openapi import OpenAPI
from headwater.streams import GraphQLStream, RESTStream
from headwater.streams.base import Context, Record, Stream
from headwater.streams.options import OPTIONS, configure

from tap_rest.config_schema import PAGINATIONS, not_none

# what the config calls otherwise than the class
ATTRIBUTES = {
    "sorted": "is_sorted",
    "start_exclusive": "start_is_exclusive",
    "conditional": "asks_conditionally",
}
OWN = frozenset({"schema", "pagination", "parent", "partitions", *OPTIONS})
SAMPLES = 100
SAMPLE_CONTEXTS = 3


class Declared(RESTStream):
    """A stream that config declares."""

    declaration: ClassVar[Mapping[str, Any]]
    asks_conditionally: ClassVar[bool] = False
    cost: ClassVar[int] = 1

    @property
    def is_conditional(self) -> bool:
        """Whether the list is asked for with the ETag of the last run."""
        return self.asks_conditionally

    def contexts(self) -> list[Context] | None:
        """Return the declared partitions."""
        given = self.declaration.get("partitions")
        return [dict(context) for context in given] if given is not None else None

    def child_context(self, record: Record, context: Context | None) -> Context:
        """Return what the streams below need of a record."""
        found = dict(context or {})
        for child in self.children:
            if isinstance(child, Declared):
                for name, path in child.declaration["parent"]["context"].items():
                    found[name] = find(record, path)
        return found

    def request(self, context: Context | None, start: Any) -> Request:
        """Return the request for the first page."""
        return dataclasses.replace(super().request(context, start), cost=self.cost)

    @cached_property
    def declared_schema(self) -> dict[str, Any]:
        """The schema that config gives, names, or leaves to be inferred."""
        given = self.declaration.get("schema") or {"infer": SAMPLES}
        try:
            if isinstance(given.get("file"), str):
                return read_document(given["file"], "schema")
            if isinstance(given.get("openapi"), str):
                return self._from_openapi(given)
            if isinstance(given.get("infer"), int):
                return self._inferred(given["infer"])
        except HeadwaterError as fault:
            raise fault.about(self.name) from fault
        return dict(given)

    def _from_openapi(self, given: Mapping[str, Any]) -> dict[str, Any]:
        document = OpenAPI(read_document(given["openapi"], "OpenAPI"))
        wanted = str(given.get("schema") or self.declaration["path"])
        return document.records_schema(wanted, self.records)

    def _inferred(self, count: int) -> dict[str, Any]:
        """Return the schema of the first records.

        Raises:
            ConfigError: there are none to infer it from.
        """
        records = list(islice(self._samples(), count))
        if not records:
            raise ConfigError(
                "its schema cannot be inferred: the API has no records.",
                advice="Give the stream a 'schema', or a catalog that has one.",
            )
        schema = infer(records)
        keys = {*self.primary_keys, *([self.replication_key] if self.replication_key else [])}
        for key in keys - schema["properties"].keys():
            raise ConfigError(f"its key '{key}' is in none of the first {len(records)} records.")
        return schema

    def _samples(self) -> Iterator[Record]:
        """Yield the records at the beginning, those of some contexts where there are any."""
        for context in islice(self._sample_contexts(), SAMPLE_CONTEXTS):
            paginator = self.pagination.paginator()
            request: Request | None = paginator.first(
                self.request(context, self.config.get("start_date"))
            )
            while request is not None:
                answer = self.tap.client.send(request)
                if not isinstance(answer, Response):
                    break
                records = self.parse(answer, context)
                for record in records:
                    yield {**(context or {}), **record}
                _, request = paginator.take(request, Page(answer, records))

    def _sample_contexts(self) -> Iterator[Context | None]:
        parent = self.parent_stream
        if parent is None:
            given = self.contexts()
            yield from [None] if given is None else given
            return
        for record in parent._samples():
            yield parent.child_context(record, None)

    @property
    def parent_stream(self) -> Declared | None:
        """The stream whose records are this one's contexts."""
        name = (self.declaration.get("parent") or {}).get("stream")
        streams: Mapping[str, Stream] = getattr(self.tap, "declared_streams", {})
        found = streams.get(name) if name else None
        return found if isinstance(found, Declared) else None


class DeclaredGraphQL(Declared, GraphQLStream):
    """A stream of a GraphQL API that config declares."""

    variables: ClassVar[Mapping[str, Any]] = {}


def declare(
    declaration: Mapping[str, Any], defaults: Mapping[str, Any], headers: Mapping[str, str]
) -> type[Declared]:
    """Return the stream type that a declaration describes.

    Args:
        declaration: The stream's.
        defaults: What streams have that do not say otherwise.
        headers: Headers of every stream; the stream's own come on top.
    """
    merged = {**defaults, **declaration}
    for name in ("params", "headers", "variables"):
        merged[name] = {**defaults.get(name, {}), **declaration.get(name, {})}
    merged["headers"] = {**headers, **merged["headers"]}
    base: type[Declared] = DeclaredGraphQL if "query" in merged else Declared
    attributes: dict[str, Any] = {
        ATTRIBUTES.get(name, name): value for name, value in merged.items() if name not in OWN
    }
    attributes["declaration"] = merged
    attributes["primary_keys"] = tuple(merged.get("primary_keys") or ())
    attributes["tolerated"] = frozenset(merged.get("tolerated") or ())
    attributes["pagination"] = pagination(merged.get("pagination") or {"type": "none"})
    return type(str(declaration["name"]), (base,), attributes)


def set_options(stream: Declared) -> None:
    """Set what a declaration says among the options that every stream has."""
    configure(stream, stream.declaration)


def pagination(declaration: Mapping[str, Any]) -> Pagination:
    """Return the pagination that a declaration describes.

    Raises:
        ConfigError: its options contradict each other.
    """
    kind = PAGINATIONS[declaration["type"]]
    if kind is SinglePage:
        return SinglePage()
    hints = typing.get_type_hints(kind)
    options = {n: _value(not_none(hints[n]), v) for n, v in declaration.items() if n != "type"}
    try:
        return kind(**options)
    except ValueError as fault:
        raise ConfigError(f"setting 'pagination' {json.dumps(dict(declaration))}: {fault}.") from (
            fault
        )


def _value(hint: Any, value: Any) -> Any:
    if hint is Pagination:
        return pagination(value)
    if hint is timedelta:
        return timedelta(seconds=value)
    return tuple(value) if isinstance(value, list) else value
