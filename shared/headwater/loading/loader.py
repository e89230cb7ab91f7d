"""What the core asks of a destination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from headwater.errors import LoadError
from headwater.loading.plan import Plan
from headwater.loading.rows import Rows

ROWS_AT_ONCE = 1000


class Batch(Protocol):
    """Rows of one plan on their way to the destination, in the destination's own form."""

    plan: Plan

    def __len__(self) -> int:
        """Return how many rows it holds."""

    def add(self, rows: Rows) -> None:
        """Take rows in."""

    def emptied(self) -> Batch:
        """Return an empty batch of the same plan."""

    def drop(self, index: int) -> None:
        """Leave out the row that `RefusedRowsError` named by this index."""


class RefusedRowsError(LoadError):
    """The destination refused rows for what is in them; nothing of the call is loaded.

    Args:
        batch: The batch they are in.
        rows: For each: its index in the batch, its values by column, and the reason.
    """

    def __init__(self, batch: Batch, rows: Sequence[tuple[int, dict[str, Any], str]]):
        _, record, reason = rows[0]
        super().__init__(
            f"record ({batch.plan.identity(record)}): the destination refused it: {reason}.",
            stream=batch.plan.stream,
            advice="Nothing of the batch is loaded, the state has not moved. Correct the record, "
            "or set 'on_invalid' to skip or quarantine.",
        )
        self.batch = batch
        self.rows = rows


class Loader(Protocol):
    """A destination.

    Each method that changes it does so as a whole or not at all.

    Raises:
        LoadError: the destination refused; nothing of that call is in it.
    """

    keeps_text: bool

    def open(self, plan: Plan) -> Batch:
        """Make the stream's table fit the plan, and return an empty batch for it."""

    def load(self, batches: Sequence[Batch], state: str | None) -> None:
        """Bring batches in, durably, and the state with them where it is kept here."""

    def activate_version(self, plan: Plan, version: int) -> None:
        """Take out (or mark as deleted) the rows of earlier versions of a table."""

    def finish(self, complete: frozenset[str]) -> None:
        """End a run that succeeded: put in place what was waiting for it.

        Args:
            complete: The streams that the tap has sent completely.
        """

    def read_state(self) -> str | None:
        """Return the state that is kept here, as JSON; None where there is none."""

    def read_rows(self, stream: str) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of a stream's table, some thousand at a time, in the order they came.

        Raises:
            LoadError: there is no such table.
        """

    def close(self) -> None:
        """Leave the destination."""
