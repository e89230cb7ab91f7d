"""Authenticators: small values handed to a client."""

from headwater.auth.expiring import ExpiringToken, Token
from headwater.auth.pool import Pool
from headwater.auth.static import APIKey, Authenticator, Basic, Bearer

__all__ = ["APIKey", "Authenticator", "Basic", "Bearer", "ExpiringToken", "Pool", "Token"]
