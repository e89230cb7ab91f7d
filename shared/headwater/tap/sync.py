"""The sync loop: pages in, messages out, state only for what has been written."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headwater.clock import SYSTEM, rfc3339
from headwater.errors import HeadwaterError
from headwater.messages.writer import MessageWriter
from headwater.streams.base import Context, Record, Stream
from headwater.streams.report import StreamReport
from headwater.streams.shape import Shaper
from headwater.streams.state import State, Watermark, look_back, order
from headwater.tap.prefetch import in_order

if TYPE_CHECKING:
    from headwater.plugin.mapping import StreamMapper

logger = logging.getLogger(__name__)

STATE_RECORDS = 10_000
STATE_SECONDS = 60.0
LEDGER_KEY = "headwater"
SERVED = "streams"  # in a parent's bookmark: the streams that have seen what is before it


class LimitReached(Exception):  # noqa: N818  a way out, not an error
    """A test run has the records it wants of a stream."""


class Sync:
    """One run over the streams of a tap.

    Args:
        streams: All streams, by name; parents know their children.
        state: The state to begin from, moved on as records are written.
        writer: Where messages go.
        mapper: The stream maps, where there are any.
        start_date: Where incremental streams without a bookmark begin.
        concurrency: How many children of one page of parents are fetched at once.
    """

    def __init__(
        self,
        streams: dict[str, Stream],
        *,
        state: State,
        writer: MessageWriter,
        mapper: StreamMapper | None = None,
        start_date: Any = None,
        concurrency: int = 1,
    ):
        self.streams = streams
        self.state = state
        self.reports = {name: StreamReport() for name in streams}
        self._writer = writer
        self._mapper = mapper
        self._start_date = start_date
        self._concurrency = concurrency
        self._shapers: dict[str, Shaper] = {}
        self.written: dict[str, int] = {}
        self._since_state = 0
        self._state_at = time.monotonic()
        for stream in streams.values():
            stream.report = self.reports[stream.name]
            stream.state = state

    def run(self) -> None:
        """Sync every stream that is wanted, and end with a STATE whatever was found."""
        for stream in self.streams.values():
            if stream.parent is None and stream.is_wanted:
                given = stream.contexts()
                contexts: list[Context | None] = [None] if given is None else list(given)
                self._sync_contexts(stream, contexts, concurrency=1)
        for stream in self.streams.values():
            report = self.reports[stream.name]
            report.complete = stream.selected
            report.unknown = (
                self._shapers[stream.name].unknown if stream.name in self._shapers else set()
            )
            if report.unknown:
                logger.info(
                    "stream '%s': properties not in the schema, left out: %s",
                    stream.name,
                    ", ".join(sorted(report.unknown)),
                )
        self.write_state()

    def write_state(self) -> None:
        """Write a STATE for everything written so far."""
        ledger = {
            name: {"records": count, "complete": self._is_complete(name)}
            for name, count in self.written.items()
        }
        value = {**self.state.value, LEDGER_KEY: {"ledger": ledger}}
        self._writer.write_state(value)
        self._since_state = 0
        self._state_at = time.monotonic()

    def _is_complete(self, name: str) -> bool:
        # a mapped stream under another name is as complete as the whole run
        if name in self.reports:
            return self.reports[name].complete
        return all(r.complete for n, r in self.reports.items() if self.streams[n].selected)

    def _count(self, name: str, count: int) -> None:
        self.written[name] = self.written.get(name, 0) + count

    # --- one stream -------------------------------------------------------------------

    def _sync_contexts(
        self, stream: Stream, contexts: list[Context | None], *, concurrency: int
    ) -> None:
        self._declare(stream)
        starts = {id(context): self._start(stream, context) for context in contexts}

        def produce(context: Context | None) -> Iterator[list[Record]]:
            return stream.pages(context, starts[id(context)][1])

        for context, pages in in_order(contexts, produce, concurrency):
            try:
                self._sync_pages(stream, context, pages, starts[id(context)][0])
            except LimitReached:
                continue
            except HeadwaterError as fault:
                raise fault.about(stream.name) from fault

    def _sync_pages(
        self, stream: Stream, context: Context | None, pages: Iterator[list[Record]], start: Any
    ) -> None:
        place = stream.state_context(context)
        watermark = self._watermark(stream, start)
        extracted = rfc3339(SYSTEM.now())
        for page in pages:
            kept = self._emit(stream, context, page, extracted)
            self._sync_children(stream, context, kept)
            if watermark and not watermark.see(kept):
                logger.warning(
                    "stream '%s': records did not come in the order of '%s'; its bookmark "
                    "moves only at the end.",
                    stream.name,
                    watermark.key,
                )
            if watermark and watermark.is_sorted:
                self._move(stream, place, watermark)
            if (
                stream.record_limit is not None
                and self.reports[stream.name].emitted >= stream.record_limit
            ):
                raise LimitReached
            self._write_state_if_due()
            extracted = rfc3339(SYSTEM.now())
        if watermark:
            self._move(stream, place, watermark)
        memory = stream.memory(context)
        if memory:
            self.state.bookmark(stream.name, place).update(memory)
        self._write_state_if_due()

    def _emit(
        self, stream: Stream, context: Context | None, page: list[Record], extracted: str
    ) -> list[Record]:
        report = self.reports[stream.name]
        report.pages += 1
        report.fetched += len(page)
        kept = self._post_process(stream, context, page)
        if stream.record_limit is not None:
            kept = kept[: max(0, stream.record_limit - report.emitted)]
        if not stream.selected:
            return kept
        shaper = self._shapers[stream.name]
        if self._mapper:
            # the SDK's maps see records as the SDK shapes them, nested parts copied
            for alias, mapped in self._mapper.transform(
                stream.name, [shaper(dict(r)) for r in kept]
            ):
                self._writer.write_records(alias, mapped, time_extracted=extracted)
                self._count(alias, len(mapped))
        else:
            shaped = [shaper(dict(r)) for r in kept] if stream.children else list(map(shaper, kept))
            self._writer.write_records(stream.name, shaped, time_extracted=extracted)
            self._count(stream.name, len(shaped))
        report.emitted += len(kept)
        self._since_state += len(kept)
        return kept

    @staticmethod
    def _post_process(stream: Stream, context: Context | None, page: list[Record]) -> list[Record]:
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

    def _sync_children(
        self, stream: Stream, context: Context | None, records: list[Record]
    ) -> None:
        children = [child for child in stream.children if child.is_wanted]
        if not children:
            return
        contexts = [c for r in records if (c := stream.child_context(r, context)) is not None]
        for child in children:
            self._sync_contexts(child, list(contexts), concurrency=self._concurrency)

    def _declare(self, stream: Stream) -> None:
        """Write the stream's SCHEMA, once."""
        if stream.name in self._shapers:
            return
        self._shapers[stream.name] = stream.shaper()
        if not stream.selected:
            return
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

    # --- bookmarks --------------------------------------------------------------------

    def _start(self, stream: Stream, context: Context | None) -> tuple[Any, Any]:
        """Return the bookmark, and the value from which to ask."""
        key = stream.bookmark_key
        if not key:
            return None, None
        bookmark = self.state.peek(stream.name, stream.state_context(context))
        value = (
            bookmark.get("replication_key_value")
            if bookmark.get("replication_key") == key
            else None
        )
        # a stream below that was not selected then has not seen what lies before the bookmark
        known = bookmark.get(SERVED, [stream.name])
        if value is None or not {*stream.wanted_names} <= {*known}:
            return None, self._start_date
        start = look_back(value, stream.lookback)
        if self._start_date is not None and order(start) < order(self._start_date):
            start = self._start_date
        return value, start

    @staticmethod
    def _watermark(stream: Stream, bookmark: Any) -> Watermark | None:
        key = stream.bookmark_key
        if not key:
            return None
        schema = stream.schema.get("properties", {}).get(key, {})
        is_moment = schema.get("format") in ("date-time", "date")
        signpost = rfc3339(SYSTEM.now()) if is_moment else None
        return Watermark(key, bookmark, signpost=signpost, is_sorted=stream.is_sorted)

    def _move(self, stream: Stream, place: Context | None, watermark: Watermark) -> None:
        value = watermark.bookmark
        if value is None or stream.record_limit is not None:
            return
        bookmark = self.state.bookmark(stream.name, place)
        bookmark["replication_key"] = watermark.key
        bookmark["replication_key_value"] = value
        if stream.children:
            bookmark[SERVED] = stream.wanted_names

    def _write_state_if_due(self) -> None:
        overdue = time.monotonic() - self._state_at >= STATE_SECONDS
        if self._since_state >= STATE_RECORDS or (overdue and self._since_state):
            self.write_state()
