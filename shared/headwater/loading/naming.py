"""Names of streams and properties as identifiers of a destination, without collisions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

DIGEST = 8


@dataclass(frozen=True)
class Naming:
    """What a destination's identifiers may be.

    Args:
        longest: The most bytes of one in UTF-8; None: any length.
        folds_case: Two names that differ in case only are one to it.
    """

    longest: int | None = None
    folds_case: bool = False

    def identifier(self, name: str) -> str:
        """Return the identifier of a name: itself, or its start and a digest of it all."""
        name = name.replace("\0", "\ufffd")
        if self.longest is None or len(name.encode(errors="replace")) <= self.longest:
            return name
        return self._with_digest(name)

    def identifiers(self, names: Iterable[str]) -> dict[str, str]:
        """Return the identifier of each name of one table, no two the same."""
        names = list(names)
        found = {name: self.identifier(name) for name in names}
        if not self.folds_case:
            return found
        folded: dict[str, list[str]] = {}
        for name in names:
            folded.setdefault(found[name].lower(), []).append(name)
        for alike in folded.values():
            if len(alike) > 1:
                # the one in lower case keeps its name, whichever comes first
                for name in sorted(alike, key=lambda n: (n != n.lower(), n))[1:]:
                    found[name] = self._with_digest(name)
        return found

    def _with_digest(self, name: str) -> str:
        digest = hashlib.blake2b(name.encode(errors="replace"), digest_size=DIGEST // 2).hexdigest()
        room = (self.longest or len(name.encode(errors="replace")) + DIGEST + 1) - DIGEST - 1
        start = name.encode(errors="replace")[:room].decode(errors="ignore")
        return f"{start}_{digest}"
