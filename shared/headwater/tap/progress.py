"""What a run did, while it goes on and at its end, on standard error."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.http.client import RequestCounts
    from headwater.tap.sync import Sync

logger = logging.getLogger(__name__)
metrics = logging.getLogger("singer_sdk.metrics")

LINE_SECONDS = 0.5


class Progress:
    """A live line where standard error is a terminal, and a summary at the end.

    Args:
        sync: The run.
        counts: What was sent for it.
    """

    def __init__(self, sync: Sync, counts: RequestCounts):
        self._sync = sync
        self._counts = counts
        self._started = time.monotonic()
        self._done = threading.Event()
        self._is_live = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        if self._is_live:
            threading.Thread(target=self._show, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._is_live:
            sys.stderr.write("\r\x1b[K")
        seconds = time.monotonic() - self._started
        for name, report in self._sync.reports.items():
            if report.pages or report.skipped:
                reported = "" if report.reported is None else f" of {report.reported} reported"
                logger.info(
                    "stream '%s': fetched %d%s, emitted %d, %d pages%s",
                    name,
                    report.fetched,
                    reported,
                    report.emitted,
                    report.pages,
                    "" if not report.skipped else f", skipped: {_skips(report.skipped)}",
                )
                metrics.info(
                    'METRIC: {"type": "counter", "metric": "record_count", "value": %d, '
                    '"tags": {"stream": "%s", "status": "%s"}}',
                    report.emitted,
                    name,
                    "failed" if fault else "succeeded",
                )
        logger.info("%s in %.1f s", self._line(), seconds)

    def _show(self) -> None:
        while not self._done.wait(LINE_SECONDS):
            sys.stderr.write(f"\r\x1b[K{self._line()}")
            sys.stderr.flush()

    def _line(self) -> str:
        records = sum(report.emitted for report in self._sync.reports.values())
        seconds = max(time.monotonic() - self._started, 0.001)
        return (
            f"{records} records, {records / seconds:,.0f}/s, {self._counts.requests} requests, "
            f"{self._counts.retries} retries, {self._counts.waited_seconds:.1f} s waited"
        )


def _skips(skipped: dict[str, list[str]]) -> str:
    return "; ".join(f"{reason} ({len(places)})" for reason, places in skipped.items())
