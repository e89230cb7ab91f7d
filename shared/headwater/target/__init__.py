"""The base of every target."""

from headwater.target.base import Target

__all__ = ["Target"]
