"""Secrets by reference: a setting names where its value is, and never holds it.

`env:NAME`, `file:PATH#json.path`, `aws-sm://name#json.path`, `vault://mount/path#key`,
`gcp-sm://project/name/version#json.path`. What follows `#` is a path in the JSON that is there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError
from headwater.secrets.redaction import REDACTOR

PREFIXES = ("env:", "file:", "aws-sm://", "vault://", "gcp-sm://")


class References:
    """Resolves references; each place is read once, until `forget`.

    Args:
        endpoints: URLs of secret managers that are not at their usual place, by `aws-sm`,
            `vault`, `gcp-sm`; by default what the environment says (`AWS_ENDPOINT_URL`,
            `VAULT_ADDR`, `GCP_SECRET_MANAGER_ENDPOINT`).
    """

    def __init__(self, endpoints: Mapping[str, str] | None = None):
        self._endpoints = endpoints or {}
        self._cache: dict[str, str] = {}

    def resolve(self, value: Any, place: str = "") -> Any:
        """Return a setting's value with every reference in it replaced by what it names.

        Args:
            value: The value: a text, or a list or mapping with texts in it.
            place: The setting's name, for errors.

        Raises:
            ConfigError: there is nothing at a reference; names the setting, not the secret.
        """
        if isinstance(value, str) and value.startswith(PREFIXES):
            try:
                found = self._at(value)
            except ConfigError as fault:
                raise ConfigError(
                    f"setting '{place}': {fault.message}", advice=fault.advice
                ) from fault
            REDACTOR.add(found)
            return found
        if isinstance(value, Mapping):
            return {
                name: self.resolve(part, f"{place}.{name}" if place else name)
                for name, part in value.items()
            }
        if isinstance(value, list):
            return [self.resolve(part, f"{place}.{n}") for n, part in enumerate(value)]
        return value

    def forget(self) -> None:
        """Read every place again at the next `resolve`."""
        self._cache.clear()

    def _at(self, reference: str) -> str:
        prefix = next(p for p in PREFIXES if reference.startswith(p))
        place, _, path = reference.removeprefix(prefix).partition("#")
        kind = prefix.rstrip(":/")
        key = prefix + place
        if key not in self._cache:
            self._cache[key] = READERS[kind](place, self._endpoints.get(kind))
        return _part(self._cache[key], path, reference)


def is_reference(value: Any) -> bool:
    """Whether a value names a place instead of being a secret."""
    if isinstance(value, Mapping):
        return any(map(is_reference, value.values()))
    if isinstance(value, list):
        return any(map(is_reference, value))
    return isinstance(value, str) and value.startswith(PREFIXES)


def _part(text: str, path: str, reference: str) -> str:
    if not path:
        return text
    try:
        found = json.loads(text)
    except ValueError as fault:
        raise ConfigError(f"what is at {reference} is not JSON.") from fault
    for name in path.split("."):
        if isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            raise ConfigError(f"there is no '{path}' in what is at {reference}.")
    return found if isinstance(found, str) else json.dumps(found)


def _from_environment(name: str, _: str | None) -> str:
    try:
        return os.environ[name]
    except KeyError as fault:
        raise ConfigError(f"the environment variable {name} is not set.") from fault


def _from_file(place: str, _: str | None) -> str:
    try:
        return Path(place).expanduser().read_text(encoding="utf-8").rstrip("\n")
    except OSError as fault:
        raise ConfigError(f"cannot read the file {place}: {fault.strerror}.") from fault


def _from_aws(name: str, endpoint: str | None) -> str:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as fault:
        raise _missing("aws", "boto3") from fault
    try:
        client = boto3.client("secretsmanager", endpoint_url=endpoint)
        answer = client.get_secret_value(SecretId=name)
    except (BotoCoreError, ClientError, ValueError) as fault:
        raise ConfigError(
            f"AWS Secrets Manager gives no secret '{name}': {fault}.",
            advice="Check its name, the region, and the permission secretsmanager:GetSecretValue.",
        ) from fault
    text = answer.get("SecretString")
    return text if isinstance(text, str) else answer["SecretBinary"].decode()


def _from_vault(place: str, endpoint: str | None) -> str:
    try:
        import hvac
        import hvac.exceptions
        import requests
    except ImportError as fault:
        raise _missing("vault", "hvac") from fault
    mount, _, path = place.partition("/")
    try:
        client = hvac.Client(url=endpoint or os.environ.get("VAULT_ADDR"))
        answer = client.secrets.kv.v2.read_secret_version(
            path=path, mount_point=mount, raise_on_deleted_version=True
        )
    except (hvac.exceptions.VaultError, requests.RequestException) as fault:
        raise ConfigError(
            f"Vault gives no secret '{place}': {fault}.",
            advice="Check VAULT_ADDR, VAULT_TOKEN, the mount (KV version 2) and the path.",
        ) from fault
    return json.dumps(answer["data"]["data"])


def _from_gcp(place: str, endpoint: str | None) -> str:
    try:
        from google.api_core.client_options import ClientOptions
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import secretmanager
    except ImportError as fault:
        raise _missing("gcp", "google-cloud-secret-manager") from fault
    project, _, rest = place.partition("/")
    name, _, version = rest.partition("/")
    path = f"projects/{project}/secrets/{name}/versions/{version or 'latest'}"
    endpoint = endpoint or os.environ.get("GCP_SECRET_MANAGER_ENDPOINT")
    options: dict[str, Any] = {"transport": "rest"}
    if endpoint:
        options["client_options"] = ClientOptions(api_endpoint=endpoint)
        if endpoint.startswith("http://"):  # an emulator: credentials never go out in the clear
            options["credentials"] = AnonymousCredentials()  # type: ignore[no-untyped-call]
    try:
        client = secretmanager.SecretManagerServiceClient(**options)
        answer = client.access_secret_version(request={"name": path})
    except (GoogleAPIError, GoogleAuthError, OSError) as fault:
        raise ConfigError(
            f"GCP Secret Manager gives no secret '{place}': {fault}.",
            advice="Check project, name and version, and the role Secret Manager Secret Accessor.",
        ) from fault
    text: str = answer.payload.data.decode()
    return text


def _missing(extra: str, package: str) -> ConfigError:
    return ConfigError(
        f"a reference of this kind needs {package}.", advice=f"Install headwater[{extra}]."
    )


READERS: dict[str, Callable[[str, str | None], str]] = {
    "env": _from_environment,
    "file": _from_file,
    "aws-sm": _from_aws,
    "vault": _from_vault,
    "gcp-sm": _from_gcp,
}
