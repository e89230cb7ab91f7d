"""Compression of text files."""

from __future__ import annotations

import gzip
from typing import Any

from headwater.errors import ConfigError

SUFFIXES = {"none": "", "gzip": ".gz", "zstd": ".zst"}
GZIP_LEVEL = 6


def compress(content: bytes, compression: str) -> bytes:
    """Return content, compressed; parts that follow each other in a file read as one.

    Raises:
        ConfigError: what compresses is not installed.
    """
    if compression == "gzip":
        return gzip.compress(content, GZIP_LEVEL, mtime=0)
    if compression == "zstd":
        packed: bytes = _zstandard().ZstdCompressor().compress(content)
        return packed
    return content


def decompress(content: bytes, name: str) -> bytes:
    """Return what a file of this name holds.

    Raises:
        ConfigError: what decompresses is not installed.
    """
    if name.endswith(SUFFIXES["gzip"]):
        return gzip.decompress(content)
    if name.endswith(SUFFIXES["zstd"]):
        reader = _zstandard().ZstdDecompressor().decompressobj(read_across_frames=True)
        found: bytes = reader.decompress(content)
        return found
    return content


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as fault:
        raise ConfigError(
            "zstd needs zstandard.", advice="Install headwater-target-files[zstd]."
        ) from fault
    return zstandard
