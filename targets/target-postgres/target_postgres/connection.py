"""Connecting to Postgres: settings, TLS, an ssh tunnel, and once more after a lost connection."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import psycopg
from headwater.errors import ConfigError, LoadError
from headwater.secrets.redaction import REDACTOR

logger = logging.getLogger(__name__)

RECONNECT_SECONDS = (0.5, 1, 2, 4, 8, 15)
SSL_FILES = {
    "ssl_certificate_authority": "sslrootcert",
    "ssl_client_certificate": "sslcert",
    "ssl_client_private_key": "sslkey",
}


class Connector:
    """Makes connections for a target's settings.

    Args:
        config: The settings.

    Raises:
        ConfigError: the database cannot be reached.
    """

    def __init__(self, config: Mapping[str, Any]):
        self._files: list[Any] = []
        self._tunnel: Any = None
        self._arguments = self._from(config)
        if (config.get("ssh_tunnel") or {}).get("enable"):
            self._open_tunnel(config["ssh_tunnel"])

    def connect(self) -> psycopg.Connection[Any]:
        """Return a connection.

        Raises:
            ConfigError: the database cannot be reached.
        """
        try:
            return self._connect()
        except psycopg.OperationalError as fault:
            raise ConfigError(
                f"cannot connect to Postgres: {str(fault).strip()}.",
                advice="Check 'host', 'port', 'user', 'password' and 'database'.",
            ) from fault

    def reconnect(self) -> psycopg.Connection[Any]:
        """Return a connection to a server that was there a moment ago, waiting for it.

        Raises:
            LoadError: it does not come back.
        """
        for seconds in RECONNECT_SECONDS:
            try:
                return self._connect()
            except psycopg.OperationalError as fault:
                logger.warning("Postgres is gone (%s); trying again in %s s", _line(fault), seconds)
                time.sleep(seconds)
        try:
            return self._connect()
        except psycopg.OperationalError as fault:
            raise LoadError(
                f"the connection to Postgres was lost: {_line(fault)}.",
                advice="Nothing of the batch is loaded; the state has not moved. Run again.",
            ) from fault

    def close(self) -> None:
        """Close the tunnel, and delete key files."""
        if self._tunnel is not None:
            self._tunnel.stop()
        for file in self._files:
            Path(file.name).unlink(missing_ok=True)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self._arguments)

    def _from(self, config: Mapping[str, Any]) -> dict[str, Any]:
        common = {
            "autocommit": True,
            "application_name": "target-postgres",
            # a timestamp without a zone is in UTC, whatever the server's own zone is
            "options": "-c timezone=UTC",
            "connect_timeout": 10,
        }
        if config.get("sqlalchemy_url"):
            scheme, _, rest = str(config["sqlalchemy_url"]).partition("://")
            return {**common, "conninfo": f"{scheme.partition('+')[0]}://{rest}"}
        arguments = {
            **common,
            "host": config.get("host"),
            "port": config.get("port"),
            "user": config.get("user"),
            "password": config.get("password"),
            "dbname": config.get("database"),
        }
        if config.get("ssl_enable"):
            arguments["sslmode"] = config.get("ssl_mode")
            for setting, name in SSL_FILES.items():
                if config.get(setting) and (
                    name == "sslrootcert" or config.get("ssl_client_certificate_enable")
                ):
                    arguments[name] = self._file(str(config[setting]))
        return {name: value for name, value in arguments.items() if value is not None}

    def _file(self, value: str) -> str:
        """Return the path of a certificate or key: the setting's own, or one with its text."""
        if "-----BEGIN" not in value:
            return value
        REDACTOR.add(value)
        with NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
            file.write(value)
        self._files.append(file)
        return file.name

    def _open_tunnel(self, ssh: Mapping[str, Any]) -> None:
        try:
            from target_postgres.tunnel import Tunnel
        except ImportError as fault:
            raise ConfigError(
                "an ssh tunnel needs paramiko.", advice="Install headwater-target-postgres[ssh]."
            ) from fault
        host = str(self._arguments.get("host") or "localhost")
        port = int(self._arguments.get("port") or 5432)
        self._tunnel = Tunnel(ssh, host, port)
        self._arguments |= {"host": "127.0.0.1", "port": self._tunnel.port}


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split())
