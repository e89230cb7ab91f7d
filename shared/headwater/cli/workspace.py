"""What the commands hand to plugins, and ask of them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError
from headwater.plugin.executable import PluginCommand
from headwater.plugin.live import VARIABLE

OWNER_ONLY = 0o600


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
