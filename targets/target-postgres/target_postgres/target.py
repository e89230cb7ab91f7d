"""target-postgres."""

from __future__ import annotations

from typing import ClassVar

from headwater.loading import Loader
from headwater.settings import Setting, Settings
from headwater.target import Target
from headwater.target.settings import DATABASE_SETTINGS

from target_postgres.loader import PostgresLoader

TEXT = {"type": "string"}
SSH = {
    "enable": {"type": "boolean", "description": "Connect through an ssh server."},
    "host": {**TEXT, "description": "The ssh server's host."},
    "port": {"type": "integer", "description": "Its port, by default 22."},
    "username": {**TEXT, "description": "The user there."},
    "private_key": {**TEXT, "description": "The user's private key, as text."},
    "private_key_password": {**TEXT, "description": "The key's password."},
    "host_key": {
        **TEXT,
        "description": "The server's public key, `TYPE BASE64`; by default as in known_hosts.",
    },
}


class TargetPostgres(Target):
    """Singer target for Postgres."""

    name = "target-postgres"
    package_name = "headwater-target-postgres"
    own_settings: ClassVar[Settings] = (
        Settings(
            (
                Setting("host", description="The server's host.", default="localhost"),
                Setting("port", "integer", "The server's port.", default=5432),
                Setting("user", description="The user."),
                Setting("password", description="The user's password.", secret=True),
                Setting("database", description="The database."),
                Setting(
                    "sqlalchemy_url", description="All of these as one URL instead.", secret=True
                ),
                Setting(
                    "default_target_schema",
                    description="The schema to load into.",
                    default="public",
                ),
            )
        )
        + DATABASE_SETTINGS
        + Settings(
            (
                Setting("ssl_enable", "boolean", "Connect by TLS.", default=False),
                Setting("ssl_mode", description="libpq's sslmode.", default="verify-full"),
                Setting(
                    "ssl_certificate_authority",
                    description="The authority's certificate: a file, or its text.",
                ),
                Setting(
                    "ssl_client_certificate_enable",
                    "boolean",
                    "Show the server a certificate of ours.",
                    default=False,
                ),
                Setting(
                    "ssl_client_certificate",
                    description="Our certificate: a file, or its text.",
                ),
                Setting(
                    "ssl_client_private_key",
                    description="Our certificate's key: a file, or its text.",
                    secret=True,
                ),
                Setting(
                    "ssh_tunnel", "object", "An ssh tunnel to the server.", secret=True,
                    properties=SSH,
                ),
            )
        )
    )  # fmt: skip

    def make_loader(self) -> Loader:
        """Return what loads into Postgres."""
        return PostgresLoader(self.config)
