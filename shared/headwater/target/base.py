"""The base of every target: messages in, batches out, state when they are committed."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NoReturn

from headwater.errors import LoadError, MessageError, MissingSchemaError
from headwater.loading import Batch, Loader, Plan, RefusedRowsError
from headwater.loading.records import InvalidRecord, RecordReader
from headwater.loading.rows import Rows, Stamp
from headwater.messages import MessageReader, MessageWriter, RecordRun, claim_stdout
from headwater.messages.json import encode
from headwater.plugin import command
from headwater.plugin.base import Plugin, open_input
from headwater.plugin.live import Live
from headwater.plugin.mapping import StreamMapper
from headwater.settings import Settings
from headwater.target.batch_files import read_batch_files
from headwater.target.input import PipeInput
from headwater.target.invalid import InvalidRecords
from headwater.target.release import StateRelease, compare_ledger, ledger_of
from headwater.target.settings import BUILTIN_SETTINGS
from headwater.target.worker import Worker

logger = logging.getLogger(__name__)

DECODED_BYTES = 1000  # what a decoded record counts for, whose line is gone
IDLE_SECONDS = 1.0
EXACT_BYTES = 128 * 1024 * 1024  # how long a batch that must end at a STATE waits for one


class Target(Plugin):
    """A target.

    Args:
        config: The settings, as one mapping.
        parse_env_config: Whether environment variables `<NAME>_<SETTING>` count too.
        validate_config: Whether a faulty config is an error.
        output: Writes a line of state; to standard output by default.
    """

    builtin_settings: ClassVar[Settings] = BUILTIN_SETTINGS
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
        self.committed: Counter[str] = Counter()
        self._release = StateRelease(output or _print_line)
        self._loader: Loader | None = None
        self._worker = Worker()
        self._invalid = InvalidRecords(str(self.config["on_invalid"]), lambda: self.loader)
        self._batches: dict[str, Batch] = {}
        self._readers: dict[str, RecordReader] = {}
        self._schemas: dict[str, dict[str, Any]] = {}
        self._rows = self._bytes = 0
        self._taken: Counter[str] = Counter()
        self._opened_at = time.monotonic()
        self._started = int(time.time() * 1000)
        self._state: Mapping[str, Any] | None = None
        self._since_state: set[str] = set()
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

    @property
    def overwrites(self) -> bool:
        """Whether nothing is in place, and no state true, before the run has ended well."""
        return bool(self.config.get("load_method") == "overwrite")

    # --- messages ---------------------------------------------------------------------

    def process(self, stream: Any) -> None:
        """Load everything that a tap writes.

        What is whole is committed and its state written even where the input is at fault.

        Args:
            stream: A binary stream, or another with its `read1`.
        """
        try:
            self._read(stream)
        except (MessageError, command.Terminated):
            if not (self._is_exact and self._since_state):
                self._drain()
            self._worker.wait()
            raise
        self._finish()

    def _read(self, stream: Any) -> None:
        for message in MessageReader(stream):
            if isinstance(message, RecordRun):
                self._records(message)
            elif message is not None:
                self._message(message)
            self._drain_if_due()

    def _finish(self) -> None:
        """Commit what is left, put in place what waited for it, write the last state."""
        self._drain(release=not self.overwrites)
        self._worker.wait()
        if self._loader is not None:
            if self.overwrites:
                self._loader.finish(self._complete_streams())
                if self._state is not None:
                    state = encode(self._state).decode()
                    self._loader.load([], state)
                    self._release.release(state)
            self._loader.close()
        for stream, count in self._invalid.counts.items():
            logger.warning("stream '%s': %d records were not loaded", stream, count)

    def _complete_streams(self) -> frozenset[str]:
        """Return the streams that came to their end, by the ledger or by a last state.

        Raises:
            LoadError: a stream did not.
        """
        ledger = ledger_of(self._state or {})
        complete = set()
        for stream in self._batches:
            entry = ledger.get(stream)
            if entry is not None and not entry.get("complete"):
                reason = "the tap says that it is not complete"
            elif stream in self._since_state:
                reason = "the input ended without a STATE after its records"
            else:
                complete.add(stream)
                continue
            raise LoadError(
                f"its table was not replaced: {reason}.",
                stream=stream,
                advice="The table of the last complete run is still there.",
            )
        return frozenset(complete)

    def _drain(self, *, release: bool = True) -> None:
        """Have all batches loaded, then the state written that came after their records."""
        batches = [batch for batch in self._batches.values() if len(batch)]
        for batch in batches:
            self._batches[batch.plan.stream] = batch.emptied()
        state = encode(self._state).decode() if self._state is not None and release else None
        taken, self._taken = self._taken, Counter()
        self._rows = self._bytes = 0
        self._opened_at = time.monotonic()
        if batches or state is not None or any(map(len, self._invalid.batches.values())):
            self._worker.submit(lambda: self._load(batches, taken, state))

    def _load(self, batches: list[Batch], taken: Counter[str], state: str | None) -> None:
        batches += self._invalid.full()
        while True:
            try:
                self.loader.load(batches, state)
                break
            except RefusedRowsError as refused:
                stream = refused.batch.plan.stream
                self._invalid.take(stream, [(record, why) for _, record, why in refused.rows],
                                   refused)  # fmt: skip
                for index, _, _ in reversed(refused.rows):
                    refused.batch.drop(index)
                taken[stream] -= len(refused.rows)
                batches += self._invalid.full()
        self.committed.update(taken)
        self._release.release(state)

    @property
    def _is_exact(self) -> bool:
        """Whether rows are committed together with the very state that comes after them."""
        return bool(self.config.get("state_in_destination"))

    def _drain_if_due(self) -> None:
        config = self.config
        if self._is_exact and self._since_state and self._bytes < EXACT_BYTES:
            return
        age = time.monotonic() - self._opened_at
        if (
            self._rows >= config["batch_size_rows"]
            or self._bytes >= config["batch_size_bytes"]
            or age >= config["batch_wait_limit_seconds"]
        ):
            self._drain(release=not self.overwrites)

    def _message(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "RECORD":
            self._decoded(_stream_of(message), [message])
        elif kind == "SCHEMA":
            self._schema(message)
        elif kind == "STATE":
            self._hold(message.get("value"))
        elif kind == "ACTIVATE_VERSION":
            self._activate(_stream_of(message), message.get("version"))
        elif kind == "BATCH":
            stream = _stream_of(message)
            for records in read_batch_files(message, stream):
                self._decoded(stream, [{"record": record} for record in records])
                self._drain_if_due()
        else:
            raise MessageError(f"message type '{kind}' is not known.")

    def _hold(self, value: Any) -> None:
        """Keep a state until what came before it is committed; an empty one replaces none."""
        if not isinstance(value, dict) or not value:
            return
        if self.config["compare_ledger"] and self._mapper is None:
            compare_ledger(value, self.received)
        self._state = value
        self._since_state.clear()

    # --- schemas ----------------------------------------------------------------------

    def _schema(self, message: dict[str, Any]) -> None:
        stream = _stream_of(message)
        if self._schemas.get(stream) == message:
            return
        schema, keys = message.get("schema"), message.get("key_properties") or []
        if not isinstance(schema, dict):
            raise MessageError("a SCHEMA message has no schema.", stream=stream)
        if self._mapper:
            self._mapper.register(stream, schema, keys)
            for alias, mapped, mapped_keys in self._mapper.outputs(stream):
                self._plan(alias, mapped, mapped_keys)
        else:
            self._plan(stream, schema, keys)
        self._schemas[stream] = message

    def _plan(self, stream: str, schema: dict[str, Any], keys: Sequence[str]) -> None:
        plan = Plan(
            stream,
            schema,
            tuple(keys),
            has_metadata=self.config["add_record_metadata"],
            validates=self.config["validate_records"],
        )
        if stream in self._batches and len(self._batches[stream]):
            self._drain(release=not self.overwrites)
        self._worker.wait()
        self._batches[stream] = self.loader.open(plan)
        self._readers[stream] = RecordReader(plan, keeps_text=self.loader.keeps_text)

    # --- records ----------------------------------------------------------------------

    def _records(self, run: RecordRun) -> None:
        if self._mapper is not None or run.stream not in self._readers:
            self._decoded(run.stream, run.decoded())
            return
        self._received(run.stream, run.count)
        rows, invalid = self._readers[run.stream].read(run.lines, self._stamp())
        self._add(run.stream, rows, invalid, len(run.lines))

    def _decoded(self, stream: str, envelopes: list[dict[str, Any]]) -> None:
        """Take in RECORD messages that are decoded already, or must be to be mapped."""
        if stream not in self._schemas:
            raise MissingSchemaError(
                "a RECORD came before its SCHEMA.",
                stream=stream,
                advice="The tap must describe a stream before it writes records of it.",
            )
        self._received(stream, len(envelopes))
        for alias, mapped in self._mapped(stream, envelopes):
            rows, invalid = self._readers[alias].from_envelopes(mapped, self._stamp())
            self._add(alias, rows, invalid, len(mapped) * DECODED_BYTES)

    def _mapped(
        self, stream: str, envelopes: list[dict[str, Any]]
    ) -> Iterable[tuple[str, list[dict[str, Any]]]]:
        if self._mapper is None:
            yield stream, envelopes
            return
        for envelope in envelopes:
            if not isinstance(envelope.get("record"), dict):
                raise MessageError("a RECORD message has no record.", stream=stream)
            for alias, records in self._mapper.transform(stream, [envelope["record"]]):
                yield alias, [{**envelope, "record": record} for record in records]

    def _received(self, stream: str, count: int) -> None:
        self.received[stream] = self.received.get(stream, 0) + count
        self._since_state.add(stream)

    def _add(self, stream: str, rows: Rows, invalid: list[InvalidRecord], size: int) -> None:
        if invalid:
            found = [(i.record, i.reason) for i in invalid]
            self._worker.wait()  # quarantine opens a table
            self._invalid.take(stream, found, invalid[0].error)
        if rows.count:
            self._batches[stream].add(rows)
            self._rows += rows.count
            self._taken[stream] += rows.count
            self._bytes += size

    def _stamp(self) -> Stamp | None:
        if not self.config["add_record_metadata"]:
            return None
        now = datetime.now(timezone.utc)
        return Stamp(now.isoformat(), int(now.timestamp() * 1000), self._started)

    def _activate(self, stream: str, version: Any) -> None:
        batch = self._batches.get(stream)
        if not self.config["activate_version"] or batch is None or not isinstance(version, int):
            return
        if not self.config["add_record_metadata"]:
            logger.warning(
                "stream '%s': ACTIVATE_VERSION needs setting 'add_record_metadata'.", stream
            )
            return
        self._drain(release=False)
        plan = batch.plan
        self._worker.submit(lambda: self.loader.activate_version(plan, version))

    # --- what was done, and what is there -----------------------------------------------

    def progress(self) -> dict[str, int]:
        """Return how many records came in, and how many of them are committed."""
        return {
            "received": sum(self.received.values()),
            "committed": sum(self.committed.values()),
        }

    def write_summary(self, place: str | Path) -> None:
        """Write what became of the records of each stream, as JSON."""
        names = sorted({*self.received, *self.committed})
        streams = {
            name: {
                "received": self.received.get(name, 0),
                "committed": self.committed[name],
                "invalid": self._invalid.counts.get(name, 0),
            }
            for name in names
        }
        Path(place).write_text(json.dumps({"streams": streams}, indent=2), encoding="utf-8")

    def read(self, stream: str, output: BinaryIO) -> None:
        """Write the rows of a stream's table as RECORD messages.

        Raises:
            LoadError: there is no such table.
        """
        writer = MessageWriter(output)
        for rows in self.loader.read_rows(stream):
            writer.write_records(stream, rows)
        writer.close()
        self.loader.close()

    # --- what singer_sdk.testing calls --------------------------------------------------

    def process_lines(self, file_input: Any) -> None:
        """Load the lines of a text stream."""
        self._read(BytesIO(file_input.read().encode()))

    def process_endofpipe(self) -> None:
        """Commit what is left."""
        self._finish()

    # --- the command line -------------------------------------------------------------

    @classmethod
    def cli(cls, args: Sequence[str] | None = None) -> NoReturn:
        """Run the target as a command."""
        parser = command.parser_for(cls, "Execute the Singer target.")
        parser.add_argument(
            "--input", metavar="FILE", help="A file to read messages from instead of stdin."
        )
        parser.add_argument(
            "--summary", metavar="FILE", help="Write what became of each stream here, as JSON."
        )
        parser.add_argument(
            "--read",
            metavar="STREAM",
            help="Print the rows of a stream's table as RECORD messages.",
        )
        if "state_in_destination" in cls.settings().by_name:
            parser.add_argument(
                "--state", action="store_true", help="Print the state that the destination keeps."
            )
        arguments = parser.parse_args(args)
        command.run(cls, arguments, lambda: cls._work(arguments))

    @classmethod
    def _work(cls, arguments: argparse.Namespace) -> None:
        output = claim_stdout()

        def write(line: str) -> None:
            _write_all(output, line.encode() + b"\n")

        target = cls(**command.config_from(arguments), output=write)
        if getattr(arguments, "state", False):
            write(target.loader.read_state() or "{}")
            return
        if arguments.read:
            target.read(arguments.read, output)
            return
        command.STOP.defer()
        started = time.monotonic()
        try:
            with Live(target.progress, None):
                if arguments.input:
                    with open_input(arguments.input) as file:
                        target.process(file)
                else:
                    idle = min(
                        IDLE_SECONDS, float(target.config["batch_wait_limit_seconds"]) or 0.1
                    )
                    target.process(PipeInput(sys.stdin.buffer, command.STOP, idle))
        finally:
            if arguments.summary:
                target.write_summary(arguments.summary)
        target.logger.info(
            "%d records of %d streams loaded in %.1f s",
            sum(target.received.values()),
            len(target.received),
            time.monotonic() - started,
        )


def _stream_of(message: Mapping[str, Any]) -> str:
    stream = message.get("stream")
    if not isinstance(stream, str) or not stream:
        raise MessageError(f"a {message.get('type')} message names no stream.")
    return stream


def _write_all(output: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[output.write(view) :]


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
