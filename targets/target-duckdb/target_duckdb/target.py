"""target-duckdb."""

from __future__ import annotations

from headwater.loading import Loader
from headwater.settings import Setting, Settings
from headwater.target import Target

from target_duckdb.loader import DuckDBLoader


class TargetDuckDB(Target):
    """Singer target for DuckDB."""

    name = "target-duckdb"
    package_name = "headwater-target-duckdb"
    own_settings = Settings(
        (
            Setting("filepath", description="The DuckDB file.", required=True),
            Setting(
                "default_target_schema", description="The schema to load into.", default="main"
            ),
            Setting(
                "load_method",
                description="`upsert`: a row for each key, the last record wins; "
                "`append-only`: a row for each record.",
                default="upsert",
                enum=("upsert", "append-only"),
            ),
        )
    )

    def make_loader(self) -> Loader:
        """Return what loads into DuckDB."""
        return DuckDBLoader(self.config)
