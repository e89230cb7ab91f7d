"""The loading core: plan -> batch -> loader -> state release."""

from headwater.loading.loader import Loader
from headwater.loading.plan import Column, Kind, Plan

__all__ = ["Column", "Kind", "Loader", "Plan"]
