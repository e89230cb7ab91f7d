"""What a sync shows while it goes on, and says at its end."""

from __future__ import annotations

import json
import logging
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from headwater.plugin.live import Live
from headwater.streams.report import StreamReport

if TYPE_CHECKING:
    from headwater.http.client import RequestCounts
    from headwater.tap.sync import Sync

logger = logging.getLogger(__name__)
# the name and the form that the SDK's metrics have
metrics = logging.getLogger("singer_sdk.metrics")


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
        self._live = Live(self.numbers, self.line)

    def __enter__(self) -> Progress:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, fault, trace)
        for name, report in self._sync.reports.items():
            if report.pages or report.skipped:
                logger.info("%s", _sentence(name, report), extra={"report": report.as_dict()})
                _measure(name, report, "failed" if fault else "succeeded")
        _metric("counter", "http_request_count", self._counts.requests, {})
        logger.info("%s in %.1f s", self.line(), time.monotonic() - self._started)

    def numbers(self) -> dict[str, Any]:
        """Return how far the run is, as numbers."""
        reports = self._sync.reports.values()
        return {
            "records": sum(report.emitted for report in reports),
            "pages": sum(report.pages for report in reports),
            "seconds": round(time.monotonic() - self._started, 3),
            "requests": self._counts.requests,
            "retries": self._counts.retries,
            "waited_seconds": round(self._counts.waited_seconds, 3),
        }

    def line(self) -> str:
        """Return how far the run is, in words."""
        now = self.numbers()
        rate = now["records"] / max(now["seconds"], 0.001)
        return (
            f"{now['records']} records, {now['pages']} pages, {rate:,.0f}/s, "
            f"{now['requests']} requests, {now['retries']} retries, "
            f"{now['waited_seconds']:.1f} s waited"
        )


def _sentence(name: str, report: StreamReport) -> str:
    reported = "" if report.reported is None else f" of {report.reported} reported"
    skipped = "; ".join(f"{reason} ({len(at)})" for reason, at in report.skipped.items())
    return (
        f"stream '{name}': fetched {report.fetched}{reported}, emitted {report.emitted}, "
        f"{report.pages} pages" + (f", skipped: {skipped}" if skipped else "")
    )


def _measure(name: str, report: StreamReport, status: str) -> None:
    tags = {"stream": name, "status": status}
    _metric("counter", "record_count", report.emitted, tags)
    _metric("timer", "sync_duration", round(report.seconds, 3), tags)


def _metric(kind: str, name: str, value: float, tags: dict[str, str]) -> None:
    point = {"type": kind, "metric": name, "value": value, "tags": tags}
    metrics.info("METRIC: %s", json.dumps(point))
