"""Change detection by digests, for APIs that cannot be asked for what has changed.

The digests of a run are a new generation of a file; the state names the generation that it
belongs to. A run whose load failed is followed by one that begins from the older state, and
so from the older generation: nothing that was not loaded counts as known.
"""

from __future__ import annotations

import hashlib
import os
import struct
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError
from headwater.messages.json import encode

DIGEST_BYTES = 16
ENTRY = struct.Struct(">I16s")  # the length of the key, and the digest; the key follows
MAGIC = b"HWD1"


class ChangeStore:
    """The generations of one tap's digests.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def load(self, stream: str, generation: str | None) -> dict[bytes, bytes] | None:
        """Return the digests of a generation by key; None where it is not there any more."""
        if generation is None:
            return None
        try:
            content = self._file(stream, generation).read_bytes()
        except OSError:
            return None
        if content[:4] != MAGIC:
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
            ConfigError: the folder cannot be written to.
        """
        generation = uuid.uuid4().hex[:16]
        place = self._file(stream, generation)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = place.with_suffix(".partial")
            with partial.open("wb") as file:
                file.write(MAGIC)
                for key, digest in digests.items():
                    file.write(ENTRY.pack(len(key), digest) + key)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(place)
        except OSError as fault:
            raise ConfigError(
                f"cannot keep digests in {self._folder}: {fault.strerror}.",
                advice="Set 'change_store' to a folder that can be written to.",
            ) from fault
        return generation

    def keep_only(self, stream: str, generation: str | None) -> None:
        """Delete the generations that no state can name any more."""
        for file in self._folder.glob(f"{_safe(stream)}.*.digests"):
            if generation is None or file.name != self._file(stream, generation).name:
                file.unlink(missing_ok=True)

    def _file(self, stream: str, generation: str) -> Path:
        return self._folder / f"{_safe(stream)}.{_safe(generation)}.digests"


class ChangeDetector:
    """Lets through what is new or changed.

    Args:
        keys: The key properties.
        before: The digests of the last loaded run; None: everything is new.
    """

    def __init__(self, keys: Sequence[str], before: Mapping[bytes, bytes] | None):
        self._keys = keys
        self._before = before or {}
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
        from headwater.messages.json import decode_exact

        gone = self._before.keys() - self.digests.keys()
        return [dict(zip(self._keys, decode_exact(key), strict=True)) for key in sorted(gone)]


def _safe(text: str) -> str:
    return "".join(mark if mark.isalnum() or mark in "-_" else "_" for mark in text)
