"""The budget that config declares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwater.http.client import Limiter
from headwater.rate_limit import (
    Bucket,
    Budget,
    FileBucket,
    HeaderBudget,
    HeaderLimiter,
    RedisBucket,
    Window,
)


def limiter(declaration: Mapping[str, Any], store: str | None, api_url: str) -> Limiter:
    """Return what keeps requests under a declared budget.

    Args:
        declaration: `windows` and `headers` of the config.
        store: Where processes count together; None: this process counts its own requests.
        api_url: What the budget is for, where a store holds several.
    """
    windows = [Window(**window) for window in declaration.get("windows") or ()]
    # without windows it is still what a 429 closes for all threads
    budget = Budget(*windows, bucket=_bucket(store, api_url) if store else None)
    headers = declaration.get("headers")
    return HeaderLimiter(HeaderBudget(**headers), budget) if headers else budget


def _bucket(store: str, api_url: str) -> Bucket:
    if store.startswith(("redis://", "rediss://", "unix://")):
        digest = hashlib.blake2b(api_url.encode(), digest_size=6).hexdigest()
        return RedisBucket(store, digest)
    return FileBucket(Path(store).expanduser())
