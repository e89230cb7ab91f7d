"""The base of every tap: its streams, its catalog, its command line.

It offers what `singer_sdk.Tap` offers to users and to `singer_sdk.testing` (the same
constructor, `streams`, `catalog_dict`, `run_discovery`, `run_connection_test`, `sync_all`)
without importing the SDK, whose import takes longer than most syncs; stream maps and
flattening are the SDK's own code, loaded when they are turned on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, NoReturn

from headwater.auth import Reloading
from headwater.auth.token_store import state_folder
from headwater.errors import ConfigError, HeadwaterError, OutputClosedError
from headwater.http import Client
from headwater.http.client import CONNECT_SECONDS
from headwater.http.client import Authenticator as AnyAuthenticator
from headwater.messages import MessageWriter, claim_stdout
from headwater.messages.json import encode
from headwater.plugin import command
from headwater.plugin.base import Plugin, open_input, read_document
from headwater.settings import Settings
from headwater.streams.base import Stream
from headwater.streams.catalog import read_catalog
from headwater.streams.changes import ChangeStore
from headwater.streams.options import EVERY_STREAM, configure
from headwater.streams.state import State
from headwater.tap.progress import Progress
from headwater.tap.replay import Replay
from headwater.tap.settings import TAP_SETTINGS
from headwater.tap.sync import LEDGER_KEY, Sync

if TYPE_CHECKING:
    from headwater.plugin.mapping import StreamMapper

STATE_REQUIRES = "bookmarks"


class Tap(Plugin):
    """A tap.

    Class attributes:
        stream_types: The streams it has.

    Args:
        config: The settings, as one mapping.
        catalog: A Singer catalog: selection, schemas, keys.
        state: The state of the last run.
        parse_env_config: Whether environment variables `<NAME>_<SETTING>` count too.
        validate_config: Whether a faulty config is an error.
        output: Where messages go; standard output by default.

    Raises:
        ConfigError: config, catalog or state is faulty.
    """

    stream_types: ClassVar[Sequence[type[Stream]]] = ()
    builtin_settings: ClassVar[Settings] = TAP_SETTINGS
    capabilities: ClassVar[tuple[str, ...]] = (
        "catalog",
        "state",
        "discover",
        "about",
        "stream-maps",
        "schema-flattening",
        "structured-logging",
    )

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | str | Path | list[str | Path] | None = None,
        catalog: Mapping[str, Any] | str | Path | None = None,
        state: Mapping[str, Any] | str | Path | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        output: BinaryIO | None = None,
    ):
        super().__init__(
            config=config, parse_env_config=parse_env_config, validate_config=validate_config
        )
        self._writer = MessageWriter(output)
        if isinstance(catalog, (str, Path)):
            catalog = read_document(catalog, "catalog")
        self._catalog = read_catalog(catalog) if catalog else None
        if isinstance(state, (str, Path)):
            state = read_document(state, "state")
        self.state = _checked_state(state)
        self.last_sync: Sync | None = None

    # --- what a tap says --------------------------------------------------------------

    def make_client(self) -> Client:
        """Return what sends the tap's requests."""
        raise NotImplementedError

    def discover_streams(self) -> Iterable[Stream]:
        """Return the streams that the tap offers."""
        return [stream_type(self) for stream_type in self.stream_types]

    # --- streams ----------------------------------------------------------------------

    @cached_property
    def client(self) -> Client:
        """What sends the tap's requests."""
        client = self.make_client()
        seconds = float(self.config["request_timeout"])
        client.timeout = (min(CONNECT_SECONDS, seconds), seconds)
        if client.auth is not None:
            client.auth = Reloading(client.auth, self._fresh_auth)
        return client

    def _fresh_auth(self) -> AnyAuthenticator | None:
        return self.make_client().auth if self.reload_secrets() else None

    @cached_property
    def streams(self) -> dict[str, Stream]:
        """The tap's streams by name, the catalog applied, children known to their parents."""
        streams = {stream.name: stream for stream in self.discover_streams()}
        by_type = {type(stream): stream for stream in streams.values()}
        for stream in streams.values():
            if stream.parent is not None and stream.parent in by_type:
                by_type[stream.parent].children.append(stream)
            if self._catalog is not None:
                entry = self._catalog.get(stream.name)
                if entry is None:
                    stream.selected = False
                else:
                    stream.apply_catalog(entry)
        options = self.config.get("stream_options") or {}
        unknown = sorted(options.keys() - streams.keys() - {EVERY_STREAM})
        if unknown:
            raise ConfigError(
                f"setting 'stream_options': there is no stream '{unknown[0]}'.",
                advice="The streams are: " + ", ".join(sorted(streams)) + ".",
            )
        for stream in streams.values():
            configure(stream, {**options.get(EVERY_STREAM, {}), **options.get(stream.name, {})})
        return streams

    @property
    def catalog_dict(self) -> dict[str, Any]:
        """The tap's catalog."""
        ordered = sorted(self.streams.values(), key=lambda stream: stream.name)
        return {"streams": [stream.catalog_entry() for stream in ordered]}

    @property
    def catalog_json_text(self) -> str:
        """The tap's catalog as JSON."""
        return json.dumps(self.catalog_dict, indent=2)

    # --- runs -------------------------------------------------------------------------

    def run_discovery(self) -> str:
        """Write the catalog to standard output, and return it."""
        text = self.catalog_json_text
        print(text)
        return text

    def run_connection_test(self) -> bool:
        """Fetch one record of every stream."""
        return self.run_sync_dry_run(dry_run_record_limit=1)

    def run_sync_dry_run(
        self, dry_run_record_limit: int | None = 1, streams: Iterable[Stream] | None = None
    ) -> bool:
        """Sync every stream, or those given, up to a number of records each."""
        chosen = list(self.streams.values() if streams is None else streams)
        for stream in chosen:
            stream.record_limit = dry_run_record_limit
            stream.selected = True
        self.sync_all()
        return True

    def write_schemas(self) -> None:
        """Write a SCHEMA for every stream."""
        for stream in self.streams.values():
            self._writer.write_schema(stream.name, stream.schema, stream.key_properties)
        self._writer.flush()

    def sync_all(self) -> Sync:
        """Sync the selected streams, and return what was done."""
        sync = Sync(
            self.streams,
            state=State(self.state),
            writer=self._writer,
            mapper=self._mapper(),
            start_date=self.config.get("start_date"),
            concurrency=int(self.config.get("concurrency") or 1),
            changes=self._change_store(),
            state_records=int(self.config["state_message_threshold"]),
            state_seconds=float(self.config["state_message_seconds"]),
        )
        self.last_sync = sync
        with Progress(sync, self.client.counts):
            try:
                sync.run()
            except OutputClosedError:
                raise
            except (HeadwaterError, command.Terminated):
                # what is written and safe need not be fetched again
                if sync.is_safe:
                    sync.write_state()
                raise
            finally:
                self._writer.close()
        return sync

    def replay(self, messages: BinaryIO) -> None:
        """Write the records that kept answers hold: the RECORDs of `<stream>__raw`.

        Raises:
            ConfigError: an answer is of a stream that the tap does not have.
        """
        try:
            Replay(self.streams, self._writer, self._mapper()).run(messages)
        finally:
            self._writer.close()

    def _mapper(self) -> StreamMapper | None:
        if not self.maps_streams:
            return None
        from headwater.plugin.mapping import StreamMapper

        return StreamMapper(self.config)

    def _change_store(self) -> ChangeStore | None:
        if not any(stream.detects_changes for stream in self.streams.values()):
            return None
        given = self.config.get("change_store")
        if given:
            return ChangeStore(str(given))
        # pipelines with different settings must not delete each other's generations
        shown = {
            setting.name: self.config.get(setting.name)
            for setting in self.settings()
            if not setting.holds_secrets
        }
        digest = hashlib.blake2b(encode(shown), digest_size=6).hexdigest()
        return ChangeStore(str(state_folder() / "changes" / f"{self.name}-{digest}"))

    def write_summary(self, place: str | Path) -> None:
        """Write what each stream did, and what was sent, as JSON."""
        reports = self.last_sync.reports if self.last_sync else {}
        summary = {
            "streams": {name: report.as_dict() for name, report in reports.items()},
            "http": vars(self.client.counts),
        }
        Path(place).write_text(json.dumps(summary, indent=2), encoding="utf-8")

    # --- the command line -------------------------------------------------------------

    @classmethod
    def cli(cls, args: Sequence[str] | None = None) -> NoReturn:
        """Run the tap as a command."""
        parser = command.parser_for(cls, "Execute the Singer tap.")
        parser.add_argument(
            "--discover", action="store_true", help="Run the tap in discovery mode."
        )
        parser.add_argument(
            "--test",
            nargs="?",
            const="all",
            choices=("all", "schema"),
            help="Use --test to sync a single record for each stream. "
            "Use --test=schema to test schema output without syncing records.",
        )
        parser.add_argument(
            "--catalog",
            "--properties",
            metavar="FILE",
            help="Use a Singer catalog file with the tap.",
        )
        parser.add_argument(
            "--state", metavar="FILE", help="Use a bookmarks file for incremental replication."
        )
        parser.add_argument(
            "--summary", metavar="FILE", help="Write what each stream did to this file, as JSON."
        )
        parser.add_argument(
            "--replay",
            metavar="FILE",
            help="Write the records of kept answers (the messages of `<stream>__raw` in this "
            "file, or - for standard input) instead of asking the API.",
        )
        cls.add_arguments(parser)
        arguments = parser.parse_args(args)
        command.run(cls, arguments, lambda: cls.work(arguments))

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add what only this tap's command has."""

    @classmethod
    def work(cls, arguments: argparse.Namespace) -> None:
        """Do what the arguments ask for."""
        output = claim_stdout()
        given = command.config_from(arguments)
        if arguments.discover:
            tap = cls(**given, validate_config=False)
            output.write(tap.catalog_json_text.encode() + b"\n")
            return
        tap = cls(**given, catalog=arguments.catalog, state=arguments.state, output=output)
        if arguments.test == "schema":
            tap.write_schemas()
        elif arguments.test:
            tap.run_connection_test()
        elif arguments.replay == "-":
            tap.replay(sys.stdin.buffer)
        elif arguments.replay:
            with open_input(arguments.replay) as messages:
                tap.replay(messages)
        else:
            command.STOP.defer()
            try:
                tap.sync_all()
            finally:
                if arguments.summary:
                    tap.write_summary(arguments.summary)


def _checked_state(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the state of the last run; of its ledger, only what the next run compares with.

    Raises:
        ConfigError: it is not a state.
    """
    value = dict(state or {})
    # a whole STATE message, as some runners keep it
    if value.get("type") == "STATE" and isinstance(value.get("value"), dict):
        value = dict(value["value"])
    own = value.pop(LEDGER_KEY, None)
    if isinstance(own, dict):
        value[LEDGER_KEY] = {k: own[k] for k in ("fingerprints", "evolved") if k in own}
    if not isinstance(value.get(STATE_REQUIRES, {}), dict):
        raise ConfigError("the state's 'bookmarks' is not an object.")
    return value
