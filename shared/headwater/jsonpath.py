"""JSONPath for declarations: plain paths compiled here, everything else by `jsonpath-ng`.

`data.items`, `$.data.items[*]` and `data.items[]` are plain; filters, wildcards in the
middle and recursive descent are the library's, imported only where a path needs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

# a name may begin with @, as attributes of XML do here
_NAME = r"@?[^.\[\]*'\"@?()]+"
_PLAIN = re.compile(rf"\$?\.?({_NAME}(?:\.{_NAME})*)?(\[\*?\])?")


def find(value: Any, path: str) -> Any:
    """Return the value at a path (a list where the path fans out); None where it is absent.

    Raises:
        ValueError: the path is not JSONPath.
    """
    return _compiled(path)(value)


def find_list(value: Any, path: str) -> list[Any]:
    """Return the records at a path: the items of a list, or the one object that is there."""
    found = find(value, path)
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def exists(value: Any, path: str) -> bool:
    """Whether there is anything, even null, at a plain path; others always count as there."""
    plain = _PLAIN.fullmatch(path)
    names = plain.group(1).split(".") if plain and plain.group(1) else []
    for name in names:
        if value is None:
            return True
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


@lru_cache(maxsize=1024)
def _compiled(path: str) -> Callable[[Any], Any]:
    plain = _PLAIN.fullmatch(path)
    if not plain:
        return _by_library(path)
    names = plain.group(1).split(".") if plain.group(1) else []

    def walk(value: Any) -> Any:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return walk


def _by_library(path: str) -> Callable[[Any], Any]:
    from jsonpath_ng.exceptions import JSONPathError
    from jsonpath_ng.ext.parser import parse

    try:
        expression = parse(path)
    except (JSONPathError, ValueError, AttributeError) as fault:
        raise ValueError(f"'{path}' is not a JSONPath: {fault}") from fault
    fans_out = any(mark in path for mark in ("*", "?", "..", ":", ","))

    def walk(value: Any) -> Any:
        found = [match.value for match in expression.find(value)]
        if fans_out:
            return found
        return found[0] if found else None

    return walk
