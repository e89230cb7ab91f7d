"""Writes files that are whole or not there: local folders, and any URL that fsspec knows."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from headwater.errors import ConfigError

Write = Callable[[Path], None]


class Store(Protocol):
    """A place for files, by names with `/` between folders.

    Raises:
        OSError: the place refused (fsspec's file systems raise its kinds too).
    """

    def write(self, name: str, write: Write) -> None:
        """Have a file written, which appears under its name when it is whole and durable."""

    def read(self, name: str) -> bytes | None:
        """Return what a file holds; None where there is none."""

    def names(self) -> list[str]:
        """Return the names of the files at the top, oldest first."""

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""


class LocalStore:
    """A folder of this machine."""

    def __init__(self, folder: Path):
        self._folder = folder

    def write(self, name: str, write: Write) -> None:
        """Have a file written beside its place, then moved there."""
        place = self._folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        # a dot file: a glob of *.jsonl does not pick up what is not whole
        partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
        try:
            write(partial)
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(place)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(place.parent)

    def read(self, name: str) -> bytes | None:
        """Return what a file holds; None where there is none."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """Return the names of the files at the top, oldest first."""
        if not self._folder.is_dir():
            return []
        files = [place for place in self._folder.iterdir() if place.is_file()]
        whole = [place for place in files if not place.name.startswith(".")]
        return [place.name for place in sorted(whole, key=lambda place: place.stat().st_mtime_ns)]

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        (self._folder / name).unlink(missing_ok=True)


class RemoteStore:
    """A folder that fsspec reaches: an object there appears when its upload is complete."""

    def __init__(self, filesystem: Any, root: str):
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    def write(self, name: str, write: Write) -> None:
        """Have a file written here, then uploaded as a whole."""
        with tempfile.TemporaryDirectory(prefix="headwater-") as folder:
            local = Path(folder) / PurePosixPath(name).name
            write(local)
            self._filesystem.put_file(str(local), f"{self._root}/{name}")

    def read(self, name: str) -> bytes | None:
        """Return what a file holds; None where there is none."""
        try:
            content: bytes = self._filesystem.cat_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return None
        return content

    def names(self) -> list[str]:
        """Return the names of the files at the top, oldest first."""
        self._filesystem.invalidate_cache(self._root)
        try:
            found = self._filesystem.ls(self._root, detail=True)
        except FileNotFoundError:
            return []
        files = [entry for entry in found if entry["type"] == "file"]
        moment = ("LastModified", "mtime", "updated", "created")
        files.sort(key=lambda entry: str(next((entry[m] for m in moment if m in entry), "")))
        return [PurePosixPath(entry["name"]).name for entry in files]

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(f"{self._root}/{name}")


def store_for(url: str, options: Mapping[str, Any] | None = None) -> Store:
    """Return the store at a path or URL.

    Args:
        url: A path, or a URL such as `s3://bucket/folder`.
        options: What fsspec's file system takes: keys, an endpoint.

    Raises:
        ConfigError: no file system is installed for the URL.
    """
    scheme, mark, _ = url.partition("://")
    if not mark or scheme in ("file", "local"):
        return LocalStore(Path(url.partition("://")[2] if mark else url).expanduser())
    try:
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(url, **dict(options or {}))
    except ImportError as fault:
        raise ConfigError(
            f"nothing is installed that writes to {scheme}: URLs ({fault}).",
            advice="Install the extra of that name, for example [s3] or [gcs].",
        ) from fault
    except ValueError as fault:
        raise ConfigError(
            f"'{scheme}://' is not a place that can be written to: {fault}."
        ) from fault
    return RemoteStore(filesystem, root)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)
