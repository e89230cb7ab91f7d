"""Bodies that are not JSON: NDJSON, CSV, XML, and gzip or zip of any of them."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from headwater.errors import ConfigError
from headwater.messages.json import DecodeError, decode_exact

GZIP_MAGIC, ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"


class UndecodableError(ValueError):
    """A body is not of its form; the text says which, and where it ends being so."""


def decode_body(content: bytes, form: str) -> Any:
    """Return the value of a body.

    Args:
        content: The body; gzip and zip are recognized by their first bytes. The files of a
            zip are read one after the other.
        form: `json`, `ndjson`, `csv` or `xml`.

    Raises:
        UndecodableError: the body is not of that form (a cut download, a proxy's page).
    """
    if form == "json" and not content.startswith((GZIP_MAGIC, ZIP_MAGIC)):
        return _json(content)
    parts = [READERS[form](part) for part in _unpacked(content)]
    if len(parts) == 1:
        return parts[0]
    return [record for part in parts for record in (part if isinstance(part, list) else [part])]


def _unpacked(content: bytes) -> list[bytes]:
    try:
        if content.startswith(GZIP_MAGIC):
            return _unpacked(gzip.decompress(content))
        if content.startswith(ZIP_MAGIC):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
                return [part for name in names for part in _unpacked(archive.read(name))]
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as fault:
        raise UndecodableError(f"a whole archive ({fault})") from fault
    return [content]


def _json(content: bytes) -> Any:
    try:
        return decode_exact(content) if content.strip() else None
    except DecodeError as fault:
        raise UndecodableError(f"JSON ({fault})") from fault


def _ndjson(content: bytes) -> Any:
    try:
        return [decode_exact(line) for line in content.split(b"\n") if line.strip()]
    except DecodeError as fault:
        raise UndecodableError(f"JSON lines ({fault})") from fault


def _csv(content: bytes) -> Any:
    try:
        text = content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise UndecodableError(f"CSV ({fault})") from fault
    if not rows:
        return []
    header, *lines = rows
    short = next((n for n, line in enumerate(lines, 2) if line and len(line) != len(header)), None)
    if short is not None:
        raise UndecodableError(
            f"whole CSV (line {short} has another number of fields than its header)"
        )
    return [
        {name: value if value != "" else None for name, value in zip(header, line, strict=True)}
        for line in lines
        if line
    ]


def _xml(content: bytes) -> Any:
    try:
        from defusedxml import ElementTree
        from defusedxml.common import DefusedXmlException
    except ImportError as fault:
        raise ConfigError("XML needs defusedxml.", advice="Install headwater[xml].") from fault
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, DefusedXmlException) as fault:
        raise UndecodableError(f"XML ({fault})") from fault
    return {_name(root.tag): _element(root)}


def _element(element: Any) -> Any:
    """Return an element: attributes as `@name`, children by name (a list where one repeats)."""
    value: dict[str, Any] = {f"@{_name(name)}": text for name, text in element.attrib.items()}
    for child in element:
        name, part = _name(child.tag), _element(child)
        if name not in value:
            value[name] = part
        elif isinstance(value[name], list):
            value[name].append(part)
        else:
            value[name] = [value[name], part]
    text = (element.text or "").strip()
    if not value:
        return text or None
    if text:
        value["#text"] = text
    return value


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


READERS: dict[str, Callable[[bytes], Any]] = {
    "json": _json,
    "ndjson": _ndjson,
    "csv": _csv,
    "xml": _xml,
}
