"""Fixtures for tests of taps and targets: `postgres`, and cassettes without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater.testing.postgres import Postgres

SECRET_HEADERS = ("Authorization", "X-API-Key", "Cookie", "Set-Cookie")


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, Any]]:
    """Yield target-postgres' settings for a real server."""
    server = Postgres()
    yield server.config
    server.close()


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    """Return what vcrpy leaves out of cassettes."""
    return {
        "filter_headers": [(name, "SCRUBBED") for name in SECRET_HEADERS],
        "decode_compressed_response": True,
    }
