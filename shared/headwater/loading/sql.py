"""What SQL destinations share: quoting, and the statements of a merge."""

from __future__ import annotations

import re
from collections.abc import Iterable


def quote(name: str) -> str:
    """Return an identifier in quotes."""
    return '"' + name.replace('"', '""').replace("\0", "") + '"'


def names(columns: Iterable[str]) -> str:
    """Return a list of quoted identifiers."""
    return ", ".join(map(quote, columns))


def table_name(stream: str) -> str:
    """Return the table of a stream: `schema-table` streams of database taps keep the table."""
    return re.sub(r"\s+", "_", stream.strip())
