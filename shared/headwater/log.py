"""Logging for a command: standard error only, console lines or JSON, secrets masked."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from headwater.secrets.redaction import RedactingFormatter

LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class ConsoleFormatter(logging.Formatter):
    """`2026-01-31 09:30:00 | INFO | tap-github | message | key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, or more where the record carries a traceback."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line = f"{moment:%Y-%m-%d %H:%M:%S} | {record.levelname:<7} | {record.name} | "
        line += record.getMessage()
        fields = _fields(record)
        if fields:
            line += " | " + " ".join(f"{key}={value}" for key, value in fields.items())
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JSONFormatter(logging.Formatter):
    """One JSON object a line, with the keys of the SDK's structured log."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        event: dict[str, Any] = {
            "level": record.levelname.lower(),
            "pid": record.process,
            "logger_name": record.name,
            "ts": record.created,
            "thread_name": record.threadName,
            "app_name": record.name.split(".")[0],
            "message": record.getMessage(),
            "extra": dict(_fields(record)),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    return {k: v for k, v in vars(record).items() if k not in _STANDARD_FIELDS}


def level_for(plugin: str) -> str:
    """Return the log level that `<PLUGIN>_LOGLEVEL` or `LOGLEVEL` asks for, by default INFO."""
    prefix = plugin.upper().replace("-", "_")
    level = os.environ.get(f"{prefix}_LOGLEVEL") or os.environ.get("LOGLEVEL") or "INFO"
    return level.upper() if level.upper() in LEVELS else "INFO"


def configure(plugin: str) -> None:
    """Send all logging of this process to standard error, in the form `LOG_FORMAT` names."""
    wants_json = os.environ.get("LOG_FORMAT", "console").lower() == "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(JSONFormatter() if wants_json else ConsoleFormatter()))
    logging.basicConfig(level=level_for(plugin), handlers=[handler], force=True)
    # at DEBUG these two would print request headers and bodies
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
