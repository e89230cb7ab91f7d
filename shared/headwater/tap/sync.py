"""The sync loop: pages in, messages out, state only for what has been written."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headwater.clock import SYSTEM, rfc3339
from headwater.errors import HeadwaterError
from headwater.messages.writer import MessageWriter
from headwater.parallel import in_order
from headwater.plugin import command
from headwater.streams.base import Context, Record, Stream
from headwater.streams.changes import ChangeStore
from headwater.streams.raw import SUFFIX as RAW_SUFFIX
from headwater.streams.report import StreamReport
from headwater.streams.state import RESUME, State, Watermark, look_back, order
from headwater.tap.emission import Emission, finished

if TYPE_CHECKING:
    from headwater.plugin.mapping import StreamMapper

logger = logging.getLogger(__name__)

LEDGER_KEY = "headwater"
SERVED = "streams"  # in a parent's bookmark: the streams that have seen what is before it


def interruptible(pages: Iterator[list[Record]]) -> Iterator[list[Record]]:
    """Yield pages; a signal interrupts the wait for one, and never what is done with it.

    Raises:
        Terminated: a signal came.
    """
    while True:
        with command.STOP.at_once():
            page = next(pages, None)
        if page is None:
            return
        yield page


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
        concurrency: How many contexts of a stream are fetched at once.
        changes: Where the digests of streams are kept that detect changes.
        state_records: Records after which a STATE is written.
        state_seconds: Seconds after which one is written, where records have come since.
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
        changes: ChangeStore | None = None,
        state_records: int = 10_000,
        state_seconds: float = 60.0,
    ):
        self.streams = streams
        self.state = state
        self.reports = {name: StreamReport() for name in streams}
        self._writer = writer
        self._mapper = mapper
        self._start_date = start_date
        self._concurrency = concurrency
        self._changes = changes
        self._state_records = state_records
        self._state_seconds = state_seconds
        self._emissions: dict[str, Emission] = {}
        self._ledger = dict(state.value.pop(LEDGER_KEY, None) or {})
        self.written: dict[str, int] = {}
        # whether a state may be written where the run ends now: not while its end is checked
        self.is_safe = True
        self._since_state = 0
        self._state_at = time.monotonic()
        for stream in streams.values():
            stream.report = self.reports[stream.name]
            stream.state = state

    def run(self) -> None:
        """Sync every stream that is wanted, and end with a STATE whatever was found."""
        for stream in self.streams.values():
            stream.added_properties |= self._remembered("evolved", stream.name) or {}
        for stream in self.streams.values():
            if stream.parent is None and stream.is_wanted:
                given = stream.contexts()
                contexts: list[Context | None] = [None] if given is None else list(given)
                self._sync_contexts(stream, contexts)
        self.is_safe = False
        for stream in self.streams.values():
            self._finish(stream)
        self.write_state()

    def _finish(self, stream: Stream) -> None:
        report = self.reports[stream.name]
        report.complete = stream.selected
        emission = self._emissions.get(stream.name)
        if emission is None:
            return
        report.unknown = emission.unknown
        if stream.selected and stream.record_limit is None:
            bookmark = self.state.bookmark(stream.name, None) if stream.detects_changes else {}
            emission.finish(bookmark)

    def _remembered(self, what: str, name: str) -> Any:
        """Return what the last run kept of a stream beside its bookmark."""
        return (self._ledger.get(what) or {}).get(name)

    def write_state(self) -> None:
        """Write a STATE for everything written so far."""
        ledger = {
            name: {"records": count, "complete": self._is_complete(name)}
            for name, count in self.written.items()
        }
        kept = {"fingerprints": self._fingerprints(), "evolved": self._evolved()}
        own = {"ledger": ledger, **{what: found for what, found in kept.items() if found}}
        self._writer.write_state({**self.state.value, LEDGER_KEY: own})
        self._since_state = 0
        self._state_at = time.monotonic()

    def _fingerprints(self) -> dict[str, Any]:
        seen = {
            name: fingerprint
            for name, emission in self._emissions.items()
            if self.streams[name].selected
            and (fingerprint := emission.watch.fingerprint()) is not None
        }
        return {**(self._ledger.get("fingerprints") or {}), **seen}

    def _evolved(self) -> dict[str, Any]:
        return {n: s.added_properties for n, s in self.streams.items() if s.added_properties}

    def _is_complete(self, name: str) -> bool:
        # a mapped stream under another name is as complete as the whole run
        name = name.removesuffix(RAW_SUFFIX) if name not in self.reports else name
        if name in self.reports:
            return self.reports[name].complete
        return all(r.complete for n, r in self.reports.items() if self.streams[n].selected)

    # --- one stream -------------------------------------------------------------------

    def _sync_contexts(self, stream: Stream, contexts: list[Context | None]) -> None:
        concurrency = self._concurrency if stream.concurrency is None else stream.concurrency
        self._emission(stream)
        starts = {id(context): self._start(stream, context) for context in contexts}

        def produce(context: Context | None) -> Iterator[list[Record]]:
            return stream.pages(context, starts[id(context)][1])

        began = time.monotonic()
        try:
            for context, pages in in_order(contexts, produce, concurrency):
                with contextlib.suppress(LimitReached):
                    self._sync_pages(stream, context, pages, starts[id(context)][0])
        except HeadwaterError as fault:
            raise fault.about(stream.name) from fault
        finally:
            self.reports[stream.name].seconds += time.monotonic() - began

    def _sync_pages(
        self, stream: Stream, context: Context | None, pages: Iterator[list[Record]], start: Any
    ) -> None:
        place = stream.state_context(context)
        watermark = self._watermark(stream, start)
        extracted = rfc3339(SYSTEM.now())
        for page in interruptible(pages):
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
            self._keep_position(stream, place, page)
            if (
                stream.record_limit is not None
                and self.reports[stream.name].emitted >= stream.record_limit
            ):
                raise LimitReached
            self._write_state_if_due()
            extracted = rfc3339(SYSTEM.now())
        if watermark:
            self._move(stream, place, watermark)
        if self.state.peek(stream.name, place).get(RESUME):
            self.state.bookmark(stream.name, place).pop(RESUME)
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
        emission = self._emissions[stream.name]
        emission.raw(page, context, extracted)
        kept = finished(stream, context, page)
        if stream.record_limit is not None:
            kept = kept[: max(0, stream.record_limit - report.emitted)]
        if not stream.selected:
            return kept
        emission.records(kept, extracted, copies=bool(stream.children))
        self._since_state += len(kept)
        return kept

    def _sync_children(
        self, stream: Stream, context: Context | None, records: list[Record]
    ) -> None:
        children = [child for child in stream.children if child.is_wanted]
        if not children:
            return
        contexts = [c for r in records if (c := stream.child_context(r, context)) is not None]
        for child in children:
            self._sync_contexts(child, list(contexts))

    def _emission(self, stream: Stream) -> Emission:
        """Return the stream's messages, its SCHEMA written."""
        if stream.name not in self._emissions:
            bookmark = self.state.peek(stream.name, None)
            self._emissions[stream.name] = Emission(
                stream,
                writer=self._writer,
                report=self.reports[stream.name],
                written=self.written,
                mapper=self._mapper,
                before=self._remembered("fingerprints", stream.name),
                changes=self._changes,
                generation=bookmark.get("digests"),
            )
        return self._emissions[stream.name]

    # --- bookmarks --------------------------------------------------------------------

    def _start(self, stream: Stream, context: Context | None) -> tuple[Any, Any]:
        """Return the bookmark, and the value from which to ask."""
        key = stream.bookmark_key
        if not key:
            return None, None
        begin = self._start_date
        begin = None if begin is None else stream.as_replication_value(begin)
        bookmark = self.state.peek(stream.name, stream.state_context(context))
        value = (
            bookmark.get("replication_key_value")
            if bookmark.get("replication_key") == key
            else None
        )
        # a stream below that was not selected then has not seen what lies before the bookmark
        known = bookmark.get(SERVED, [stream.name])
        if value is None or not {*stream.wanted_names} <= {*known}:
            return None, begin
        start = look_back(value, stream.lookback)
        if begin is not None and order(start) < order(begin):
            start = begin
        return value, start

    @staticmethod
    def _watermark(stream: Stream, bookmark: Any) -> Watermark | None:
        key = stream.bookmark_key
        if not key:
            return None
        schema = stream.schema.get("properties", {}).get(key, {})
        is_moment = schema.get("format") in ("date-time", "date")
        now = rfc3339(SYSTEM.now())
        signpost = now if is_moment else stream.as_replication_value(now)
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

    def _keep_position(self, stream: Stream, place: Context | None, page: list[Record]) -> None:
        """Keep where a next run may take up a list that is read without a bookmark."""
        position = getattr(page, "position", None)
        if position is not None and stream.record_limit is None:
            self.state.bookmark(stream.name, place)[RESUME] = position

    def _write_state_if_due(self) -> None:
        overdue = time.monotonic() - self._state_at >= self._state_seconds
        if self._since_state >= self._state_records or (overdue and self._since_state):
            self.write_state()
