"""Streams of GraphQL APIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from headwater.errors import PermanentError
from headwater.http import Request, Response
from headwater.streams.base import Context, Record
from headwater.streams.rest import START, RESTStream, filled


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
        values = {**(context or {}), START: None if start is None else self.start_value(start)}
        variables = filled(self.variables, values)
        return replace(request, json={"query": self.query, "variables": variables})

    def smaller(self, request: Request) -> Request | None:
        """Return the same query for half as many nodes: a slow query times out as a whole."""
        size = request.json["variables"].get("first", 1)
        if size <= 1:
            return None
        variables = {**request.json["variables"], "first": size // 2}
        return replace(request, json={**request.json, "variables": variables})

    def parse(self, response: Response, context: Context | None) -> list[Record]:
        """Return the nodes of an answer; a deleted node is null and left out.

        Raises:
            PermanentError: the answer has errors; what comes beside them is not complete.
        """
        body = response.value()
        errors = body.get("errors") if isinstance(body, dict) else None
        if errors:
            texts = [str(e.get("message") if isinstance(e, dict) else e) for e in errors]
            raise PermanentError(f"{response.request}: {'; '.join(texts)}", stream=self.name)
        return super().parse(response, context)

    def records_in(self, body: Any) -> list[Any]:
        """Return what is at `records` in a body."""
        return [node for node in super().records_in(body) if node is not None]
