"""A plugin's executable and its config: ours, or anybody's."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError
from headwater.plugin.base import read_document


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
