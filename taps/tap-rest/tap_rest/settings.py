"""The settings of tap-rest."""

from __future__ import annotations

from headwater.settings import Setting, Settings
from headwater.tap.settings import RATE_LIMIT_STORE, TOKEN_STORE

from tap_rest.config_schema import AUTH, BUDGET, DEFAULTS, ERROR, RETRY, STREAM
from tap_rest.widen import WIDEN_SETTINGS

AUTH_RULES = {name: AUTH[name] for name in ("required", "allOf")}

SETTINGS = (
    Settings(
        (
            Setting("api_url", description="What every path is below.", required=True),
            Setting(
                "streams",
                "array",
                "The streams: see [Streams](#streams).",
                required=True,
                items=STREAM,
            ),
            Setting(
                "auth",
                "object",
                "How to authenticate: see [Authentication](#authentication).",
                properties=AUTH["properties"],
                rules=AUTH_RULES,
            ),
            Setting(
                "additional_auths",
                "array",
                "More credentials, used together with `auth`, each under its own budget.",
                items=AUTH,
            ),
            Setting(
                "headers",
                "object",
                "Headers of every request.",
                others={"type": "string"},
            ),
            Setting(
                "defaults",
                "object",
                "What streams have that do not say otherwise: any option of a stream.",
                properties=DEFAULTS,
                others=False,
            ),
            Setting(
                "budget",
                "object",
                "How many requests the API allows: see [Limits](#limits).",
                properties=BUDGET,
                others=False,
            ),
            Setting(
                "errors",
                "array",
                "How the API's answers differ from what HTTP says: see [Errors](#errors).",
                items=ERROR,
            ),
            Setting(
                "retry",
                "object",
                "How often and how long to try: see [Errors](#errors).",
                properties=RETRY,
                others=False,
            ),
            Setting(
                "start_date",
                description="Where incremental streams begin that have no bookmark.",
            ),
            Setting(
                "end_date",
                description="Where incremental streams end: later records are left out.",
            ),
            RATE_LIMIT_STORE,
            TOKEN_STORE,
        )
    )
    + WIDEN_SETTINGS
)
