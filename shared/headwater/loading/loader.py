"""What the core asks of a destination."""

from __future__ import annotations

from typing import Protocol

from headwater.loading.batch import Batch
from headwater.loading.plan import Plan


class Loader(Protocol):
    """A destination.

    Each method that changes it does so as a whole or not at all.

    Raises:
        LoadError: the destination refused; nothing of that call is in it.
    """

    def prepare(self, plan: Plan) -> None:
        """Make the stream's table fit the plan: create it, add columns, widen."""

    def load(self, batch: Batch) -> None:
        """Bring a batch in, durably."""

    def activate_version(self, plan: Plan, version: int) -> None:
        """Take out (or mark as deleted) the rows of earlier versions of a table."""

    def close(self) -> None:
        """Leave the destination."""
