"""Keeps secrets out of everything that is written for people."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

MASK = "********"
SHORTEST_SECRET = 4  # shorter texts occur by chance, and masking them would garble the log
SECRET_PARAMETERS = re.compile(
    r"(?i)(token|secret|password|passwd|api[_-]?key|apikey|auth|signature|credential)"
)


class Redactor:
    """Replaces known secrets in a text.

    Secrets are added while a run goes on (a refreshed token, say); every spelling in
    which a secret can appear (quoted in a URL, escaped in JSON, line by line) is masked.
    """

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, *secrets: str | None) -> None:
        """Mask these texts from now on."""
        before = len(self._secrets)
        for secret in secrets:
            for text in _spellings(secret or ""):
                if len(text) >= SHORTEST_SECRET:
                    self._secrets.add(text)
        if len(self._secrets) != before:
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        """Return the text with every known secret masked."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def _spellings(secret: str) -> Iterable[str]:
    yield secret
    yield secret.strip()
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    for line in secret.splitlines():
        # a line of a key file that is too common to be secret stays readable
        if not line.startswith("-----"):
            yield line.strip()


REDACTOR = Redactor()


class RedactingFormatter(logging.Formatter):
    """A log formatter whose every output, tracebacks included, is redacted."""

    def __init__(self, inner: logging.Formatter, redactor: Redactor = REDACTOR):
        super().__init__()
        self._inner = inner
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the formatted and redacted line."""
        return self._redactor.redact(self._inner.format(record))


def redact_url(url: str) -> str:
    """Return a URL without user info and without the values of parameters that name a secret."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = urlencode(
        [
            (name, MASK if SECRET_PARAMETERS.search(name) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ],
        safe="*:/,",
    )
    return REDACTOR.redact(urlunsplit((parts.scheme, host, parts.path, query, "")))
