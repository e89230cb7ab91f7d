"""Other people's plugins, from the package index, each in an environment of its own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

# old plugins have no wheels for the newest Pythons
PYTHONS = (sys.executable, "3.11", "3.12", "3.10")


class NotInstallableError(Exception):
    """The package index or this machine's Pythons do not give us the plugin."""


def peer(folder: Path, *requirements: str) -> Path:
    """Return the folder of a plugin's executables, installed below `folder` at its first use.

    Raises:
        NotInstallableError: it cannot be installed here.
    """
    digest = hashlib.blake2b("\n".join(requirements).encode(), digest_size=4).hexdigest()
    place = folder / f"{requirements[0].partition('=')[0].partition('[')[0]}-{digest}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            _install(place, requirements)
            (place / "ready").touch()
    return place / "bin"


def _install(place: Path, requirements: tuple[str, ...]) -> None:
    uv = shutil.which("uv", path=f"{Path.cwd() / '.tools/bin'}:{os.environ.get('PATH', '')}")
    if uv is None:
        raise NotInstallableError("uv is not on the path; ./run installs it")
    problems = []
    for python in PYTHONS:
        commands = (
            [uv, "venv", "-q", "--clear", "--no-python-downloads", "--python", python, place],
            [uv, "pip", "install", "-q", "--only-binary", "psycopg2-binary", "--python",
             place / "bin/python", *requirements],
        )  # fmt: skip
        for command in commands:
            done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
            if done.returncode:
                problems.append(done.stderr.strip()[-300:])
                break
        else:
            return
    raise NotInstallableError("; ".join(problems))
