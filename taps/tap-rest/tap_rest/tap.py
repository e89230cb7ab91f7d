"""tap-rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headwater.auth import APIKey, Authenticator, Basic, Bearer
from headwater.http import Client
from headwater.retry import RetryPolicy
from headwater.settings import Setting, Settings
from headwater.streams import RESTStream, Stream
from headwater.tap import Tap

from tap_rest.declaration import STREAM_SCHEMA, declared


class TapREST(Tap):
    """Singer tap for any REST API, by declaration."""

    name = "tap-rest"
    package_name = "headwater-tap-rest"
    own_settings = Settings(
        (
            Setting("api_url", description="What every path is below.", required=True),
            Setting(
                "streams",
                "array",
                "The streams: name, path, records, primary_keys, pagination and schema of each.",
                required=True,
                items=STREAM_SCHEMA,
            ),
            Setting("headers", "object", "Headers of every request."),
            Setting(
                "auth",
                "object",
                "`{type: bearer, token}`, `{type: basic, username, password}` or "
                "`{type: api_key, key, header}` (or `param`).",
                secret=True,
            ),
            Setting("start_date", description="Where incremental streams begin."),
            Setting("backoff_max_tries", "integer", "Tries of a request.", default=5, minimum=1),
        )
    )

    def check_config(self, config: Mapping[str, Any]) -> list[str]:
        """Return what is wrong beyond the settings' types."""
        names = [s.get("name") for s in config.get("streams") or () if isinstance(s, dict)]
        twice = sorted({str(n) for n in names if names.count(n) > 1})
        faults = [f"setting 'streams': '{name}' is declared twice" for name in twice]
        kind = (config.get("auth") or {}).get("type", "bearer")
        if kind not in AUTHENTICATORS:
            faults.append(f"setting 'auth.type': one of {', '.join(AUTHENTICATORS)} is expected")
        return faults

    def make_client(self) -> Client:
        """Return what sends the tap's requests."""
        auth = self.config.get("auth")
        return Client(
            retry=RetryPolicy(attempts=self.config["backoff_max_tries"]),
            auth=AUTHENTICATORS[auth.get("type", "bearer")](auth) if auth else None,
            headers=self.config.get("headers") or {},
        )

    def discover_streams(self) -> Iterable[Stream]:
        """Return the declared streams."""
        types: list[type[RESTStream]] = [declared(s) for s in self.config.get("streams") or ()]
        return [stream_type(self) for stream_type in types]


def _api_key(auth: Mapping[str, Any]) -> Authenticator:
    return APIKey(auth["key"], header=auth.get("header"), param=auth.get("param"))


AUTHENTICATORS = {
    "bearer": lambda auth: Bearer(auth["token"]),
    "basic": lambda auth: Basic(auth["username"], auth["password"]),
    "api_key": _api_key,
}
