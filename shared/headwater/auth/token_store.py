"""Where rotated refresh tokens live: a file of the user's own, written at once and atomically."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headwater.errors import ConfigError


def state_folder() -> Path:
    """Return the user's folder for state, `$XDG_STATE_HOME/headwater` by default."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "headwater"


@dataclass(frozen=True)
class KeptToken:
    """What a store holds, while its lock is held."""

    file: Path
    origin: str | None
    refresh_token: str | None

    def refresh_token_for(self, configured: str) -> str:
        """Return the rotated successor of a configured token, or the token itself.

        A token that was configured anew since (the user authorized again) has none.
        """
        if self.refresh_token is not None and self.origin == _digest(configured):
            return self.refresh_token
        return configured

    def save(self, configured: str, rotated: str) -> None:
        """Keep the successor of a configured token, durably."""
        text = json.dumps({"origin": _digest(configured), "refresh_token": rotated})
        partial = self.file.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.file)


class TokenStore:
    """The rotated token of one tap and client.

    Args:
        tap: The tap's name.
        client_id: The client's id: two connections of one tap do not mix.
        place: The folder; the user's folder for state by default.
    """

    def __init__(self, tap: str, client_id: str, place: str | Path | None = None):
        self._folder = Path(place) if place else state_folder() / "tokens"
        self._file = self._folder / f"{tap}-{_digest(client_id)}.json"

    @contextmanager
    def locked(self) -> Iterator[KeptToken]:
        """Give what is kept, to one process at a time.

        Raises:
            ConfigError: the folder cannot be written to: a rotated token would be lost.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as fault:
            raise ConfigError(
                f"cannot keep tokens in {self._folder}: {fault.strerror}.",
                advice="Set 'token_store' to a folder that can be written to.",
            ) from fault
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._read()
        finally:
            os.close(lock)

    def _read(self) -> KeptToken:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return KeptToken(self._file, None, None)
        return KeptToken(self._file, kept.get("origin"), kept.get("refresh_token"))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
