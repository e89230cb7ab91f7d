"""An ssh tunnel to the database's host, by paramiko."""

from __future__ import annotations

import contextlib
import io
import select
import socket
import threading
from collections.abc import Mapping
from typing import Any

import paramiko
from headwater.errors import ConfigError

CHUNK = 64 * 1024


class Tunnel:
    """Forwards a free port of 127.0.0.1 to a host and port behind an ssh server.

    Args:
        settings: `host`, `port`, `username`, `private_key`, `private_key_password`,
            `host_key` (the server's, as in known_hosts; without it, the user's known_hosts).
        host: The database's host, as the ssh server sees it.
        port: Its port.

    Attributes:
        port: The local port.

    Raises:
        ConfigError: the ssh server cannot be reached or refuses the key.
    """

    def __init__(self, settings: Mapping[str, Any], host: str, port: int):
        self._target = (host, port)
        self._client = paramiko.SSHClient()
        self._client.load_system_host_keys()
        # an unknown server is refused: who answers would see the database's password
        self._client.set_missing_host_key_policy(paramiko.RejectPolicy())
        place = (str(settings.get("host")), int(settings.get("port") or 22))
        if settings.get("host_key"):
            kind, _, text = str(settings["host_key"]).partition(" ")
            entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{_known(place)} {kind} {text}")
            if entry is None or entry.key is None:
                raise ConfigError("setting 'ssh_tunnel.host_key' is not a line of known_hosts.")
            self._client.get_host_keys().add(_known(place), entry.key.get_name(), entry.key)
        try:
            self._client.connect(
                place[0],
                place[1],
                username=settings.get("username"),
                pkey=_private_key(settings),
                timeout=15,
                allow_agent=False,
                look_for_keys=False,
            )
        except (paramiko.SSHException, OSError) as fault:
            raise ConfigError(
                f"cannot open the ssh tunnel by {place[0]}:{place[1]}: {fault}.",
                advice="Check the settings in 'ssh_tunnel'.",
            ) from fault
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Close the tunnel."""
        self._listener.close()
        self._client.close()

    def _accept(self) -> None:
        while True:
            try:
                local, origin = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(local, origin), daemon=True).start()

    def _forward(self, local: socket.socket, origin: tuple[str, int]) -> None:
        transport = self._client.get_transport()
        if transport is None:
            local.close()
            return
        with contextlib.closing(local), contextlib.suppress(OSError, paramiko.SSHException):
            remote = transport.open_channel("direct-tcpip", self._target, origin)
            with contextlib.closing(remote):
                while True:
                    ends: list[Any] = [local, remote]
                    readable = select.select(ends, [], [])[0]
                    for source, sink in ((local, remote), (remote, local)):
                        if source in readable:
                            data = source.recv(CHUNK)
                            if not data:
                                return
                            sink.sendall(data)


def _known(place: tuple[str, int]) -> str:
    return place[0] if place[1] == 22 else f"[{place[0]}]:{place[1]}"


def _private_key(settings: Mapping[str, Any]) -> paramiko.PKey:
    text = str(settings.get("private_key") or "").replace("\\n", "\n")
    password = settings.get("private_key_password")
    for kind in (paramiko.Ed25519Key, paramiko.RSAKey, paramiko.ECDSAKey):
        try:
            key: paramiko.PKey = kind.from_private_key(io.StringIO(text), password)
        except (paramiko.SSHException, ValueError):
            continue
        return key
    raise ConfigError("setting 'ssh_tunnel.private_key' is not a private key that can be read.")
