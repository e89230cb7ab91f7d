"""The base of every target: messages in, batches out, state when they are committed."""

from __future__ import annotations

import argparse
import gzip
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NoReturn
from urllib.parse import unquote, urlsplit

from headwater.errors import MessageError, MissingSchemaError
from headwater.loading.batch import Batch
from headwater.loading.loader import Loader
from headwater.loading.plan import Plan
from headwater.messages import MessageReader, RecordRun, claim_stdout, decode_exact
from headwater.messages.json import DecodeError, decode_lines_exact
from headwater.plugin import command
from headwater.plugin.base import STREAM_MAP_SETTINGS, Plugin
from headwater.plugin.mapping import StreamMapper
from headwater.settings import Setting, Settings
from headwater.target.release import StateRelease, compare_ledger

logger = logging.getLogger(__name__)

BATCH_BYTES = 64 * 1024 * 1024
TARGET_SETTINGS = Settings(
    (
        Setting("add_record_metadata", "boolean", "Add `_sdc_*` columns.", default=True),
        Setting("activate_version", "boolean", "Obey ACTIVATE_VERSION messages.", default=True),
        Setting(
            "hard_delete",
            "boolean",
            "Delete the rows of an old version instead of setting `_sdc_deleted_at`.",
            default=False,
        ),
        Setting("validate_records", "boolean", "Check records against their schema.", default=True),
        Setting("batch_size_rows", "integer", "Rows of a batch.", default=100_000, minimum=1),
        Setting(
            "batch_size_bytes",
            "integer",
            "Bytes of a batch, as they come in.",
            default=BATCH_BYTES,
            minimum=1,
        ),
        Setting(
            "batch_wait_limit_seconds",
            "number",
            "Age at which a batch is loaded however small it is.",
            default=300,
            minimum=0,
        ),
        Setting(
            "compare_ledger",
            "boolean",
            "Fail when our taps say they wrote more or fewer records than came in.",
            default=True,
        ),
    )
)


class Target(Plugin):
    """A target.

    Args:
        config: The settings, as one mapping.
        parse_env_config: Whether environment variables `<NAME>_<SETTING>` count too.
        validate_config: Whether a faulty config is an error.
        output: Writes a line of state; to standard output by default.
    """

    builtin_settings: ClassVar[Settings] = TARGET_SETTINGS + STREAM_MAP_SETTINGS
    capabilities: ClassVar[tuple[str, ...]] = (
        "about",
        "stream-maps",
        "schema-flattening",
        "structured-logging",
        "batch",
        "activate-version",
        "hard-delete",
    )

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | str | Path | list[str | Path] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        output: Callable[[str], None] | None = None,
    ):
        super().__init__(
            config=config, parse_env_config=parse_env_config, validate_config=validate_config
        )
        self.received: dict[str, int] = {}
        self._release = StateRelease(output or _print_line)
        self._loader: Loader | None = None
        self._batches: dict[str, Batch] = {}
        self._schemas: dict[str, dict[str, Any]] = {}
        self._opened_at = time.monotonic()
        self._started = int(time.time() * 1000)
        self._mapper = StreamMapper(self.config) if self.maps_streams else None

    def make_loader(self) -> Loader:
        """Return what loads into the destination."""
        raise NotImplementedError

    @property
    def loader(self) -> Loader:
        """What loads into the destination; connected at the first use."""
        if self._loader is None:
            self._loader = self.make_loader()
        return self._loader

    # --- messages ---------------------------------------------------------------------

    def process(self, stream: BinaryIO) -> None:
        """Load everything that a tap writes.

        What is whole is committed and its state written even where the input is at fault.
        """
        try:
            self._read(stream)
        except (MessageError, command.Terminated):
            self.drain()
            raise
        self.finish()

    def _read(self, stream: BinaryIO) -> None:
        for message in MessageReader(stream):
            if isinstance(message, RecordRun):
                self._records(message)
            else:
                self._message(message)
            self._drain_if_due()

    def finish(self) -> None:
        """Commit what is left, write the last state, compare the ledger."""
        self.drain(release=False)
        if self.config["compare_ledger"] and self._mapper is None:
            compare_ledger(self._release.last, self.received)
        self._release.release()
        if self._loader is not None:
            self._loader.close()

    def drain(self, *, release: bool = True) -> None:
        """Commit all batches, then write the state that was waiting for them."""
        for batch in self._batches.values():
            if batch.records:
                self.loader.load(batch)
                batch.records, batch.bytes = [], 0
        self._opened_at = time.monotonic()
        if release:
            self._release.release()

    def _drain_if_due(self) -> None:
        rows = sum(len(batch.records) for batch in self._batches.values())
        size = sum(batch.bytes for batch in self._batches.values())
        age = time.monotonic() - self._opened_at
        if (
            rows >= self.config["batch_size_rows"]
            or size >= self.config["batch_size_bytes"]
            or (age >= self.config["batch_wait_limit_seconds"])
        ):
            self.drain()

    def _records(self, run: RecordRun) -> None:
        try:
            envelopes = decode_lines_exact(run.lines)
        except DecodeError as fault:
            raise MessageError(f"a RECORD line is not JSON: {fault}.", stream=run.stream) from fault
        self._add(run.stream, envelopes, len(run.lines))

    def _message(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "RECORD":
            self._add(_stream_of(message), [message], 1000)
        elif kind == "SCHEMA":
            self._schema(message)
        elif kind == "STATE":
            value = message.get("value")
            if isinstance(value, dict):
                self._release.hold(value)
        elif kind == "ACTIVATE_VERSION":
            self._activate(_stream_of(message), int(message["version"]))
        elif kind == "BATCH":
            self._batch_files(message)
        else:
            raise MessageError(f"message type '{kind}' is not known.")

    def _schema(self, message: dict[str, Any]) -> None:
        stream = _stream_of(message)
        if self._schemas.get(stream) == message:
            return
        self._schemas[stream] = message
        self.drain(release=False)
        schema, keys = message.get("schema"), message.get("key_properties") or []
        if not isinstance(schema, dict):
            raise MessageError("a SCHEMA message has no schema.", stream=stream)
        if self._mapper:
            self._mapper.register(stream, schema, keys)
            for alias, mapped, mapped_keys in self._mapper.outputs(stream):
                self._plan(alias, mapped, mapped_keys)
        else:
            self._plan(stream, schema, keys)

    def _plan(self, stream: str, schema: dict[str, Any], keys: Sequence[str]) -> None:
        plan = Plan(
            stream,
            schema,
            tuple(keys),
            has_metadata=self.config["add_record_metadata"],
            validates=self.config["validate_records"],
        )
        self.loader.prepare(plan)
        self._batches[stream] = Batch(plan)

    def _add(self, stream: str, envelopes: list[dict[str, Any]], size: int) -> None:
        if stream not in self._schemas:
            raise MissingSchemaError(
                "a RECORD came before its SCHEMA.",
                stream=stream,
                advice="The tap must describe a stream before it writes records of it.",
            )
        self.received[stream] = self.received.get(stream, 0) + len(envelopes)
        try:
            records = [envelope["record"] for envelope in envelopes]
        except KeyError as fault:
            raise MessageError("a RECORD message has no record.", stream=stream) from fault
        if self.config["add_record_metadata"]:
            self._stamp(envelopes, records)
        if self._mapper is None:
            self._append(stream, records, size)
            return
        for alias, mapped in self._mapper.transform(stream, records):
            self._append(alias, mapped, size)

    def _append(self, stream: str, records: list[dict[str, Any]], size: int) -> None:
        batch = self._batches[stream]
        batch.plan.check(records)
        batch.records += records
        batch.bytes += size

    def _stamp(self, envelopes: list[dict[str, Any]], records: list[dict[str, Any]]) -> None:
        now = datetime.now(timezone.utc)
        moment, sequence = now.isoformat(), int(now.timestamp() * 1000)
        for envelope, record in zip(envelopes, records, strict=True):
            record["_sdc_extracted_at"] = envelope.get("time_extracted")
            record["_sdc_received_at"] = moment
            record["_sdc_batched_at"] = moment
            record["_sdc_sequence"] = sequence
            record["_sdc_table_version"] = envelope.get("version")
            record["_sdc_sync_started_at"] = self._started
            record.setdefault("_sdc_deleted_at", None)

    def _activate(self, stream: str, version: int) -> None:
        batch = self._batches.get(stream)
        if not self.config["activate_version"] or batch is None:
            return
        if not self.config["add_record_metadata"]:
            logger.warning(
                "stream '%s': ACTIVATE_VERSION needs setting 'add_record_metadata'.", stream
            )
            return
        self.drain(release=False)
        self.loader.activate_version(batch.plan, version)

    def _batch_files(self, message: dict[str, Any]) -> None:
        stream, encoding = _stream_of(message), message.get("encoding") or {}
        if encoding.get("format") != "jsonl":
            raise MessageError(
                f"BATCH format '{encoding.get('format')}' is not supported; jsonl is.",
                stream=stream,
            )
        for place in message.get("manifest") or ():
            parts = urlsplit(place)
            path = unquote(parts.path) if parts.scheme == "file" else place
            content = Path(path).read_bytes()
            if encoding.get("compression") == "gzip":
                content = gzip.decompress(content)
            lines = [line for line in content.split(b"\n") if line.strip()]
            self._add(stream, [{"record": decode_exact(line)} for line in lines], len(content))
            self._drain_if_due()

    # --- what singer_sdk.testing calls --------------------------------------------------

    def process_lines(self, file_input: Any) -> None:
        """Load the lines of a text stream."""
        self._read(BytesIO(file_input.read().encode()))

    def process_endofpipe(self) -> None:
        """Commit what is left."""
        self.finish()

    # --- the command line -------------------------------------------------------------

    @classmethod
    def cli(cls, args: Sequence[str] | None = None) -> NoReturn:
        """Run the target as a command."""
        parser = command.parser_for(cls, "Execute the Singer target.")
        parser.add_argument(
            "--input", metavar="FILE", help="A file to read messages from instead of stdin."
        )
        arguments = parser.parse_args(args)
        command.run(cls, arguments, lambda: cls._work(arguments))

    @classmethod
    def _work(cls, arguments: argparse.Namespace) -> None:
        output = claim_stdout()

        def write(line: str) -> None:
            output.write(line.encode() + b"\n")

        target = cls(**command.config_from(arguments), output=write)
        started = time.monotonic()
        if arguments.input:
            with Path(arguments.input).open("rb") as file:
                target.process(file)
        else:
            target.process(sys.stdin.buffer)
        count = sum(target.received.values())
        target.logger.info(
            "%d records of %d streams loaded in %.1f s",
            count,
            len(target.received),
            time.monotonic() - started,
        )


def _stream_of(message: Mapping[str, Any]) -> str:
    stream = message.get("stream")
    if not isinstance(stream, str) or not stream:
        raise MessageError(f"a {message.get('type')} message names no stream.")
    return stream


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
