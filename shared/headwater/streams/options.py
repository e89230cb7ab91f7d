"""What a user may say of any single stream, in code or in config."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError
from headwater.pagination.base import Allowance

if TYPE_CHECKING:
    from headwater.streams.base import Stream

EVERY_STREAM = "*"

# option -> JSON Schema
OPTIONS: dict[str, dict[str, Any]] = {
    "allowance": {
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": r"^\d+(\.\d+)?%?$",
        "description": "How far the list may fall short of the total that the API reported, as "
        'it does when it changes while it is read: a number of records, or `"1%"`.',
    },
    "additional_fields": {
        "enum": ["ignore", "keep"],
        "description": "What becomes of fields that the schema lacks: `ignore`, or `keep` them "
        "in the one column `additional_fields`.",
    },
    "on_drift": {
        "enum": ["warn", "fail", "evolve"],
        "description": "What happens when the API's records have changed: `warn`, `fail` the run, "
        "or `evolve` the schema by the new fields.",
    },
    "raw": {
        "type": "boolean",
        "description": "Also emit each answer as it came, to `<stream>__raw`.",
    },
    "detect_changes": {
        "type": "boolean",
        "description": "Emit only records that are new or changed since the last loaded run, by "
        "comparing digests; for lists that the API cannot filter.",
    },
    "emit_deletions": {
        "type": "boolean",
        "description": "With `detect_changes`: emit records that are gone, with "
        "`_sdc_deleted_at` set.",
    },
    "concurrency": {
        "type": "integer",
        "minimum": 1,
        "description": "How many parents or partitions of the stream are fetched at once.",
    },
    "resumable": {
        "type": "boolean",
        "description": "A full list whose reading was interrupted is taken up where it ended; the "
        "API's cursors must live on, and the list's order must not change.",
    },
    "lookback": {
        "type": "number",
        "minimum": 0,
        "description": "Seconds before the bookmark at which an incremental fetch begins.",
    },
}


def configure(stream: Stream, options: Mapping[str, Any]) -> None:
    """Set what a stream's options say, over what its class declares.

    Raises:
        ConfigError: options contradict each other or what the stream is.
    """
    given = {name: value for name, value in options.items() if name in OPTIONS}
    for name, value in given.items():
        attribute, read = ATTRIBUTES.get(name, (name, _as_it_is))
        setattr(stream, attribute, read(value))
    check(stream)


def check(stream: Stream) -> None:
    """Raise where what a stream is asked to do cannot be done.

    Raises:
        ConfigError: says which options contradict each other.
    """
    pagination = getattr(stream, "pagination", None)
    if stream.is_resumable and not getattr(pagination, "can_resume", True):
        raise _fault(stream, "'resumable' does not go with its pagination.")
    if stream.emits_deletions and not stream.detects_changes:
        raise _fault(stream, "'emit_deletions' needs 'detect_changes'.")
    if not stream.detects_changes:
        return
    if not stream.key_properties:
        raise _fault(stream, "'detect_changes' needs primary keys.")
    if stream.bookmark_key:
        raise _fault(
            stream,
            "'detect_changes' compares whole lists, and the stream is incremental "
            f"(by '{stream.bookmark_key}').",
            "Leave one of the two out; replication method FULL_TABLE does, in a catalog.",
        )


def _fault(stream: Stream, text: str, advice: str | None = None) -> ConfigError:
    return ConfigError(text, stream=stream.name, advice=advice)


def _as_it_is(value: Any) -> Any:
    return value


def _seconds(value: float) -> timedelta | None:
    return timedelta(seconds=value) if value else None


ATTRIBUTES = {
    "allowance": ("allowance", Allowance.of),
    "raw": ("has_raw", _as_it_is),
    "detect_changes": ("detects_changes", _as_it_is),
    "emit_deletions": ("emits_deletions", _as_it_is),
    "lookback": ("lookback", _seconds),
    "resumable": ("is_resumable", _as_it_is),
}
