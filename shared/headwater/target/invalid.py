"""Records that cannot be loaded: the run fails, or they are skipped or set aside."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from headwater.errors import HeadwaterError
from headwater.loading import Batch, Loader, Plan
from headwater.loading.rows import DictRows

logger = logging.getLogger(__name__)

SUFFIX = "__quarantine"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "record": {"type": "object"},
        "reason": {"type": "string"},
        "quarantined_at": {"type": "string", "format": "date-time"},
    },
}


class InvalidRecords:
    """What becomes of records that cannot be loaded.

    Args:
        policy: `fail`, `skip` or `quarantine`.
        loader: Gives the loader, for quarantine.
    """

    def __init__(self, policy: str, loader: Callable[[], Loader]):
        self._policy = policy
        self._loader = loader
        self.counts: Counter[str] = Counter()
        self.batches: dict[str, Batch] = {}

    def take(
        self, stream: str, found: Sequence[tuple[Mapping[str, Any], str]], error: HeadwaterError
    ) -> None:
        """Take in a stream's invalid records with their reasons.

        Args:
            stream: The stream.
            found: The records, each with what is wrong with it.
            error: What to raise where they may not be passed over.

        Raises:
            HeadwaterError: the policy is `fail`.
        """
        if self._policy == "fail":
            raise error
        self.counts[stream] += len(found)
        logger.warning("%s %d record(s): %s", WORDS[self._policy], len(found), error)
        if self._policy == "quarantine":
            name = stream + SUFFIX
            if name not in self.batches:
                self.batches[name] = self._loader().open(Plan(name, SCHEMA, ()))
            batch = self.batches[name]
            now = datetime.now(timezone.utc).isoformat()
            records = [
                {"record": dict(record), "reason": reason, "quarantined_at": now}
                for record, reason in found
            ]
            batch.add(DictRows(batch.plan, records, extracted_at=(), versions=(), stamp=None))

    def full(self) -> list[Batch]:
        """Return the batches of quarantined records, and begin new ones."""
        filled = [batch for batch in self.batches.values() if len(batch)]
        for batch in filled:
            self.batches[batch.plan.stream] = batch.emptied()
        return filled


WORDS = {"skip": "skipped", "quarantine": "quarantined"}
