"""Compression of text files."""

from __future__ import annotations

import gzip

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
        try:
            import zstandard
        except ImportError as fault:
            raise ConfigError(
                "zstd needs zstandard.", advice="Install headwater-target-files[zstd]."
            ) from fault
        return zstandard.ZstdCompressor().compress(content)
    return content
