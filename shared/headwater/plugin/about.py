"""`--about`: what a plugin says of itself, in the SDK's three formats, without its import.

The texts are those that `singer_sdk.about` prints for the same information (a test
compares them); importing the SDK for them would take most of a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any


@dataclass(frozen=True)
class AboutInfo:
    """What `--about` shows.

    Args:
        name: The plugin's executable.
        description: What it does.
        version: Its version.
        sdk_version: The version of the SDK whose features it offers.
        supported_python_versions: The Pythons it runs on.
        capabilities: Singer capabilities by their names.
        settings: The JSON Schema of its config.
        env_var_prefix: What the names of its environment variables begin with.
    """

    name: str
    description: str
    version: str
    sdk_version: str
    supported_python_versions: Sequence[str]
    capabilities: Sequence[str]
    settings: Mapping[str, Any]
    env_var_prefix: str


def version_of(distribution: str) -> str:
    """Return the version of an installed distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "[could not be detected]"


def python_versions(distribution: str) -> list[str]:
    """Return the Pythons that a distribution's classifiers name."""
    try:
        classifiers = metadata.metadata(distribution).get_all("Classifier") or []
    except metadata.PackageNotFoundError:
        return []
    return [
        c.split("::")[-1].strip()
        for c in classifiers
        if c.startswith("Programming Language :: Python :: 3.")
    ]


def as_text(info: AboutInfo) -> str:
    """Return the plain text of `--about`."""
    lines = [
        f"Name: {info.name}",
        f"Description: {info.description}",
        f"Version: {info.version}",
        f"SDK Version: {info.sdk_version}",
    ]
    if info.supported_python_versions:
        lines += [
            "Supported Python Versions:",
            *(f"  - {v}" for v in info.supported_python_versions),
        ]
    lines += ["Capabilities:", *(f"  - {c}" for c in info.capabilities), "Settings:"]
    for name, schema in info.settings.get("properties", {}).items():
        variable = info.env_var_prefix + name.upper().replace("-", "_")
        lines += [
            f"  - Name: {name}",
            f"    Type: {schema.get('type')}",
            f"    Environment Variable: {variable}",
        ]
    return "\n".join(lines) + "\n"


def as_json(info: AboutInfo) -> str:
    """Return the JSON of `--about --format=json`."""
    return json.dumps(
        {
            "name": info.name,
            "description": info.description,
            "version": info.version,
            "sdk_version": info.sdk_version,
            "supported_python_versions": list(info.supported_python_versions),
            "capabilities": list(info.capabilities),
            "settings": info.settings,
        },
        indent=2,
        default=str,
    )


def as_markdown(info: AboutInfo) -> str:
    """Return the Markdown of `--about --format=markdown`."""
    parts = [
        f"# `{info.name}`\n\n{info.description}\n\n",
        "Built with the [Meltano Singer SDK](https://sdk.meltano.com).\n\n",
        "## Capabilities\n\n" + "\n".join(f"- `{c}`" for c in info.capabilities) + "\n\n",
    ]
    if info.supported_python_versions:
        versions = "\n".join(f"- {v}" for v in info.supported_python_versions)
        parts.append(f"## Supported Python Versions\n\n{versions}\n\n")
    parts.append("## Settings\n\n" + settings_table(info.settings))
    parts.append(
        "\n\nA full list of supported settings and capabilities "
        f"is available by running: `{info.name} --about`\n"
    )
    return "".join(parts)


def settings_table(schema: Mapping[str, Any], *, is_nested: bool = True) -> str:
    """Return the Markdown table of a config's settings.

    Args:
        schema: The config's JSON Schema.
        is_nested: Whether the members of objects have rows of their own.
    """
    header = (
        "| Setting | Required | Default | Description |\n"
        "|:--------|:--------:|:-------:|:------------|\n"
    )
    return header + "\n".join(_rows(schema, "", is_nested=is_nested))


def _rows(schema: Mapping[str, Any], parent: str, *, is_nested: bool = True) -> Iterator[str]:
    required = schema.get("required", [])
    for name, subschema in schema.get("properties", {}).items():
        full_name = f"{parent}.{name}" if parent else name
        description = subschema.get("description", "").replace("\n", "<BR/>")
        default = subschema.get("default", "None")
        yield f"| {full_name} | {name in required} | {default} | {description} |"
        if is_nested and "properties" in subschema:
            yield from _rows(subschema, full_name)


FORMATS = {"text": as_text, "json": as_json, "markdown": as_markdown}
