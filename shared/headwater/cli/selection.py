"""Which streams of a tap a command asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from headwater.cli.plugins import PluginCommand, Workspace, output_of
from headwater.errors import ConfigError
from headwater.plugin.base import read_document


def discovered(command: list[str], tap: PluginCommand) -> dict[str, Any]:
    """Return the tap's catalog: the given one, else what it discovers.

    Raises:
        ConfigError: there is none to be had.
    """
    if tap.catalog:
        return read_document(tap.catalog, "catalog")
    text = output_of([*command, "--discover"], tap.label)
    try:
        return dict(json.loads(text))
    except ValueError as fault:
        raise ConfigError(f"{tap.label} --discover printed no catalog: {fault}.") from fault


def select(catalog: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Return a catalog in which only the wanted streams are selected.

    Args:
        catalog: A catalog.
        wanted: Names, in which `*` stands for anything.

    Raises:
        ConfigError: there is no stream of a name.
    """
    entries = list(catalog.get("streams") or ())
    names = [str(e.get("tap_stream_id") or e.get("stream")) for e in entries]
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(
                f"the tap has no stream '{pattern}'.", advice="It has: " + ", ".join(names) + "."
            )
    chosen = [any(fnmatchcase(name, pattern) for pattern in wanted) for name in names]
    return {
        **catalog,
        "streams": [
            _selected(entry, is_wanted) for entry, is_wanted in zip(entries, chosen, strict=True)
        ],
    }


def _selected(entry: Mapping[str, Any], is_wanted: bool) -> dict[str, Any]:
    metadata = [dict(item) for item in entry.get("metadata") or ()]
    root = next((item for item in metadata if not item.get("breadcrumb")), None)
    if root is None:
        root = {"breadcrumb": [], "metadata": {}}
        metadata.append(root)
    root["metadata"] = {**(root.get("metadata") or {}), "selected": is_wanted}
    return {**entry, "metadata": metadata}


def state_without(state: Mapping[str, Any], wanted: Sequence[str] | None) -> dict[str, Any]:
    """Return a state without the bookmarks of streams that begin anew; None: of all."""
    if wanted is None:
        return {}
    bookmarks = {
        name: bookmark
        for name, bookmark in (state.get("bookmarks") or {}).items()
        if not any(fnmatchcase(name, pattern) for pattern in wanted)
    }
    return {**state, "bookmarks": bookmarks}


def catalog_for(
    workspace: Workspace, command: list[str], tap: PluginCommand, wanted: Sequence[str] | None
) -> list[str]:
    """Return the options that give a tap its catalog."""
    if not wanted:
        return ["--catalog", tap.catalog] if tap.catalog else []
    catalog = select(discovered(command, tap), wanted)
    return ["--catalog", workspace.write("catalog.json", catalog)]
