"""The settings that every tap has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.plugin.base import STREAM_MAP_SETTINGS
from headwater.settings import Setting, Settings
from headwater.streams.options import OPTIONS

READ_SECONDS = 300


def stream_options(own: Mapping[str, Mapping[str, Any]] | None = None) -> Setting:
    """Return the setting `stream_options`.

    Args:
        own: The options that only some streams of a tap have: their JSON Schemas by stream
            and option.
    """
    streams = {
        name: {
            "type": "object",
            "description": f"Options of the stream {name}.",
            "properties": dict(options),
            # what every stream has is told once, at the setting itself
            "patternProperties": {f"^{option}$": schema for option, schema in OPTIONS.items()},
            "additionalProperties": False,
        }
        for name, options in (own or {}).items()
    }
    return Setting(
        "stream_options",
        "object",
        "Options of single streams by their name, of all streams under `*`: "
        + ", ".join(f"`{name}`" for name in OPTIONS)
        + ".",
        properties=streams or None,
        others={"type": "object", "properties": OPTIONS, "additionalProperties": False},
    )


TAP_SETTINGS = (
    Settings(
        (
            Setting(
                "concurrency",
                "integer",
                "Parents or partitions of a stream that are fetched at once.",
                default=1,
                minimum=1,
            ),
            Setting(
                "backoff_max_tries",
                "integer",
                "Tries of a request that fails for a passing reason.",
                default=5,
                minimum=1,
            ),
            Setting(
                "request_timeout",
                "number",
                "Seconds without a byte from the API after which a request has failed.",
                default=READ_SECONDS,
                minimum=0.001,
            ),
            Setting(
                "state_message_threshold",
                "integer",
                "Records after which a STATE is written.",
                default=10_000,
                minimum=1,
            ),
            Setting(
                "state_message_seconds",
                "number",
                "Seconds after which a STATE is written, where records have come since.",
                default=60,
                minimum=0,
            ),
            stream_options(),
            Setting(
                "change_store",
                description="A folder or URL (`s3://...`) for what `detect_changes` compares "
                "with; by default below the user's folder for state.",
            ),
        )
    )
    + STREAM_MAP_SETTINGS
)

RATE_LIMIT_STORE = Setting(
    "rate_limit_store",
    description="Where processes that use the same account count their requests together: a "
    "file, or a `redis://` URL. By default each process counts its own.",
)
TOKEN_STORE = Setting(
    "token_store",
    description="The folder where rotated refresh tokens are kept; by default below the user's "
    "folder for state.",
)
