"""The loading core: plan -> batch -> loader -> state release."""

from headwater.loading.loader import Batch, Loader, RefusedRowsError
from headwater.loading.plan import Column, Plan
from headwater.loading.rows import Rows
from headwater.schema.kinds import Kind

__all__ = ["Batch", "Column", "Kind", "Loader", "Plan", "RefusedRowsError", "Rows"]
