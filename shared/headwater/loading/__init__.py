"""The loading core: plan -> batch -> loader -> state release."""

from headwater.loading.loader import Loader
from headwater.loading.plan import Column, Plan
from headwater.schema.kinds import Kind

__all__ = ["Column", "Kind", "Loader", "Plan"]
