"""Which streams of a tap a command asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from headwater.cli.workspace import Workspace, output_of
from headwater.errors import ConfigError
from headwater.plugin.base import read_document
from headwater.plugin.executable import PluginCommand
from headwater.streams.catalog import select


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
