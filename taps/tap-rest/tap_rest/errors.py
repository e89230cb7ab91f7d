"""How an API's answers differ from what HTTP says, as config declares it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from headwater.errors import HeadwaterError, PermanentError
from headwater.http import (
    ErrorTable,
    GiveUp,
    RefreshCredentials,
    Response,
    Retry,
    Rule,
    Skip,
    Verdict,
)
from headwater.http.judge import describe, retry_after
from headwater.jsonpath import find

ADVICE = "Check setting 'auth', and what these credentials may read."
EPOCH_FROM = 1e9  # seconds that count from 1970, not from now


def error_table(rows: Sequence[Mapping[str, Any]]) -> ErrorTable:
    """Return the table that rows of a config describe."""
    rules = []
    for row in rows:
        statuses = row["status"] if isinstance(row["status"], list) else [row["status"]]
        rules.append(Rule(tuple(statuses), _DeclaredVerdict(row)))
    return ErrorTable(rules, login_advice=ADVICE)


class _DeclaredVerdict:
    def __init__(self, row: Mapping[str, Any]):
        self._row = row

    def __call__(self, response: Response, now: datetime) -> Verdict | None:
        row = self._row
        if not self._applies(response):
            return None
        if row["then"] == "skip":
            return Skip(describe(response))
        if row["then"] == "refresh":
            return RefreshCredentials(describe(response))
        if row["then"] == "fail":
            error = PermanentError(
                describe(response), stream=response.request.stream, advice=row.get("advice")
            )
            return GiveUp(error)
        return Retry(
            describe(response),
            after=self._after(response, now),
            pause_all=row.get("pause_all", False),
            counts=row.get("counts", True),
            doubles=row.get("doubles", False),
        )

    def _applies(self, response: Response) -> bool:
        row = self._row
        if "contains" in row and row["contains"].lower() not in response.excerpt().lower():
            return False
        wanted = row.get("header") or {}
        if any(response.headers.get(name) != value for name, value in wanted.items()):
            return False
        if "path" not in row:
            return True
        try:
            found = find(response.value(), row["path"])
        except HeadwaterError:
            return False
        return bool(found) if "equals" not in row else found == row["equals"]

    def _after(self, response: Response, now: datetime) -> float | None:
        row = self._row
        if "after_header" in row:
            try:
                seconds = float(response.headers.get(row["after_header"], ""))
            except ValueError:
                seconds = float(row.get("after", 0)) or 0.0
            else:
                seconds -= now.timestamp() if seconds > EPOCH_FROM else 0
            return max(0.0, seconds)
        if "after" in row:
            return float(row["after"])
        return retry_after(response, now)
