"""Fixtures for tests of taps and targets: `postgres`, and cassettes without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater.testing.cassettes import vcr_options
from headwater.testing.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, Any]]:
    """Yield target-postgres' settings for a real server."""
    server = Postgres()
    yield server.config
    server.close()


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    """Return the options under which a cassette holds no secret."""
    return vcr_options()
