"""tap-rest."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError
from headwater.http import Client
from headwater.retry import RetryPolicy
from headwater.secrets.redaction import REDACTOR, SECRET_PARAMETERS
from headwater.streams import Stream
from headwater.tap import Tap

from tap_rest.auth import Authenticators
from tap_rest.budget import limiter
from tap_rest.declaration import Declared, declare, set_options
from tap_rest.errors import error_table
from tap_rest.settings import SETTINGS
from tap_rest.widen import translated, translated_stream


class TapREST(Tap):
    """Singer tap for any REST or GraphQL API, by declaration."""

    name = "tap-rest"
    package_name = "headwater-tap-rest"
    own_settings = SETTINGS

    def __init__(self, **arguments: Any):
        self.declared_streams: dict[str, Stream] = {}
        super().__init__(**arguments)

    @property
    def declaration(self) -> Mapping[str, Any]:
        """The config, what it says in the words of tap-rest-api-msdk translated."""
        return translated(self.config)

    def check_config(self, config: Mapping[str, Any]) -> list[str]:
        """Return what is wrong beyond the settings' types."""
        streams = [s for s in config.get("streams") or () if isinstance(s, dict)]
        names = [str(s.get("name")) for s in streams]
        twice = sorted({name for name in names if names.count(name) > 1})
        faults = [f"setting 'streams': '{name}' is declared twice" for name in twice]
        has_path = (config.get("defaults") or {}).get("path") or config.get("path")
        for index, stream in enumerate(streams):
            if not stream.get("path") and not has_path:
                faults.append(f"setting 'streams.{index}': \"path\" is a required property")
            parent = stream.get("parent")
            if isinstance(parent, dict) and parent.get("stream") not in names[:index]:
                faults.append(
                    f"setting 'streams.{index}.parent.stream': there is no stream "
                    f"'{parent.get('stream')}' before it"
                )
        auth = config.get("auth") or {}
        if isinstance(auth, dict) and auth.get("header") and auth.get("param"):
            faults.append("setting 'auth': a key goes into a 'header' or into a 'param'")
        if config.get("additional_auths") and not (config.get("budget") or {}).get("headers"):
            faults.append("setting 'additional_auths' needs 'budget.headers'")
        return faults

    def make_client(self) -> Client:
        """Return what sends the tap's requests."""
        declared = self.declaration
        for name, value in self._headers().items():
            if SECRET_PARAMETERS.search(name) or name.lower() == "cookie":
                REDACTOR.add(value)
        client = self._client()
        auths = [*filter(None, [declared.get("auth")]), *(declared.get("additional_auths") or ())]
        budget = dict(declared.get("budget") or {})
        if len(auths) > 1:
            budget.pop("headers")  # each of the pool's credentials has its own
        client.limiter = limiter(budget, declared.get("rate_limit_store"), declared["api_url"])
        make = Authenticators(declared["api_url"], self._client, declared.get("token_store"))
        if len(auths) > 1:
            client.auth = make.pool(auths, declared["budget"]["headers"])
        elif auths:
            client.auth = make.one(auths[0])
        return client

    def _client(self) -> Client:
        declared = self.declaration
        retry = {"attempts": declared["backoff_max_tries"], **(declared.get("retry") or {})}
        seconds = float(declared["request_timeout"])
        return Client(
            retry=RetryPolicy(**retry),
            errors=error_table(declared.get("errors") or ()),
            timeout=(seconds, seconds),
        )

    def _headers(self) -> Mapping[str, str]:
        return self.declaration.get("headers") or {}

    def discover_streams(self) -> Iterable[Stream]:
        """Return the declared streams."""
        declared = self.declaration
        defaults = declared.get("defaults") or {}
        by_name: dict[str, type[Declared]] = {}
        for given in declared.get("streams") or ():
            declaration = translated_stream(given, self.config)
            stream_type = declare(declaration, defaults, self._headers())
            parent = declaration.get("parent")
            if parent:
                stream_type.parent = by_name[parent["stream"]]
            by_name[stream_type.name] = stream_type
        for name, stream_type in by_name.items():
            stream = stream_type(self)
            set_options(stream)
            self.declared_streams[name] = stream
        return list(self.declared_streams.values())

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add `--from-openapi`."""
        parser.add_argument(
            "--from-openapi",
            metavar="FILE",
            help="Print a config with what an OpenAPI document says of streams, keys, pagination "
            "and schemas; each guess is marked.",
        )

    @classmethod
    def work(cls, arguments: argparse.Namespace) -> None:
        """Do what the arguments ask for."""
        if arguments.from_openapi:
            from headwater.plugin.base import read_document

            from tap_rest.from_openapi import guessed_config

            place = arguments.from_openapi
            document = read_document(place, "OpenAPI")
            if not isinstance(document.get("paths"), dict):
                raise ConfigError(f"'{place}' is no OpenAPI document: it has no 'paths'.")
            sys.stdout.write(guessed_config(document, Path(place).name))
            return
        super().work(arguments)
