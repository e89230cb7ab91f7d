"""target-duckdb."""

from __future__ import annotations

from typing import ClassVar

from headwater.loading import Loader
from headwater.settings import Setting, Settings
from headwater.target import Target
from headwater.target.settings import DATABASE_SETTINGS

from target_duckdb.loader import DuckDBLoader


class TargetDuckDB(Target):
    """Singer target for DuckDB."""

    name = "target-duckdb"
    package_name = "headwater-target-duckdb"
    own_settings: ClassVar[Settings] = (
        Settings(
            (
                Setting("filepath", description="The DuckDB file.", required=True),
                Setting(
                    "default_target_schema",
                    description="The schema to load into.",
                    default="main",
                ),
                Setting(
                    "batch_size_bytes",
                    "integer",
                    "Bytes of a batch, as they come in.",
                    # a merge looks through the whole table: fewer, larger batches
                    default=32 * 1024 * 1024,
                    minimum=1,
                ),
                Setting(
                    "memory_limit_mb",
                    "integer",
                    "Megabytes that DuckDB may use, at most. By default it begins with 100, and "
                    "gets twice as many where many streams or wide ones need them.",
                    minimum=64,
                ),
            )
        )
        + DATABASE_SETTINGS
    )

    def make_loader(self) -> Loader:
        """Return what loads into DuckDB."""
        return DuckDBLoader(self.config)
