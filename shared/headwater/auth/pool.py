"""Several credentials used together, each under its own budget."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import requests

from headwater.auth.static import Authenticator
from headwater.clock import SYSTEM, Clock
from headwater.http.message import Response
from headwater.rate_limit import HeaderBudget


class Pool(Authenticator):
    """Takes the credential whose budget is open; waits when none is.

    Args:
        members: The credentials, each with what keeps its budget.
        clock: Time.
    """

    def __init__(
        self, members: Sequence[tuple[Authenticator, HeaderBudget]], clock: Clock = SYSTEM
    ):
        if not members:
            raise ValueError("a pool needs at least one credential")
        self._members = members
        self._clock = clock
        self._turn = 0
        self._lock = threading.Lock()

    @classmethod
    def of(
        cls,
        credentials: Sequence[Authenticator],
        budget: Callable[[], HeaderBudget],
        clock: Clock = SYSTEM,
    ) -> Pool:
        """Return a pool in which each credential has a budget of its own."""
        return cls([(credential, budget()) for credential in credentials], clock)

    def apply(self, request: requests.PreparedRequest, scope: str = "") -> None:
        """Put on the next credential whose budget is open, waiting for the first to open."""
        while True:
            with self._lock:
                index = self._choose(scope)
                wait = self._members[index][1].gate(scope).remaining
                if wait <= 0:
                    self._turn = index
                    break
            self._clock.sleep(wait)
        self._members[index][0].apply(request, scope)
        _mark(request, index, scope)

    def observe(self, request: requests.PreparedRequest, response: Response) -> None:
        """Learn what is left of the budget of the credential that was used."""
        index, scope = _marked(request)
        self._members[index][1].observe(response, scope)

    def refresh(self, request: requests.PreparedRequest) -> bool:
        """Renew the credential that was refused."""
        return self._members[_marked(request)[0]][0].refresh(request)

    def pause(self, request: requests.PreparedRequest, scope: str, seconds: float) -> bool:
        """Close the budget of the credential that was used."""
        self._members[_marked(request)[0]][1].gate(scope).close(seconds)
        return True

    def _choose(self, scope: str) -> int:
        """Return the member in use while its budget is open, else the one that opens first."""
        count = len(self._members)
        order = [(self._turn + step) % count for step in range(count)]
        return min(order, key=lambda index: self._members[index][1].gate(scope).remaining)


def _mark(request: requests.PreparedRequest, index: int, scope: str) -> None:
    # a PreparedRequest travels with its response; a header would travel to the server
    request.headwater_member = (index, scope)  # type: ignore[attr-defined]


def _marked(request: requests.PreparedRequest) -> tuple[int, str]:
    member: tuple[int, str] = getattr(request, "headwater_member", (0, ""))
    return member
