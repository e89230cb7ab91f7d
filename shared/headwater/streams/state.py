"""Bookmarks, in the shape in which the SDK keeps them.

`{"bookmarks": {"issues": {"partitions": [{"context": {...}, "replication_key": "updated_at",
"replication_key_value": "..."}]}}}`. The state that is written only ever holds what a next
run may rely on: progress that cannot be resumed stays in memory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

from headwater.clock import parse_rfc3339, rfc3339

RESUME = "resume"  # in a bookmark: where a list that was not read to its end can be taken up
# what the SDK keeps in a state while a run goes on, and a run of ours must not inherit
TRANSIENT_KEYS = ("progress_markers", "replication_key_signpost", "starting_replication_value")


class State:
    """The state of a whole tap.

    Args:
        value: The state of the last run; it is not changed.
    """

    def __init__(self, value: Mapping[str, Any] | None = None):
        self.value: dict[str, Any] = copy.deepcopy(dict(value or {}))
        self._index: dict[tuple[str, str], dict[str, Any]] = {}
        for bookmark in self.value.setdefault("bookmarks", {}).values():
            for place in (bookmark, *bookmark.get("partitions", ())):
                for key in TRANSIENT_KEYS:
                    place.pop(key, None)

    def bookmark(self, stream: str, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the bookmark of a stream or of one partition of it, made if it is not there."""
        key = (stream, _identity(context))
        if key not in self._index:
            self._index[key] = self._find(stream, context)
        return self._index[key]

    def peek(self, stream: str, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the bookmark of a stream or of one partition of it; empty if it is not there."""
        root: dict[str, Any] = self.value["bookmarks"].get(stream, {})
        if not context:
            return root
        wanted = _identity(context)
        for partition in root.get("partitions", ()):
            if _identity(partition.get("context")) == wanted:
                return dict(partition)
        return {}

    def _find(self, stream: str, context: Mapping[str, Any] | None) -> dict[str, Any]:
        root: dict[str, Any] = self.value["bookmarks"].setdefault(stream, {})
        if not context:
            return root
        partitions: list[dict[str, Any]] = root.setdefault("partitions", [])
        wanted = _identity(context)
        for partition in partitions:
            if _identity(partition.get("context")) == wanted:
                return partition
        partitions.append({"context": dict(context)})
        return partitions[-1]


def _identity(context: Mapping[str, Any] | None) -> str:
    return repr(sorted((context or {}).items()))


class Watermark:
    """The largest replication value of one fetch.

    Args:
        key: The replication key.
        start: The value the fetch begins at.
        signpost: The moment the fetch began: no bookmark goes beyond it, so a record from
            the future cannot poison the bookmark. Compared with values of its own type only.
        is_sorted: Records come in the order of the key, so what has come is safe.
    """

    def __init__(self, key: str, start: Any, *, signpost: Any, is_sorted: bool):
        self.key = key
        self.is_sorted = is_sorted
        self.highest = start
        self._signpost = signpost
        self._last: list[Any] = []

    def see(self, records: list[dict[str, Any]]) -> bool:
        """Learn from a page; return False where a sorted stream turned out not to be."""
        values = [value for record in records if (value := record.get(self.key)) is not None]
        if not values:
            return True
        if _compare_as_text([*self._last, *values]):
            return self._see(values, str)
        return self._see(values, order)

    def _see(self, values: list[Any], by: Callable[[Any], Any]) -> bool:
        was_sorted = True
        if self.is_sorted and not _ascends([*self._last, *values], by):
            self.is_sorted = was_sorted = False
        self._last = values[-1:]
        top = max(values, key=by)
        if self.highest is None or order(top) > order(self.highest):
            self.highest = top
        return was_sorted

    @property
    def bookmark(self) -> Any:
        """The value that a next run may begin at."""
        if type(self._signpost) is not type(self.highest):
            return self.highest
        return self.highest if order(self.highest) <= order(self._signpost) else self._signpost


def _ascends(values: list[Any], by: Callable[[Any], Any]) -> bool:
    # the start is not compared: the first page may look back behind the bookmark
    ordered = [by(value) for value in values]
    return all(left <= right for left, right in pairwise(ordered))


def _compare_as_text(values: list[Any]) -> bool:
    """Whether all values are moments of one form in UTC, whose texts sort as the moments do."""
    first = values[0]
    if not isinstance(first, str) or not first.endswith("Z"):
        return False
    length = len(first)
    return all(isinstance(v, str) and len(v) == length and v[-1] == "Z" for v in values)


def order(value: Any) -> Any:
    """Return what values of a replication key are compared by: the moment, where it is one."""
    if isinstance(value, str):
        try:
            return parse_rfc3339(value)
        except ValueError:
            return value
    return value


def look_back(value: Any, window: timedelta | None) -> Any:
    """Return the value a window earlier, for moments in RFC 3339 and in epoch seconds."""
    if value is None or not window:
        return value
    if isinstance(value, str):
        return rfc3339(parse_rfc3339(value) - window)
    return value - window.total_seconds()
