"""target-postgres."""

from __future__ import annotations

from headwater.loading import Loader
from headwater.settings import Setting, Settings
from headwater.target import Target

from target_postgres.loader import PostgresLoader


class TargetPostgres(Target):
    """Singer target for Postgres."""

    name = "target-postgres"
    package_name = "headwater-target-postgres"
    own_settings = Settings(
        (
            Setting("host", description="The server's host.", default="localhost"),
            Setting("port", "integer", "The server's port.", default=5432),
            Setting("user", description="The user."),
            Setting("password", description="The user's password.", secret=True),
            Setting("database", description="The database."),
            Setting("sqlalchemy_url", description="All of these as one URL instead.", secret=True),
            Setting(
                "default_target_schema", description="The schema to load into.", default="public"
            ),
            Setting(
                "load_method",
                description="`upsert`: a row for each key, the last record wins; "
                "`append-only`: a row for each record.",
                default="upsert",
                enum=("upsert", "append-only"),
            ),
            Setting("ssl_enable", "boolean", "Connect by TLS.", default=False),
            Setting("ssl_mode", description="libpq's sslmode.", default="verify-full"),
            Setting(
                "ssl_certificate_authority", description="A file with the authority's certificate."
            ),
        )
    )

    def make_loader(self) -> Loader:
        """Return what loads into Postgres."""
        return PostgresLoader(self.config)
