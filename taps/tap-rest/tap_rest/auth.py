"""Authenticators that config declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from headwater.auth import (
    APIKey,
    Authenticator,
    Basic,
    Bearer,
    ClientCredentials,
    Endpoint,
    ExpiringToken,
    Headers,
    JWTBearer,
    Password,
    Pool,
    RefreshToken,
    SessionLogin,
    Token,
    TokenStore,
)
from headwater.auth.expiring import REFRESH_MARGIN
from headwater.http import Client, Request
from headwater.rate_limit import HeaderBudget

Declaration = Mapping[str, Any]


class Authenticators:
    """Makes authenticators from declarations.

    Args:
        api_url: What the path of a session's request is below.
        client: Makes what sends the request of a session.
        token_store: Where rotated refresh tokens are kept.
    """

    def __init__(self, api_url: str, client: Callable[[], Client], token_store: str | None):
        self._api_url = api_url.rstrip("/")
        self._client = client
        self._token_store = token_store

    def one(self, auth: Declaration) -> Authenticator:
        """Return the authenticator that a declaration describes."""
        kind = auth["type"]
        if kind == "api_key":
            in_header = auth.get("header") or (None if auth.get("param") else "X-API-Key")
            return APIKey(auth["key"], header=in_header, param=auth.get("param"))
        if kind == "headers":
            return Headers(auth["headers"])
        if kind == "basic":
            return Basic(auth["username"], auth["password"])
        if kind == "bearer":
            return Bearer(auth["token"])
        margin = auth.get("refresh_margin")
        return ExpiringToken(
            self._fetch(kind, auth),
            margin=REFRESH_MARGIN if margin is None else timedelta(seconds=margin),
            header=auth.get("header", "Authorization"),
            form=auth.get("form", "Bearer {token}"),
        )

    def pool(self, auths: list[Declaration], headers: Declaration) -> Pool:
        """Return several authenticators that are used together, each under its own budget."""
        return Pool.of([self.one(auth) for auth in auths], partial(HeaderBudget, **headers))

    def _fetch(self, kind: str, auth: Declaration) -> Callable[[], Token]:
        if kind == "session":
            asked = auth["request"]
            path = asked["path"]
            request = Request(
                path if path.startswith("http") else self._api_url + path,
                method=asked.get("method", "POST"),
                params=asked.get("params") or {},
                headers=asked.get("headers") or {},
                json=asked.get("body"),
                data=asked.get("form"),
            )
            return SessionLogin(
                self._client(),
                request,
                token=auth["token_path"],
                lifetime=_seconds(auth.get("lifetime")),
                expires_in=auth.get("expires_in"),
            )
        endpoint = Endpoint(
            auth["token_url"],
            client_id=auth.get("client_id", ""),
            client_secret=auth.get("client_secret", ""),
            in_header=auth.get("in_header", False),
            scope=auth.get("scope"),
            extra=auth.get("extra") or {},
            lifetime=_seconds(auth.get("lifetime")),
        )
        if kind == "oauth_client_credentials":
            return ClientCredentials(endpoint)
        if kind == "oauth_password":
            return Password(endpoint, auth["username"], auth["password"])
        if kind == "oauth_refresh_token":
            store = TokenStore("tap-rest", auth["client_id"], self._token_store)
            return RefreshToken(endpoint, auth["refresh_token"], store)
        return JWTBearer(
            endpoint,
            auth["private_key"],
            issuer=auth["issuer"],
            subject=auth.get("subject"),
            audience=auth.get("audience"),
            algorithm=auth.get("algorithm", "RS256"),
        )


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)
