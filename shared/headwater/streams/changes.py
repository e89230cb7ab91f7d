"""Change detection by digests, for APIs that cannot be asked for what has changed.

The digests of a run are a new generation of a file; the state names the generation that it
belongs to. A run whose load failed is followed by one that begins from the older state, and
so from the older generation: nothing that was not loaded counts as known.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError
from headwater.messages.json import decode_exact, encode
from headwater.storage import store_for

KEPT_GENERATIONS = 3  # a state of some runs ago may still be gone back to
DIGEST_BYTES = 16
ENTRY = struct.Struct(">I16s")  # the length of the key, and the digest; the key follows
MAGIC = b"HWD1"


class ChangeStore:
    """The generations of one tap's digests.

    Args:
        place: A folder, or a URL that fsspec knows.
    """

    def __init__(self, place: str):
        self._place = place
        self._store = store_for(place)

    def load(self, stream: str, generation: str) -> dict[bytes, bytes] | None:
        """Return the digests of a generation by key; None where it is not there any more."""
        content = self._store.read(_file(stream, generation))
        if content is None or content[:4] != MAGIC:
            return None
        found, at = {}, 4
        while at < len(content):
            length, digest = ENTRY.unpack_from(content, at)
            at += ENTRY.size
            found[content[at : at + length]] = digest
            at += length
        return found

    def save(self, stream: str, digests: Mapping[bytes, bytes]) -> str:
        """Write a new generation, and return its name.

        Raises:
            ConfigError: the place cannot be written to.
        """
        generation = uuid.uuid4().hex[:16]

        def write(place: Path) -> None:
            with place.open("wb") as file:
                file.write(MAGIC)
                for key, digest in digests.items():
                    file.write(ENTRY.pack(len(key), digest) + key)

        try:
            self._store.write(_file(stream, generation), write)
        except OSError as fault:
            raise ConfigError(
                f"cannot keep digests in {self._place}: {fault.strerror or fault}.",
                advice="Set 'change_store' to a place that can be written to.",
            ) from fault
        return generation

    def prune(self, stream: str, generation: str | None) -> None:
        """Delete old generations: not the one in force, nor the last few beside it."""
        mine = [name for name in self._store.names() if name.startswith(f"{_safe(stream)}.")]
        in_force = _file(stream, generation) if generation else None
        for name in mine[:-KEPT_GENERATIONS]:
            if name != in_force:
                self._store.delete(name)


def _file(stream: str, generation: str) -> str:
    return f"{_safe(stream)}.{_safe(generation)}.digests"


class ChangeDetector:
    """Lets through what is new or changed.

    Args:
        keys: The key properties.
        before: The digests of the last loaded run.
    """

    def __init__(self, keys: Sequence[str], before: Mapping[bytes, bytes]):
        self._keys = keys
        self._before = before
        self.digests: dict[bytes, bytes] = {}

    def changed(self, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the records that the last loaded run did not have, or had otherwise."""
        found = []
        for record in records:
            key = encode([record.get(name) for name in self._keys])
            ordered = {name: record[name] for name in sorted(record)}
            digest = hashlib.blake2b(encode(ordered), digest_size=DIGEST_BYTES).digest()
            self.digests[key] = digest
            if self._before.get(key) != digest:
                found.append(record)
        return found

    def deleted(self) -> list[dict[str, Any]]:
        """Return the keys of the records that the last run had and this complete one has not."""
        gone = self._before.keys() - self.digests.keys()
        return [dict(zip(self._keys, decode_exact(key), strict=True)) for key in sorted(gone)]

    def keep_unseen(self) -> None:
        """Keep the digests of records that did not come: a part of the list was not read."""
        self.digests = {**self._before, **self.digests}


def _safe(text: str) -> str:
    return "".join(mark if mark.isalnum() or mark in "-_" else "_" for mark in text)
