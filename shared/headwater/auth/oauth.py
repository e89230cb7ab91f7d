"""OAuth 2.0: client credentials, password, refresh token, JWT bearer; and session logins."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from headwater.auth.expiring import Token
from headwater.auth.token_store import TokenStore
from headwater.clock import SYSTEM, Clock
from headwater.errors import AuthError, ConfigError, HeadwaterError, PermanentError
from headwater.http import Client, ErrorTable, GiveUp, Request, Response, Rule
from headwater.retry import RetryPolicy
from headwater.secrets.redaction import REDACTOR

JWT_LIFETIME = timedelta(minutes=5)
IDLE_ADVICE = (
    "A refresh token expires when it has not been used for a while, and when its user changes the "
    "password or withdraws the permission. Authorize the connection again, and put the new "
    "refresh token into setting '{setting}'."
)


@dataclass(frozen=True)
class Endpoint:
    """An authorization server's token endpoint.

    Args:
        url: The endpoint.
        client_id: Who we are.
        client_secret: Our secret.
        in_header: Whether id and secret go as HTTP basic, as RFC 6749 prefers, or in the form.
        scope: The permissions to ask for.
        lifetime: How long a token lives, where the server does not say.
        extra: More fields of the form (`audience`, say).
        clock: Time.
    """

    url: str
    client_id: str = ""
    client_secret: str = ""
    in_header: bool = False
    scope: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    lifetime: timedelta | None = None
    clock: Clock = SYSTEM

    def ask(self, form: Mapping[str, str], *, setting: str) -> dict[str, Any]:
        """Return the endpoint's answer to a grant.

        Args:
            form: The grant's fields.
            setting: The setting that is at fault where the grant is refused.

        Raises:
            AuthError: the grant is refused; says which setting to look at.
        """
        REDACTOR.add(self.client_secret, *(v for k, v in form.items() if k in SECRET_FIELDS))
        fields = {**form, **self.extra}
        if self.scope:
            fields["scope"] = self.scope
        headers = {"Accept": "application/json"}
        if self.in_header:
            from headwater.auth.static import Basic

            headers["Authorization"] = Basic(self.client_id, self.client_secret).header
        else:
            fields |= {"client_id": self.client_id, "client_secret": self.client_secret}
        client = Client(
            retry=RetryPolicy(),
            errors=ErrorTable([Rule((400, 401, 403), _refused(setting))]),
            clock=self.clock,
        )
        filled = {name: value for name, value in fields.items() if value}
        answer = client.send(Request(self.url, method="POST", data=filled, headers=headers))
        body = answer.value() if isinstance(answer, Response) else None
        if not isinstance(body, dict) or not isinstance(body.get("access_token"), str):
            raise AuthError(f"{self.url} answered without an access token.")
        REDACTOR.add(body["access_token"], body.get("refresh_token"))
        return body

    def token(self, body: Mapping[str, Any]) -> Token:
        """Return the access token of an answer."""
        seconds = body.get("expires_in")
        life = timedelta(seconds=float(seconds)) if seconds is not None else self.lifetime
        return Token(body["access_token"], self.clock.now() + life if life else None)


SECRET_FIELDS = frozenset({"refresh_token", "assertion", "client_secret", "password"})


def _refused(setting: str) -> Callable[[Response, datetime], GiveUp]:
    def verdict(response: Response, now: datetime) -> GiveUp:  # noqa: ARG001  a rule's shape
        try:
            body = response.value()
        except HeadwaterError:
            body = {}
        code = str(body.get("error", "")) if isinstance(body, dict) else ""
        text = str(body.get("error_description") or "") if isinstance(body, dict) else ""
        said = f"{code}: {text}" if text else code or response.excerpt()[:200]
        if code == "invalid_grant" and setting == "refresh_token":
            advice = IDLE_ADVICE.format(setting=setting)
        elif code in ("invalid_client", "unauthorized_client"):
            advice = "Check settings 'client_id' and 'client_secret'."
        else:
            advice = f"Check setting '{setting}'."
        url = response.request
        return GiveUp(AuthError(f"{url} refused the credentials ({said}).", advice=advice))

    return verdict


class ClientCredentials:
    """The grant of RFC 6749, section 4.4: we act for ourselves."""

    def __init__(self, endpoint: Endpoint):
        self._endpoint = endpoint

    def __call__(self) -> Token:
        """Ask for a token."""
        form = {"grant_type": "client_credentials"}
        return self._endpoint.token(self._endpoint.ask(form, setting="client_secret"))


class Password:
    """The grant of RFC 6749, section 4.3: a user's name and password, where an API insists."""

    def __init__(self, endpoint: Endpoint, username: str, password: str):
        REDACTOR.add(password)
        self._endpoint = endpoint
        self._form = {"grant_type": "password", "username": username, "password": password}

    def __call__(self) -> Token:
        """Ask for a token."""
        return self._endpoint.token(self._endpoint.ask(self._form, setting="password"))


class RefreshToken:
    """The grant of RFC 6749, section 6: we act for a user who has authorized us.

    A server that rotates hands out a new refresh token each time, and the old one is dead from
    then on: the new one is saved before anything else happens.

    Args:
        endpoint: The token endpoint.
        refresh_token: The one in the settings.
        store: Where rotated ones are kept; what is there wins over the settings, unless the
            settings have changed since.
    """

    def __init__(self, endpoint: Endpoint, refresh_token: str, store: TokenStore):
        REDACTOR.add(refresh_token)
        self._endpoint = endpoint
        self._configured = refresh_token
        self._store = store

    def __call__(self) -> Token:
        """Ask for a token; two processes do not use one refresh token at once."""
        with self._store.locked() as kept:
            current = kept.refresh_token_for(self._configured)
            REDACTOR.add(current)
            form = {"grant_type": "refresh_token", "refresh_token": current}
            body = self._endpoint.ask(form, setting="refresh_token")
            rotated = body.get("refresh_token")
            if isinstance(rotated, str) and rotated and rotated != current:
                kept.save(self._configured, rotated)
        return self._endpoint.token(body)


class JWTBearer:
    """The grant of RFC 7523: a JWT that our key has signed.

    Args:
        endpoint: The token endpoint.
        private_key: The key, in PEM.
        issuer: The claim `iss`.
        subject: The claim `sub`; by default the issuer.
        audience: The claim `aud`; by default the endpoint.
        algorithm: How it is signed.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        private_key: str,
        *,
        issuer: str,
        subject: str | None = None,
        audience: str | None = None,
        algorithm: str = "RS256",
    ):
        REDACTOR.add(private_key)
        self._endpoint = endpoint
        self._private_key = private_key.replace("\\n", "\n")
        self._claims = {
            "iss": issuer,
            "sub": subject or issuer,
            "aud": audience or endpoint.url,
        }
        self._algorithm = algorithm

    def __call__(self) -> Token:
        """Ask for a token.

        Raises:
            ConfigError: the key cannot sign.
        """
        try:
            import jwt
        except ImportError as fault:
            raise ConfigError("a JWT needs PyJWT.", advice="Install headwater[jwt].") from fault
        now = self._endpoint.clock.now()
        claims = {**self._claims, "iat": now, "exp": now + JWT_LIFETIME, "jti": uuid.uuid4().hex}
        try:
            signed = jwt.encode(claims, self._private_key, algorithm=self._algorithm)
        except (ValueError, TypeError, jwt.PyJWTError) as fault:
            raise ConfigError(
                f"setting 'private_key' is not a key that signs with {self._algorithm}."
            ) from fault
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": signed,
        }
        return self._endpoint.token(self._endpoint.ask(form, setting="private_key"))


class SessionLogin:
    """Logs in for a token that the API takes until it ends: not OAuth, but the same life.

    Args:
        client: Sends the request.
        request: The request that logs in.
        token: Where in the answer the token is, as JSONPath, or `header:NAME`.
        lifetime: How long a token lives, where the API does not say.
        expires_in: Where in the answer the seconds are that it lives.
    """

    def __init__(
        self,
        client: Client,
        request: Request,
        *,
        token: str,
        lifetime: timedelta | None = None,
        expires_in: str | None = None,
    ):
        self._client = client
        self._request = request
        self._token = token
        self._lifetime = lifetime
        self._expires_in = expires_in

    def __call__(self) -> Token:
        """Log in.

        Raises:
            AuthError: the API refuses, or answers without a token.
        """
        from headwater.jsonpath import find

        try:
            answer = self._client.send(self._request)
        except PermanentError as fault:
            raise AuthError(
                f"logging in was refused: {fault.message}", advice="Check setting 'auth'."
            ) from fault
        if not isinstance(answer, Response):
            raise AuthError(f"{self._request} was not answered.")
        if self._token.startswith("header:"):
            value = answer.headers.get(self._token.removeprefix("header:"))
        else:
            value = find(answer.value(), self._token)
        if not value:
            raise AuthError(
                f"{self._request} answered without a token at '{self._token}'.",
                advice="Check setting 'auth.token'.",
            )
        lifetime = self._lifetime
        if self._expires_in and (seconds := find(answer.value(), self._expires_in)):
            lifetime = timedelta(seconds=float(seconds))
        now = datetime.now(timezone.utc)
        return Token(str(value), now + lifetime if lifetime else None)
