"""target-files, and its three presets."""

from __future__ import annotations

from typing import ClassVar

from headwater.loading import Loader
from headwater.settings import Setting, Settings
from headwater.target import Target

from target_files.loader import FilesLoader


def _settings(preset: str) -> Settings:
    return Settings(
        (
            Setting("destination_path", description="The folder to write to.", default="."),
            Setting(
                "format",
                description="The files' format.",
                default=preset,
                enum=("jsonl", "csv", "parquet"),
            ),
        )
    )


class TargetFiles(Target):
    """Singer target for files: JSONL, CSV or Parquet."""

    name = "target-files"
    package_name = "headwater-target-files"
    own_settings: ClassVar[Settings] = _settings("jsonl")

    def make_loader(self) -> Loader:
        """Return what writes the files."""
        return FilesLoader(self.config)


class TargetJSONL(TargetFiles):
    """Singer target for JSONL files."""

    name = "target-jsonl"
    own_settings = _settings("jsonl")


class TargetCSV(TargetFiles):
    """Singer target for CSV files."""

    name = "target-csv"
    own_settings = _settings("csv")


class TargetParquet(TargetFiles):
    """Singer target for Parquet files."""

    name = "target-parquet"
    own_settings = _settings("parquet")
