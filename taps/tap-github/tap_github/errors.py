"""How GitHub's answers differ from what HTTP says.

Source: docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api and
docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from headwater.errors import AuthError, PermanentError
from headwater.http import ErrorTable, GiveUp, Response, Retry, Rule, Skip, Verdict
from headwater.http.judge import describe, retry_after

SECONDARY_LIMIT_SECONDS = 60.0
NOT_VISIBLE = frozenset({"NOT_FOUND", "FORBIDDEN", "INSUFFICIENT_SCOPES"})
ADVICE = "Check 'auth_token', 'additional_auth_tokens' and 'auth_app_keys', and what they may read."


def limited(response: Response, now: datetime) -> Verdict | None:
    """Tell the two kinds of limit from other refusals."""
    asked = retry_after(response, now)
    if asked is not None:
        return Retry(describe(response), after=asked, pause_all=True)
    if response.headers.get("X-RateLimit-Remaining") == "0":
        return Retry(
            "the rate limit is used up",
            after=_until_reset(response, now),
            pause_all=True,
            counts=False,
        )
    if "secondary rate limit" in response.excerpt().lower():
        return Retry(
            "a secondary rate limit", after=SECONDARY_LIMIT_SECONDS, pause_all=True, doubles=True
        )
    return None


def refused(response: Response, now: datetime) -> Verdict | None:  # noqa: ARG001
    """Name a refusal that is no limit, unless the stream tolerates it."""
    if response.status in response.request.tolerated:
        return None
    return GiveUp(AuthError(describe(response), stream=response.request.stream, advice=ADVICE))


def answered(response: Response, now: datetime) -> Verdict | None:
    """Judge answers with status 200 that are not what was asked for."""
    scope = response.request.scope
    if scope == "search" and response.value().get("incomplete_results"):
        return Retry("the search ran out of time and returned a part of what it finds")
    errors = response.value().get("errors") if scope == "graphql" else None
    return _graphql(response, errors, now) if errors else None


def _graphql(response: Response, errors: list[dict[str, Any]], now: datetime) -> Verdict:
    kinds = {error.get("type") for error in errors}
    text = "; ".join(str(error.get("message")) for error in errors)
    if kinds & {"RATE_LIMITED", "RATE_LIMIT"}:
        return Retry(
            "GraphQL's rate limit is used up",
            after=_until_reset(response, now),
            pause_all=True,
            counts=False,
        )
    if kinds <= NOT_VISIBLE:
        return Skip(text)
    if kinds == {None} and "something went wrong" in text.lower():
        return Retry(text)
    return GiveUp(PermanentError(f"{response.request}: {text}", stream=response.request.stream))


def _until_reset(response: Response, now: datetime) -> float:
    try:
        reset = float(response.headers.get("X-RateLimit-Reset", ""))
    except ValueError:
        return SECONDARY_LIMIT_SECONDS
    return max(1.0, reset - now.timestamp() + 1)


ERRORS = ErrorTable(
    rules=(
        Rule((403, 429), limited),
        Rule((403,), refused),
        Rule((200,), answered),
    ),
    login_advice=ADVICE,
)
