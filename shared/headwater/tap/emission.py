"""From a page of records to messages: shaped, watched for drift, compared, mapped, counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from headwater.clock import SYSTEM, rfc3339
from headwater.errors import ConfigError
from headwater.messages.writer import MessageWriter
from headwater.streams import raw
from headwater.streams.base import DELETED_AT, Context, Record, Stream
from headwater.streams.changes import ChangeDetector, ChangeStore
from headwater.streams.drift import DriftWatch, evolved
from headwater.streams.report import StreamReport

if TYPE_CHECKING:
    from headwater.plugin.mapping import StreamMapper

logger = logging.getLogger(__name__)


def finished(stream: Stream, context: Context | None, page: list[Record]) -> list[Record]:
    """Return a page's records as the stream emits them, what their context says included."""
    if type(stream).post_process is Stream.post_process:
        kept = page
    else:
        kept = [r for record in page if (r := stream.post_process(record, context)) is not None]
    if context:
        known = stream.schema.get("properties", {})
        extra = {key: value for key, value in context.items() if key in known}
        if extra:
            for record in kept:
                for key, value in extra.items():
                    record.setdefault(key, value)
    return kept


class Emission:
    """The messages of one stream in one run.

    Args:
        stream: The stream.
        writer: Where messages go.
        report: The stream's numbers.
        written: How many records were written by name, for the ledger; added to.
        mapper: The stream maps, where there are any.
        before: The fingerprint of the last run.
        changes: Where digests are kept, for a stream that detects changes.
        generation: The digests that the last loaded run left.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        writer: MessageWriter,
        report: StreamReport,
        written: dict[str, int],
        mapper: StreamMapper | None,
        before: dict[str, str] | None,
        changes: ChangeStore | None,
        generation: str | None,
    ):
        self.stream = stream
        self._writer = writer
        self._report = report
        self._written = written
        self._mapper = mapper
        self._shaper = stream.shaper()
        self.watch = DriftWatch(stream.name, stream.schema, before)
        self._changes = changes if stream.detects_changes else None
        self._detector = self._compare_with(generation)
        if stream.selected:
            self._declare()
            if stream.has_raw:
                self._declare_raw()

    @property
    def unknown(self) -> set[str]:
        """The properties that came and that the schema lacks."""
        return self._shaper.unknown

    def _compare_with(self, generation: str | None) -> ChangeDetector | None:
        if self._changes is None:
            return None
        name = self.stream.name
        before = self._changes.load(name, generation) if generation else {}
        self._changes.prune(name, generation)
        if before is None and self.stream.emits_deletions:
            raise ConfigError(
                "the digests that the state names are gone: what was deleted since cannot be told.",
                stream=name,
                advice="Set 'change_store' to a place that is kept between runs; run once without "
                "a state to begin anew.",
            )
        if before is None:
            logger.warning(
                "stream '%s': the digests that the state names are gone: everything is emitted",
                name,
            )
        return ChangeDetector(self.stream.key_properties, before or {})

    def _count(self, name: str, count: int) -> None:
        self._written[name] = self._written.get(name, 0) + count

    def _declare(self) -> None:
        """Write the stream's SCHEMA."""
        stream = self.stream
        schema, keys = stream.selected_schema, stream.key_properties
        bookmark = [stream.bookmark_key] if stream.bookmark_key else []
        if self._mapper:
            self._mapper.register(stream.name, schema, keys)
            for alias, mapped, mapped_keys in self._mapper.outputs(stream.name):
                self._count(alias, 0)
                self._writer.write_schema(alias, mapped, mapped_keys, bookmark)
        else:
            self._count(stream.name, 0)
            self._writer.write_schema(stream.name, schema, keys, bookmark)

    def _declare_raw(self) -> None:
        name = self.stream.name + raw.SUFFIX
        self._count(name, 0)
        self._writer.write_schema(name, raw.SCHEMA, raw.KEYS)

    def raw(self, page: list[Record], context: Context | None, fetched_at: str) -> None:
        """Write the answer that a page came in, where the stream has a raw one."""
        response = getattr(page, "response", None)
        if response is None or not self.stream.has_raw or not self.stream.selected:
            return
        name = self.stream.name + raw.SUFFIX
        row = raw.raw_row(self.stream.name, response, context, fetched_at)
        self._writer.write_records(name, [row], time_extracted=fetched_at)
        self._count(name, 1)

    def records(self, kept: list[Record], extracted_at: str, *, copies: bool) -> None:
        """Write records.

        Args:
            kept: The records, as the stream gives them.
            extracted_at: When they were fetched.
            copies: The records are used after this, so they must stay as they are.
        """
        self.watch.look(kept)
        if self.stream.on_drift == "fail":
            # before they are written, so that the bookmark stays before them
            self.watch.refuse()
        if self.stream.on_drift == "evolve":
            self._evolve(kept)
        shaper = self._shaper
        if copies or self._mapper:
            shaped = [shaper(dict(record)) for record in kept]
        else:
            shaped = list(map(shaper, kept))
        if self._detector is not None:
            shaped = self._detector.changed(shaped)
        self._write(shaped, extracted_at)
        self._report.emitted += len(kept) if self._detector is None else len(shaped)

    def _write(self, shaped: list[Record], extracted_at: str) -> None:
        name = self.stream.name
        if self._mapper is None:
            self._writer.write_records(name, shaped, time_extracted=extracted_at)
            self._count(name, len(shaped))
            return
        for alias, mapped in self._mapper.transform(name, shaped):
            self._writer.write_records(alias, mapped, time_extracted=extracted_at)
            self._count(alias, len(mapped))

    def _evolve(self, page: list[Record]) -> None:
        """Take properties into the schema that have come for the first time."""
        new = evolved(self.stream.schema, page)
        if not new:
            return
        self.stream.added_properties |= new
        self.stream.forget_selection()
        logger.warning(
            "stream '%s': its schema evolves: %s", self.stream.name, ", ".join(sorted(new))
        )
        self._shaper = self.stream.shaper()
        if self.stream.selected:
            self._declare()

    def finish(self, bookmark: dict[str, Any]) -> None:
        """End a stream whose every fetch was complete: deletions, digests, drift.

        Args:
            bookmark: The stream's bookmark, which takes the name of the new digests.

        Raises:
            SchemaError: the records have changed, and the stream may not go on then.
        """
        if self._detector is not None and self._changes is not None:
            if self._report.skipped:
                # what could not be read is not gone
                self._detector.keep_unseen()
            if self.stream.emits_deletions:
                now = rfc3339(SYSTEM.now())
                gone = [{**key, DELETED_AT: now} for key in self._detector.deleted()]
                self._write(gone, now)
                self._report.emitted += len(gone)
            bookmark["digests"] = self._changes.save(self.stream.name, self._detector.digests)
        events = self.watch.report(self.stream.on_drift)
        self._report.drift = [event.as_dict() for event in events]
