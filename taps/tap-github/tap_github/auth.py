"""How tap-github authenticates: tokens and Apps, each under its own rate limit.

Source: docs.github.com/en/rest/authentication, docs.github.com/en/rest/using-the-rest-api.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from headwater.auth import Authenticator, Bearer, ExpiringToken, Pool, Token
from headwater.clock import SYSTEM, parse_rfc3339
from headwater.errors import AuthError, ConfigError
from headwater.http import Client, Request, Response
from headwater.rate_limit import HeaderBudget
from headwater.retry import RetryPolicy
from headwater.secrets.redaction import REDACTOR

JWT_BACKDATED = timedelta(seconds=60)
JWT_LIFETIME = timedelta(minutes=9)  # GitHub accepts 10 at most, by its own clock


def authenticator(config: Mapping[str, Any], headers: Mapping[str, str]) -> Pool:
    """Return all credentials of a config as one authenticator.

    Raises:
        ConfigError: an App's key is not of the documented form.
    """
    tokens = [config.get("auth_token"), *(config.get("additional_auth_tokens") or ())]
    credentials: list[Authenticator] = [Bearer(token) for token in tokens if token]
    margin = timedelta(minutes=config["expiry_time_buffer"])
    client = Client(retry=RetryPolicy(), headers=headers)
    for key in config.get("auth_app_keys") or ():
        app = App(key, str(config["api_url"]).rstrip("/"), client)
        credentials.append(ExpiringToken(app.installation_token, margin=margin))
    budget = partial(
        HeaderBudget,
        remaining="X-RateLimit-Remaining",
        reset="X-RateLimit-Reset",
        resource="X-RateLimit-Resource",
        limit="X-RateLimit-Limit",
        reserve=config["rate_limit_buffer"],
    )
    return Pool.of(credentials or [Authenticator()], budget)


class App:
    """A GitHub App: its key signs a JWT, which is exchanged for an installation's token.

    Args:
        key: `APP_ID;;PRIVATE_KEY` or `APP_ID;;PRIVATE_KEY;;INSTALLATION_ID`.
        api_url: The REST API's URL.
        client: Sends the requests.

    Raises:
        ConfigError: the key is not of that form.
    """

    def __init__(self, key: str, api_url: str, client: Client):
        parts = key.split(";;")
        if len(parts) not in (2, 3) or not all(part.strip() for part in parts):
            raise ConfigError(
                "an entry of setting 'auth_app_keys' is not "
                "'APP_ID;;PRIVATE_KEY' or 'APP_ID;;PRIVATE_KEY;;INSTALLATION_ID'."
            )
        self._app_id = parts[0].strip()
        self._private_key = parts[1].strip().replace("\\n", "\n")
        REDACTOR.add(self._private_key)
        self._installation = parts[2].strip() if len(parts) == 3 else None
        self._api_url = api_url
        self._client = client

    def installation_token(self) -> Token:
        """Ask for a token of the App's installation; it lives for an hour.

        Raises:
            AuthError: GitHub refuses the App, or the App is installed nowhere.
        """
        installation = self._installation or self._first_installation()
        answer = self._ask("POST", f"/app/installations/{installation}/access_tokens")
        return Token(answer["token"], parse_rfc3339(answer["expires_at"]))

    def _first_installation(self) -> str:
        installations = self._ask("GET", "/app/installations")
        if not installations:
            raise AuthError(
                f"the GitHub App {self._app_id} is installed nowhere.",
                advice="Install it on an organization or account, or check 'auth_app_keys'.",
            )
        self._installation = str(installations[0]["id"])
        return self._installation

    def _ask(self, method: str, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self._jwt()}"}
        answer = self._client.send(Request(self._api_url + path, method=method, headers=headers))
        if not isinstance(answer, Response):
            raise AuthError(f"{method} {path} was not answered.")
        return answer.value()

    def _jwt(self) -> str:
        import jwt

        now = SYSTEM.now()
        claims = {"iss": self._app_id, "iat": now - JWT_BACKDATED, "exp": now + JWT_LIFETIME}
        try:
            signed = jwt.encode(claims, self._private_key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError) as fault:
            raise ConfigError(
                f"the private key of GitHub App {self._app_id} in setting 'auth_app_keys' "
                "is not an RSA key in PEM."
            ) from fault
        REDACTOR.add(signed)
        return signed
