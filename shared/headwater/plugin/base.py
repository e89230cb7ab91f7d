"""The base of every tap and target: config in, exit code out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, ClassVar

from headwater.errors import ConfigError
from headwater.plugin.about import FORMATS, AboutInfo, python_versions, version_of
from headwater.secrets.redaction import REDACTOR
from headwater.secrets.references import References, is_reference
from headwater.settings import Setting, Settings

STREAM_MAP_SETTINGS = Settings(
    (
        Setting(
            "stream_maps",
            "object",
            "Stream maps: rename, filter and compute streams and properties, as "
            "https://sdk.meltano.com/en/latest/stream_maps.html describes.",
        ),
        Setting("stream_map_config", "object", "Values for use in the expressions of stream maps."),
        Setting("faker_config", "object", "Seed and locale of `fake` in stream maps."),
        Setting("flattening_enabled", "boolean", "Turn nested properties into columns."),
        Setting("flattening_max_depth", "integer", "How many levels to flatten."),
        Setting(
            "flattening_max_key_length", "integer", "The longest name of a flattened property."
        ),
        Setting("flattening_separator", "string", "What joins the names of the levels."),
    )
)
MAPPING_TRIGGERS = ("stream_maps", "flattening_enabled")


class Plugin:
    """A tap or a target.

    Class attributes:
        name: The executable's name, such as `tap-github`.
        package_name: The distribution's name.
        own_settings: The settings of this plugin.
        builtin_settings: Those that every plugin of its kind has.
        capabilities: Singer capabilities by their names.

    Args:
        config: The settings, as one mapping.
        parse_env_config: Whether environment variables `<NAME>_<SETTING>` count too.
        validate_config: Whether a faulty config is an error.

    Raises:
        ConfigError: the config does not fit the settings.
    """

    name: ClassVar[str]
    package_name: ClassVar[str]
    own_settings: ClassVar[Settings]
    builtin_settings: ClassVar[Settings] = STREAM_MAP_SETTINGS
    capabilities: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | str | Path | list[str | Path] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
    ):
        settings = self.settings()
        given = _read_config(config)
        if parse_env_config:
            given |= settings.from_environment(self.env_var_prefix())
        self._given = given
        self._references = References()
        resolved = self._resolved() if is_reference(given) else given
        REDACTOR.add(*settings.secrets(resolved))
        self._config = settings.with_defaults(resolved)
        if validate_config:
            self._validate(settings)

    def _validate(self, settings: Settings) -> None:
        faults = settings.validate(self._config) + self.check_config(self._config)
        if faults:
            raise ConfigError("; ".join(faults) + ".", advice=f"See {self.name} --about.")

    def _resolved(self) -> dict[str, Any]:
        found: dict[str, Any] = self._references.resolve(self._given)
        return found

    def reload_secrets(self) -> bool:
        """Read secrets by reference again; return whether one of them has changed."""
        if not is_reference(self._given):
            return False
        self._references.forget()
        config = self.settings().with_defaults(self._resolved())
        REDACTOR.add(*self.settings().secrets(config))
        has_changed = config != self._config
        self._config = config
        return has_changed

    @classmethod
    def settings(cls) -> Settings:
        """Return all settings: the plugin's own, then the built-in ones."""
        return cls.own_settings + cls.builtin_settings

    @classmethod
    def env_var_prefix(cls) -> str:
        """Return what the names of the plugin's environment variables begin with."""
        return cls.name.upper().replace("-", "_") + "_"

    def check_config(self, config: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """Return what is wrong with config beyond what its JSON Schema says."""
        return []

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings, with defaults."""
        return MappingProxyType(self._config)

    @property
    def logger(self) -> logging.Logger:
        """The plugin's logger."""
        return logging.getLogger(self.name)

    @property
    def maps_streams(self) -> bool:
        """Whether stream maps or flattening are on: then records take the SDK's general path."""
        return any(self._config.get(name) for name in MAPPING_TRIGGERS)

    @classmethod
    def about(cls) -> AboutInfo:
        """Return what `--about` shows."""
        return AboutInfo(
            name=cls.name,
            description=(cls.__doc__ or "").strip().splitlines()[0],
            version=version_of(cls.package_name),
            sdk_version=version_of("singer-sdk"),
            supported_python_versions=python_versions(cls.package_name),
            capabilities=cls.capabilities,
            settings=cls.settings().jsonschema(),
            env_var_prefix=cls.env_var_prefix(),
        )

    @classmethod
    def print_about(cls, output_format: str | None = None) -> None:
        """Print what the plugin is, as text, JSON or Markdown."""
        print(FORMATS[output_format or "text"](cls.about()))

    @classmethod
    def print_version(cls, print_fn: Callable[[Any], None] = print) -> None:
        """Print the plugin's version and the SDK's."""
        info = cls.about()
        print_fn(f"{cls.name} v{info.version}, Meltano SDK v{info.sdk_version}")


def _read_config(config: Any) -> dict[str, Any]:
    if config is None:
        return {}
    if isinstance(config, Mapping):
        return dict(config)
    merged: dict[str, Any] = {}
    for path in config if isinstance(config, list) else [config]:
        merged |= read_document(path, "config")
    return merged


def read_document(path: str | Path, what: str) -> dict[str, Any]:
    """Return the object in a file: YAML where its name ends in `.yml` or `.yaml`, else JSON.

    Raises:
        ConfigError: there is no such file, or it holds something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise ConfigError(f"cannot read the {what} file '{path}': {reason}.") from fault
    is_yaml = Path(path).suffix in (".yml", ".yaml")
    try:
        value = _from_yaml(text) if is_yaml else json.loads(text)
    except ValueError as fault:
        form = "YAML" if is_yaml else "JSON"
        raise ConfigError(f"the {what} file '{path}' is not {form}: {fault}.") from fault
    if not isinstance(value, dict):
        raise ConfigError(f"the {what} file '{path}' does not hold an object.")
    return value


def open_input(path: str) -> BinaryIO:
    """Open a file of messages.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return Path(path).open("rb")
    except OSError as fault:
        raise ConfigError(f"cannot read '{path}': {fault.strerror}.") from fault


def _from_yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError as fault:
        raise ConfigError("YAML files need PyYAML.", advice="Install headwater[yaml].") from fault
    try:
        # through JSON: dates and other values that only YAML has become texts
        return json.loads(json.dumps(yaml.safe_load(text), default=str))
    except yaml.YAMLError as fault:
        raise ValueError(" ".join(str(fault).split())) from fault
