"""tap-github."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.http import Client
from headwater.retry import RetryPolicy
from headwater.tap import Tap

from tap_github.auth import authenticator
from tap_github.errors import ERRORS
from tap_github.settings import SETTINGS
from tap_github.streams import STREAMS

SOURCES = ("repositories", "organizations", "searches", "user_usernames", "user_ids")


class TapGitHub(Tap):
    """Singer tap for GitHub: repositories and everything in them, organizations, users."""

    name = "tap-github"
    package_name = "headwater-tap-github"
    own_settings = SETTINGS
    stream_types = STREAMS

    def check_config(self, config: Mapping[str, Any]) -> list[str]:
        """Return what is wrong beyond the settings' types."""
        if any(config.get(name) for name in SOURCES):
            return []
        return ["config: at least one of " + ", ".join(SOURCES) + " is needed"]

    def make_client(self) -> Client:
        """Return what sends the tap's requests."""
        config = self.config
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": config["user_agent"],
        }
        if not any(
            config.get(n) for n in ("auth_token", "additional_auth_tokens", "auth_app_keys")
        ):
            self.logger.warning("no credentials: GitHub allows 60 requests an hour without any")
        return Client(
            retry=RetryPolicy(attempts=config["backoff_max_tries"]),
            auth=authenticator(config, headers),
            errors=ERRORS,
            headers=headers,
        )
