"""Paginators: how to ask for the first page, the next one, and know that it was the last."""

from headwater.pagination.base import Allowance, Page, Pagination, Paginator, SinglePage
from headwater.pagination.body import CursorInBody, GraphQLConnection, NextURL
from headwater.pagination.counted import Offset, PageNumber
from headwater.pagination.link import LinkHeader
from headwater.pagination.since import SortedSince
from headwater.pagination.windows import TimeWindows

__all__ = [
    "Allowance",
    "CursorInBody",
    "GraphQLConnection",
    "LinkHeader",
    "NextURL",
    "Offset",
    "Page",
    "PageNumber",
    "Pagination",
    "Paginator",
    "SinglePage",
    "SortedSince",
    "TimeWindows",
]
