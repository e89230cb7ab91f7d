"""An HTTP server on loopback that answers from a function, and can misbehave on purpose."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

RESET = "reset"
TRUNCATE = "truncate"
TRICKLE = "trickle"
TRICKLE_PIECES, TRICKLE_SECONDS = 20, 0.05


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it; `params` holds the last value of each parameter."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    query: str = ""

    def json(self) -> Any:
        """Return the body's value."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What the server sends.

    Args:
        status: The status.
        body: A value to send as JSON, or bytes to send as they are.
        headers: Headers, over those that are always sent.
        fault: How the connection misbehaves: `reset`, `truncate` or `trickle`.
        delay: Seconds before anything is sent.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    delay: float = 0.0

    def content(self) -> bytes:
        """Return the body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


class Server:
    """Answers requests on a free port of 127.0.0.1 until it is closed.

    Args:
        answer: Makes the answer to a request.

    Attributes:
        url: Where it listens.
        asked: Every request so far, in order.
    """

    def __init__(self, answer: Callable[[Asked], Answer], port: int = 0):
        self.asked: list[Asked] = []
        self._answer = answer
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                parts = urlsplit(self.path)
                asked = Asked(
                    self.command,
                    parts.path,
                    {k: v[-1] for k, v in parse_qs(parts.query, keep_blank_values=True).items()},
                    {k.lower(): v for k, v in self.headers.items()},
                    self.rfile.read(length) if length else b"",
                    parts.query,
                )
                with owner._lock:
                    owner.asked.append(asked)
                answer = owner._answer(asked)
                if answer.delay:
                    time.sleep(answer.delay)
                if answer.fault == RESET:
                    self.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
                    )
                    self.close_connection = True
                    self.connection.close()
                    return
                content = answer.content()
                self.send_response(answer.status)
                for name, value in {
                    "Content-Type": "application/json; charset=utf-8",
                    **answer.headers,
                }.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if answer.fault == TRUNCATE:
                    content = content[: len(content) // 2]
                    self.close_connection = True
                if answer.fault == TRICKLE:
                    self._trickle(content)
                self.wfile.write(content if answer.fault != TRICKLE else b"")
                self.wfile.flush()

            def _trickle(self, content: bytes) -> None:
                size = len(content) // TRICKLE_PIECES + 1
                for start in range(0, len(content), size):
                    self.wfile.write(content[start : start + size])
                    self.wfile.flush()
                    time.sleep(TRICKLE_SECONDS)

            do_GET = do_POST = do_PUT = _serve  # noqa: N815  names of http.server

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Write nothing: the tests read `asked`."""

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that went away is no error of the server's."""

        self._http = Listener(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
