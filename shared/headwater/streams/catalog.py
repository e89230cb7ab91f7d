"""The Singer catalog: what a tap offers, and what of it is selected.

The rules are the SDK's (a property test compares them): unsupported is never selected,
automatic always is, then `selected`, then `selected-by-default`, then the parent's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from headwater.errors import ConfigError

Breadcrumb = tuple[str, ...]
Metadata = dict[Breadcrumb, dict[str, Any]]


def standard_metadata(
    schema: Mapping[str, Any],
    *,
    key_properties: Sequence[str],
    replication_key: str | None,
    replication_method: str,
    selected_by_default: bool,
) -> Metadata:
    """Return the metadata of a stream that is discovered."""
    metadata: Metadata = {}
    automatic = {*key_properties, *([replication_key] if replication_key else [])}

    def add(properties: Mapping[str, Any], parent: Breadcrumb) -> None:
        for name, subschema in properties.items():
            breadcrumb = (*parent, "properties", name)
            is_automatic = not parent and name in automatic
            metadata[breadcrumb] = {"inclusion": "automatic" if is_automatic else "available"}
            if subschema.get("properties"):
                add(subschema["properties"], breadcrumb)

    add(schema.get("properties", {}), ())
    root: dict[str, Any] = {
        "inclusion": "available",
        "selected-by-default": selected_by_default,
        "table-key-properties": list(key_properties),
        "forced-replication-method": replication_method,
    }
    if replication_key:
        root["replication-key"] = replication_key
        root["valid-replication-keys"] = [replication_key]
    metadata[()] = root
    return metadata


def catalog_entry(
    name: str,
    schema: Mapping[str, Any],
    metadata: Metadata,
    *,
    key_properties: Sequence[str],
    replication_key: str | None,
    replication_method: str,
) -> dict[str, Any]:
    """Return a stream's entry in a catalog."""
    entry: dict[str, Any] = {"tap_stream_id": name}
    if replication_key:
        entry["replication_key"] = replication_key
    return entry | {
        "replication_method": replication_method,
        "key_properties": list(key_properties),
        "schema": schema,
        "stream": name,
        "metadata": [
            {"breadcrumb": list(breadcrumb), "metadata": values}
            for breadcrumb, values in metadata.items()
        ],
    }


def read_catalog(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entries of a catalog by stream.

    Raises:
        ConfigError: it is not a catalog.
    """
    entries = document.get("streams")
    if not isinstance(entries, list):
        raise ConfigError("the catalog has no list 'streams'.", advice="Make one with --discover.")
    found: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not (entry.get("tap_stream_id") or entry.get("stream")):
            raise ConfigError(f"entry {number} of the catalog names no stream ('tap_stream_id').")
        found[entry.get("tap_stream_id") or entry["stream"]] = entry
    return found


def read_metadata(entry: Mapping[str, Any]) -> Metadata:
    """Return a catalog entry's metadata by breadcrumb, those of old taps included.

    Taps of the first years wrote `selected` into the schema itself instead.
    """
    metadata: Metadata = {
        tuple(item.get("breadcrumb") or ()): dict(item.get("metadata") or {})
        for item in entry.get("metadata") or ()
    }
    schema = entry.get("schema") or {}
    if "selected" in schema:
        metadata.setdefault((), {}).setdefault("selected", schema["selected"])
    return metadata


class Selection:
    """Which breadcrumbs are selected; what metadata does not mention follows its parent."""

    def __init__(self, metadata: Metadata):
        self._mask = {breadcrumb: _is_selected(metadata, breadcrumb) for breadcrumb in metadata}

    def __getitem__(self, breadcrumb: Breadcrumb) -> bool:
        while breadcrumb not in self._mask:
            if len(breadcrumb) < 2:
                return True
            breadcrumb = breadcrumb[:-2]
        return self._mask[breadcrumb]


def _is_selected(metadata: Metadata, breadcrumb: Breadcrumb) -> bool:
    values = metadata.get(breadcrumb, {})
    parent = _is_selected(metadata, breadcrumb[:-2]) if breadcrumb else None
    if parent is False or values.get("inclusion") == "unsupported":
        return False
    if values.get("inclusion") == "automatic":
        return True
    for key in ("selected", "selected-by-default"):
        if values.get(key) is not None:
            return bool(values[key])
    return parent or False


def selected_schema(schema: Mapping[str, Any], selection: Selection) -> dict[str, Any]:
    """Return the schema without the properties that are not selected."""
    return _without_deselected(schema, selection, ())


def _without_deselected(
    schema: Mapping[str, Any], selection: Selection, parent: Breadcrumb
) -> dict[str, Any]:
    if "properties" not in schema:
        return dict(schema)
    kept: dict[str, Any] = {}
    for name, subschema in schema["properties"].items():
        breadcrumb = (*parent, "properties", name)
        if selection[breadcrumb]:
            kept[name] = (
                _without_deselected(subschema, selection, breadcrumb)
                if _may_be_object(subschema)
                else subschema
            )
    result = {**schema, "properties": kept}
    if "required" in schema:
        result["required"] = [name for name in schema["required"] if name in kept]
    return result


def _may_be_object(schema: Mapping[str, Any]) -> bool:
    types: list[Any] = schema.get("anyOf") or [schema.get("type")]
    return any("object" in (option or ()) for option in types)


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
