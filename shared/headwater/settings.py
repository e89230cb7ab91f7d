"""Settings: declared once, then validated, documented and read from the environment.

The JSON Schema that `Settings.jsonschema()` returns has the shape that the SDK's
`config_jsonschema` has, so `--about`, Meltano and the SDK's test suite read it alike.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headwater.errors import ConfigError

TRUE_WORDS = frozenset({"true", "1", "yes", "on"})


@dataclass(frozen=True)
class Setting:
    """One setting of a plugin.

    Args:
        name: Its key in the config file.
        type: Its JSON type: string, integer, number, boolean, array or object.
        description: What it does, in plain words.
        required: The plugin does not start without it.
        default: The value where config has none.
        secret: Its value is never written anywhere.
        enum: The values it may have.
        format: A JSON Schema format, such as date-time.
        items: The JSON Schema of an array's items.
        properties: The JSON Schemas of an object's properties; `secret: true` in one marks its
            value as the argument `secret` does for the whole.
        others: The JSON Schema of an object's other properties; None: whatever they are.
        rules: More JSON Schema keywords of the setting.
        minimum: The smallest value of a number.
        title: A label; by default made from the name.
        group: The settings group of a Meltano plugin that needs this setting.
    """

    name: str
    type: str = "string"
    description: str = ""
    required: bool = False
    default: Any = None
    secret: bool = False
    enum: Sequence[Any] = ()
    format: str | None = None
    items: Mapping[str, Any] | None = None
    properties: Mapping[str, Any] | None = None
    others: Mapping[str, Any] | bool | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)
    minimum: float | None = None
    title: str | None = None

    def jsonschema(self) -> dict[str, Any]:
        """Return the setting as a property of a JSON Schema."""
        schema: dict[str, Any] = {
            "type": [self.type] if self.required else [self.type, "null"],
            "title": self.title or self.name.replace("_", " ").capitalize(),
            "description": self.description,
        }
        if self.default is not None:
            schema["default"] = self.default
        if self.enum:
            schema["enum"] = [*self.enum] if self.required else [*self.enum, None]
        if self.format:
            schema["format"] = self.format
        if self.minimum is not None:
            schema["minimum"] = self.minimum
        if self.items is not None:
            schema["items"] = dict(self.items)
        if self.properties is not None:
            schema["properties"] = dict(self.properties)
        if self.others is not None:
            schema["additionalProperties"] = self.others
        schema |= self.rules
        if self.secret:
            schema["secret"] = True
            schema["writeOnly"] = True
        return schema

    @property
    def holds_secrets(self) -> bool:
        """Whether it, or a part of it, is secret."""
        return _holds_secrets(self.jsonschema())

    def from_environment(self, text: str, variable: str) -> Any:
        """Return the value that an environment variable's text stands for.

        Raises:
            ConfigError: the text is not of the setting's type.
        """
        try:
            if self.type == "integer":
                return int(text)
            if self.type == "number":
                return float(text)
            if self.type == "boolean":
                return text.strip().lower() in TRUE_WORDS
            if self.type == "array" and not text.lstrip().startswith("["):
                return [part.strip() for part in text.split(",") if part.strip()]
            if self.type in ("array", "object"):
                return json.loads(text)
        except ValueError as fault:
            raise ConfigError(
                f"the environment variable {variable} is not of type {self.type}.",
                advice=f"Give setting '{self.name}' as {self.type}"
                + (" in JSON." if self.type in ("array", "object") else "."),
            ) from fault
        return text


@dataclass(frozen=True)
class Settings:
    """All settings of a plugin, in the order in which they are shown."""

    items: tuple[Setting, ...] = ()
    by_name: Mapping[str, Setting] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {setting.name: setting for setting in self.items})

    def __iter__(self) -> Iterator[Setting]:
        return iter(self.items)

    def __add__(self, other: Settings) -> Settings:
        """Return these settings and those of `other` that are not among them."""
        return Settings(self.items + tuple(s for s in other if s.name not in self.by_name))

    def jsonschema(self) -> dict[str, Any]:
        """Return the JSON Schema of a whole config."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {setting.name: setting.jsonschema() for setting in self},
        }
        required = [setting.name for setting in self if setting.required]
        if required:
            schema["required"] = required
        return schema

    def from_environment(self, prefix: str) -> dict[str, Any]:
        """Return the settings that environment variables named `PREFIX` + `NAME` give."""
        found: dict[str, Any] = {}
        for setting in self:
            variable = prefix + setting.name.upper().replace("-", "_")
            if variable in os.environ:
                found[setting.name] = setting.from_environment(os.environ[variable], variable)
        return found

    def with_defaults(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return config with the default of every setting that it does not have."""
        merged = {s.name: s.default for s in self if s.default is not None}
        merged.update({name: value for name, value in config.items() if value is not None})
        return merged

    def validate(self, config: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with config, a sentence each: where, and what was expected.

        Secret values are not in them.
        """
        import jsonschema_rs

        schema = self.jsonschema()
        open_errors, masked_errors = (
            jsonschema_rs.validator_for(schema, validate_formats=True, mask=mask).iter_errors(
                dict(config)
            )
            for mask in (None, "its value")
        )
        faults = []
        for error, masked in zip(open_errors, masked_errors, strict=True):
            path = [str(part) for part in error.instance_path]
            where = "setting '" + ".".join(path) + "'" if path else "config"
            shown = masked if _is_secret(schema, path) else error
            faults.append(f"{where}: {_explain(shown)}")
        return faults

    def secrets(self, config: Mapping[str, Any]) -> Iterator[str]:
        """Yield every text of config that must not be shown."""
        yield from _secret_texts(self.jsonschema(), config)


def _explain(error: Any) -> str:
    options = getattr(error.kind, "options", None)
    if not isinstance(options, list):
        return str(error.message)
    known = ", ".join(json.dumps(option) for option in options if option is not None)
    return str(error.message).partition(" is not one of ")[0] + f" is not one of {known}"


def _holds_secrets(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return bool(schema.get("secret")) or any(map(_holds_secrets, _parts(schema)))
    return False


def _parts(schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from schema.get("properties", {}).values()
    yield schema.get("items")
    yield schema.get("additionalProperties")


def _is_secret(schema: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether an error at a path could show a secret: it is in one, or has one below it."""
    part: Any = schema
    for name in path:
        if not isinstance(part, Mapping):
            return False
        if part.get("secret"):
            return True
        if "items" in part and name.isdigit():
            part = part["items"]
        else:
            part = part.get("properties", {}).get(name, part.get("additionalProperties"))
    return _holds_secrets(part)


def _secret_texts(schema: Any, value: Any) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    if schema.get("secret"):
        yield from _texts(value)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            known = schema.get("properties", {})
            yield from _secret_texts(known.get(name, schema.get("additionalProperties")), part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _secret_texts(schema.get("items"), part)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
