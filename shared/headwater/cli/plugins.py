"""Plugins as the commands use them: an executable, a config, and files that go with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError
from headwater.plugin.base import read_document
from headwater.plugin.live import VARIABLE

OWNER_ONLY = 0o600


@dataclass(frozen=True)
class PluginCommand:
    """A plugin and its config.

    Args:
        name: The executable's name or path.
        config: The config: settings, or the file that holds them.
        catalog: A tap's catalog file.
    """

    name: str
    config: Mapping[str, Any] | str | None = None
    catalog: str | None = None

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return Path(self.name).name

    def executable(self) -> str:
        """Return the path of the executable: beside this Python, else on the path.

        Raises:
            ConfigError: there is none.
        """
        beside = Path(sys.executable).parent / self.name
        found = str(beside) if os.access(beside, os.X_OK) else shutil.which(self.name)
        if found is None or Path(found).is_dir():
            raise ConfigError(
                f"there is no executable '{self.name}'.",
                advice="Install the plugin beside headwater, or give its path.",
            )
        return found

    def settings(self) -> dict[str, Any]:
        """Return the settings of its config."""
        if isinstance(self.config, str):
            return read_document(self.config, "config")
        return dict(self.config or {})


@dataclass
class Workspace:
    """A folder for what a run hands to its plugins; only its owner can read it.

    Args:
        folder: The folder.
    """

    folder: Path
    _helps: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, value: Any) -> str:
        """Write a JSON file; return its path."""
        place = self.folder / name
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file)
        return str(place)

    def base_command(self, plugin: PluginCommand, kind: str, **more: Any) -> list[str]:
        """Return the plugin's command with its config.

        Args:
            plugin: The plugin.
            kind: `tap` or `target`: names its config's file.
            more: Settings on top of its config.
        """
        command = [plugin.executable()]
        if plugin.config is not None or more:
            # always a file of ours: others' plugins do not read YAML
            settings = {**plugin.settings(), **more}
            command += ["--config", self.write(f"{kind}.json", settings)]
        return command

    def offers(self, command: list[str], option: str) -> bool:
        """Whether a plugin's command has an option."""
        executable = command[0]
        if executable not in self._helps:
            done = subprocess.run(
                [executable, "--help"], capture_output=True, text=True, check=False
            )
            self._helps[executable] = done.stdout
        return option in self._helps[executable]


def environment() -> dict[str, str]:
    """Return the environment in which plugins say how far they are."""
    return {**os.environ, VARIABLE: "1"}


def output_of(command: list[str], label: str) -> bytes:
    """Return what a command prints.

    Raises:
        ConfigError: it failed; what it said of it is on standard error.
    """
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise ConfigError(f"{label} left with {done.returncode}.")
    return done.stdout
