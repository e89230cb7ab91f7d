"""The base of every tap."""

from headwater.tap.base import Tap

__all__ = ["Tap"]
