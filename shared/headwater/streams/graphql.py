"""Streams of GraphQL APIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from headwater.http import Request, Response
from headwater.streams.base import Context, Record
from headwater.streams.rest import RESTStream


class GraphQLStream(RESTStream):
    """A stream whose pages are answers to one query, a connection's page each.

    Class attributes:
        query: The query's text.
        variables: Its variables; `{names}` in their values come from the context.
    """

    method: ClassVar[str] = "POST"
    query: ClassVar[str]
    variables: ClassVar[Mapping[str, Any]] = {}
    scope: ClassVar[str] = "graphql"

    def request(self, context: Context | None, start: Any) -> Request:
        """Return the request for the first page."""
        request = super().request(context, start)
        values = context or {}
        variables = {
            name: value.format(**values) if isinstance(value, str) else value
            for name, value in self.variables.items()
        }
        return replace(request, json={"query": self.query, "variables": variables})

    def smaller(self, request: Request) -> Request | None:
        """Return the same query for half as many nodes: a slow query times out as a whole."""
        size = request.json["variables"].get("first", 1)
        if size <= 1:
            return None
        variables = {**request.json["variables"], "first": size // 2}
        return replace(request, json={**request.json, "variables": variables})

    def parse(self, response: Response, context: Context | None) -> list[Record]:
        """Return the nodes of an answer; a deleted node is null and left out."""
        nodes: list[Any] = super().parse(response, context)
        return [node for node in nodes if node is not None]
