"""Authenticators: small values handed to a client."""

from headwater.auth.expiring import ExpiringToken, Token
from headwater.auth.oauth import (
    ClientCredentials,
    Endpoint,
    JWTBearer,
    Password,
    RefreshToken,
    SessionLogin,
)
from headwater.auth.pool import Pool
from headwater.auth.reloading import Reloading
from headwater.auth.static import APIKey, Authenticator, Basic, Bearer, Headers
from headwater.auth.token_store import TokenStore

__all__ = [
    "APIKey",
    "Authenticator",
    "Basic",
    "Bearer",
    "ClientCredentials",
    "Endpoint",
    "ExpiringToken",
    "Headers",
    "JWTBearer",
    "Password",
    "Pool",
    "RefreshToken",
    "Reloading",
    "SessionLogin",
    "Token",
    "TokenStore",
]
