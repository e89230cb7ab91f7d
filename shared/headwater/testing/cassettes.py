"""Cassettes: recorded answers of an API, without anything secret in them (vcrpy).

A test that plays a cassette asks the vendor's real URL. Where the vendor cannot be reached,
a cassette is recorded from our server that speaks its protocol: `recorded_as` writes the
vendor's URL wherever the server's own stood.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "private-token"}
)
SECRET_PARAMETERS = ("access_token", "api_key", "client_secret", "refresh_token", "token")
# what tokens of the vendors look like wherever they stand
SECRET_TEXT = re.compile(
    rb"gh[pousr]_\w{16,}|github_pat_\w{16,}|[rs]k_(?:live|test)_\w{8,}|pat-\w\w\d-[\w-]{20,}"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*-----END [A-Z ]*PRIVATE KEY-----"
    rb'|(?<="access_token":")[^"]+|(?<="refresh_token":")[^"]+|(?<="token":")[^"]+'
    rb'|(?<="access_token": ")[^"]+|(?<="refresh_token": ")[^"]+|(?<="token": ")[^"]+'
)
SCRUBBED = "SCRUBBED"


def vcr_options(recorded_as: tuple[str, str] | None = None) -> dict[str, Any]:
    """Return vcrpy's options under which nothing secret is recorded.

    Args:
        recorded_as: The URL that answers, and the URL to write in its place.
    """
    rename = _renamer(recorded_as)

    def before_request(request: Any) -> Any:
        request.uri = rename(request.uri.encode()).decode()
        request.headers = {
            name: SCRUBBED if name.lower() in SECRET_HEADERS else value
            for name, value in request.headers.items()
            if name.lower() != "host"
        }
        if request.body:
            request.body = SECRET_TEXT.sub(SCRUBBED.encode(), request.body)
        return request

    def before_response(response: dict[str, Any]) -> dict[str, Any]:
        body = rename(response["body"]["string"])
        headers = {
            name: [SCRUBBED if name.lower() in SECRET_HEADERS else _text(v, rename) for v in values]
            for name, values in response["headers"].items()
            if name.lower() != "content-length"
        }
        scrubbed = SECRET_TEXT.sub(SCRUBBED.encode(), body)
        return {**response, "headers": headers, "body": {"string": scrubbed}}

    return {
        "before_record_request": before_request,
        "before_record_response": before_response,
        "filter_query_parameters": list(SECRET_PARAMETERS),
        "decode_compressed_response": True,
        "match_on": ["method", "uri", "body"],
    }


def _renamer(recorded_as: tuple[str, str] | None) -> Callable[[bytes], bytes]:
    if recorded_as is None:
        return lambda text: text
    here, there = (url.encode() for url in recorded_as)
    return lambda text: text.replace(here, there)


def _text(value: str, rename: Callable[[bytes], bytes]) -> str:
    return rename(value.encode()).decode()
