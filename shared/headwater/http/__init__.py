"""The one place where a request is sent."""

from headwater.http.client import Client
from headwater.http.judge import (
    ErrorTable,
    GiveUp,
    NotModified,
    Ok,
    RefreshCredentials,
    Retry,
    Rule,
    Skip,
    Verdict,
)
from headwater.http.message import Request, Response

__all__ = [
    "Client",
    "ErrorTable",
    "GiveUp",
    "NotModified",
    "Ok",
    "RefreshCredentials",
    "Request",
    "Response",
    "Retry",
    "Rule",
    "Skip",
    "Verdict",
]
