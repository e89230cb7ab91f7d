"""Files anywhere: local folders, and whatever fsspec has a URL for."""

from headwater.storage.store import Store, store_for

__all__ = ["Store", "store_for"]
