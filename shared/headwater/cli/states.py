"""Where `headwater run` keeps the state of a pipeline."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from headwater.errors import ConfigError, LoadError
from headwater.storage import store_for

DESTINATION = "destination"
DEFAULT_FOLDER = ".headwater"
REMOTE_SECONDS = 5.0  # an object store is not written to more often than this


class States(Protocol):
    """A place for the state of one pipeline."""

    def read(self) -> dict[str, Any] | None:
        """Return the state; None where there is none."""

    def keep(self, state: str, *, is_last: bool = False) -> None:
        """Keep a state that the target has released."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs of the pipeline off."""


class StoredStates:
    """A file in a folder, or at a URL that fsspec knows.

    Args:
        place: The folder or URL.
        name: The pipeline's name.
    """

    def __init__(self, place: str, name: str):
        self._place = place
        self._file = f"{name}.json"
        self._store = store_for(place)
        self._is_remote = "://" in place and not place.startswith("file://")
        self._written_at = 0.0
        self._written: str | None = None

    def read(self) -> dict[str, Any] | None:
        """Return the state; None where there is none.

        Raises:
            ConfigError: what is there is no state.
        """
        content = self._store.read(self._file)
        if content is None:
            return None
        try:
            value = json.loads(content)
        except ValueError as fault:
            raise ConfigError(f"{self._place}/{self._file} is not a state: {fault}.") from fault
        return dict(value)

    def keep(self, state: str, *, is_last: bool = False) -> None:
        """Write the state whole; at a URL not at each one, but at the last.

        Raises:
            LoadError: it cannot be written.
        """
        is_due = time.monotonic() - self._written_at >= REMOTE_SECONDS
        if state == self._written or (self._is_remote and not is_last and not is_due):
            return
        try:
            self._store.write(self._file, lambda place: _write(place, state))
        except OSError as fault:
            raise LoadError(
                f"cannot keep the state in {self._place}: {fault}.",
                advice="What is loaded stays; the next run begins at the state before.",
            ) from fault
        self._written, self._written_at = state, time.monotonic()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs of this machine off.

        Raises:
            ConfigError: another run has the pipeline.
        """
        if self._is_remote:
            yield
            return
        folder = Path(self._place.removeprefix("file://")).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / f".{self._file}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as fault:
                raise ConfigError(
                    "another run of this pipeline is under way.",
                    advice="Wait for it, or give this one another --id.",
                ) from fault
            yield
        finally:
            os.close(lock)


class DestinationStates:
    """The destination's own table: committed with the rows, so nothing is kept here.

    Args:
        content: What the target prints for `--state`.
    """

    def __init__(self, content: bytes):
        self._content = content

    def read(self) -> dict[str, Any] | None:
        """Return the state; None where there is none."""
        value = json.loads(self._content or b"{}")
        return dict(value) if value else None

    def keep(self, state: str, *, is_last: bool = False) -> None:
        """Do nothing: the target has kept it."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Do nothing: the destination's locks are its own."""
        yield


def _write(place: Path, state: str) -> None:
    place.write_text(state + "\n", encoding="utf-8")
