"""The settings of tap-rest-api-msdk, where they mean the same, in the words of this tap.

Source: the settings and paginators of github.com/Widen/tap-rest-api-msdk. What would mean
something else here is refused with the reason; nothing is silently passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.errors import ConfigError
from headwater.settings import Setting, Settings

Config = Mapping[str, Any]
SAME = "As in tap-rest-api-msdk"


def _setting(name: str, kind: str, instead: str, *, secret: bool = False) -> Setting:
    return Setting(name, kind, f"{SAME}; here: {instead}.", secret=secret)


WIDEN_SETTINGS = Settings(
    (
        _setting("auth_method", "string", "`auth.type`"),
        _setting("api_keys", "object", "`auth` of type `headers`", secret=True),
        _setting("username", "string", "`auth.username`"),
        _setting("password", "string", "`auth.password`", secret=True),
        _setting("bearer_token", "string", "`auth.token`", secret=True),
        _setting("grant_type", "string", "`auth.type`"),
        _setting("access_token_url", "string", "`auth.token_url`"),
        _setting("client_id", "string", "`auth.client_id`"),
        _setting("client_secret", "string", "`auth.client_secret`", secret=True),
        _setting("refresh_token", "string", "`auth.refresh_token`", secret=True),
        _setting("scope", "string", "`auth.scope`"),
        _setting("oauth_extras", "object", "`auth.extra`"),
        _setting("oauth_expiration_secs", "integer", "`auth.lifetime`"),
        _setting("path", "string", "`defaults.path`"),
        _setting("params", "object", "`defaults.params`"),
        _setting("records_path", "string", "`defaults.records`"),
        _setting("primary_keys", "array", "`defaults.primary_keys`"),
        _setting("replication_key", "string", "`defaults.replication_key`"),
        _setting("num_inference_records", "integer", "`schema.infer` of a stream"),
        _setting("source_search_field", "string", "`params` with `{start}` in them"),
        _setting("source_search_query", "string", "`params` with `{start}` in them"),
        _setting("pagination_request_style", "string", "`pagination.type`"),
        _setting("pagination_response_style", "string", "`pagination.type`"),
        _setting("next_page_token_path", "string", "`pagination.cursor` or `pagination.url`"),
        _setting("pagination_next_page_param", "string", "`pagination.param`"),
        _setting("pagination_limit_per_page_param", "string", "`pagination.size`"),
        _setting("pagination_page_size", "integer", "`pagination.size`"),
        _setting("pagination_total_limit_param", "string", "`pagination.total`"),
        _setting("pagination_initial_offset", "integer", "`pagination.first`"),
        _setting("use_request_body_not_params", "boolean", "`pagination.in_body` and `body`"),
        _setting("backoff_type", "string", "`Retry-After` is obeyed anyway; else `errors`"),
        _setting("backoff_param", "string", "`errors.after_header`"),
    )
)
# what would lose data, or mean something else
REFUSED = {
    "pagination_results_limit": "it would end a fetch early",
    "aws_credentials": "AWS signatures are not supported",
    "store_raw_json_message": "use 'raw' of a stream: it keeps the whole answer",
    "except_keys": "records are not flattened; see 'flattening_enabled'",
    "offset_records_jsonpath": "'records_path' says where the records are",
}
STREAM_NAMES = {
    "records_path": "records",
}
PAGE_SIZE = 25


def translated(config: Config) -> Config:
    """Return a config in this tap's words.

    Raises:
        ConfigError: a setting of tap-rest-api-msdk has no meaning here; says why.
    """
    used = {s.name for s in WIDEN_SETTINGS if config.get(s.name) is not None}
    faults = [
        f"'{name}' of tap-rest-api-msdk is not supported: {why}"
        for name, why in REFUSED.items()
        if config.get(name)
    ]
    if faults:
        raise ConfigError("; ".join(faults) + ".", advice="Leave it out.")
    found = {name: value for name, value in config.items() if name not in used}
    if not used:
        return found
    auth = _auth(config)
    if auth:
        found["auth"] = auth
    if config.get("backoff_type") == "message":
        raise ConfigError(
            "'backoff_type' message of tap-rest-api-msdk is not supported.",
            advice="Declare the answer in 'errors', with 'after'.",
        )
    if config.get("backoff_type") == "header" and config.get("backoff_param") != "Retry-After":
        row = {"status": 429, "then": "retry", "after_header": config.get("backoff_param")}
        found["errors"] = [*(config.get("errors") or ()), row]
    defaults = dict(config.get("defaults") or {})
    for name in ("path", "params", "primary_keys", "replication_key"):
        if config.get(name) is not None:
            defaults.setdefault(name, config[name])
    if config.get("records_path"):
        defaults.setdefault("records", config["records_path"])
    style = config.get("pagination_request_style")
    if style or config.get("next_page_token_path"):
        defaults.setdefault("pagination", _pagination(config, style or "default"))
    if config.get("num_inference_records"):
        defaults.setdefault("schema", {"infer": int(config["num_inference_records"])})
    query = _query(config, config)
    if query:
        defaults["params"] = {**defaults.get("params", {}), **query}
    found["defaults"] = defaults
    return found


def _auth(config: Config) -> dict[str, Any] | None:
    method = config.get("auth_method") or "no_auth"
    if method == "no_auth":
        return None
    if config.get("auth"):
        raise ConfigError("settings 'auth' and 'auth_method' say the same thing twice.")
    if method == "api_key":
        return {"type": "headers", "headers": config.get("api_keys") or {}}
    if method == "basic":
        return {"type": "basic", **_some(config, "username", "password")}
    if method == "bearer_token":
        return {"type": "bearer", "token": config.get("bearer_token", "")}
    kinds = {
        "client_credentials": ("oauth_client_credentials", ()),
        "refresh_token": ("oauth_refresh_token", ("refresh_token",)),
        "password": ("oauth_password", ("username", "password")),
    }
    grant = config.get("grant_type") or "client_credentials"
    if method != "oauth" or grant not in kinds:
        raise ConfigError(
            f"'auth_method' {method} with 'grant_type' {grant} is not supported.",
            advice="See setting 'auth'.",
        )
    kind, more = kinds[grant]
    auth = {"type": kind, "token_url": config.get("access_token_url", "")}
    auth |= _some(config, "client_id", "client_secret", "scope", *more)
    if config.get("oauth_extras"):
        auth["extra"] = config["oauth_extras"]
    if config.get("oauth_expiration_secs"):
        auth["lifetime"] = config["oauth_expiration_secs"]
    return auth


def _some(config: Config, *names: str) -> dict[str, Any]:
    return {name: config[name] for name in names if config.get(name) is not None}


def _pagination(config: Config, style: str) -> dict[str, Any]:
    param = config.get("pagination_next_page_param")
    token = config.get("next_page_token_path")
    limit = config.get("pagination_limit_per_page_param")
    size = config.get("pagination_page_size")
    in_body = bool(config.get("use_request_body_not_params"))
    place = {"in_body": True} if in_body else {}
    sizes = {"size": [limit, size]} if limit and size else {}
    if style in ("default", "jsonpath_paginator") or (style == "simple_header_paginator" and token):
        if config.get("pagination_response_style") == "hateoas_body":
            return {"type": "next_url", "url": token or "$.next_page"}
        cursor = token or "$.next_page"
        return {"type": "cursor", "param": param or "page", "cursor": cursor, **sizes, **place}
    if style == "simple_header_paginator":
        return {"type": "cursor", "param": param or "page", "header": "X-Next-Page", **sizes}
    if style in ("header_link_paginator", "restapi_header_link_paginator"):
        return {"type": "link", "size": [limit or "per_page", size or PAGE_SIZE]}
    if style in ("style1", "offset_paginator", "simple_offset_paginator"):
        found = {
            "type": "offset",
            "param": param or "offset",
            "size": [limit or "limit", size or PAGE_SIZE],
            "first": config.get("pagination_initial_offset", 1),
            **place,
        }
        if style != "simple_offset_paginator":
            total = config.get("pagination_total_limit_param") or "total"
            found["total"] = f"{token or 'pagination'}.{total}"
        return found
    if style == "page_number_paginator":
        first = config.get("pagination_initial_offset", 1)
        return {"type": "page", "param": param or "page", "first": first, **sizes, **place}
    if style == "hateoas_paginator":
        return {"type": "next_url", "url": token or "$.link[?(@.relation=='next')].url"}
    if style == "single_page_paginator":
        return {"type": "none"}
    raise ConfigError(
        f"'pagination_request_style' {style} is not known.", advice="See 'pagination' of a stream."
    )


def _query(config: Config, defaults: Config) -> dict[str, Any]:
    """Return the parameter that asks for what is new."""
    name = config.get("source_search_field") or defaults.get("source_search_field")
    query = config.get("source_search_query") or defaults.get("source_search_query")
    if not name or not query:
        return {}
    return {name: str(query).replace("$last_run_date", "{start}")}


def translated_stream(stream: Config, config: Config) -> dict[str, Any]:
    """Return a stream's declaration in this tap's words.

    Raises:
        ConfigError: an option of tap-rest-api-msdk has no meaning here.
    """
    refused = [name for name in REFUSED if stream.get(name)]
    if refused:
        raise ConfigError(f"'{refused[0]}': {REFUSED[refused[0]]}.", stream=str(stream.get("name")))
    found: dict[str, Any] = {STREAM_NAMES.get(name, name): value for name, value in stream.items()}
    query = _query(stream, config)
    if query:
        found["params"] = {**found.get("params", {}), **query}
    count = found.pop("num_inference_records", None)
    if count and "schema" not in found:
        found["schema"] = {"infer": int(count)}
    if isinstance(found.get("schema"), str):
        found["schema"] = {"file": found["schema"]}
    for name in ("source_search_field", "source_search_query", *REFUSED):
        found.pop(name, None)
    return found


# options of a stream there that this tap translates
WIDEN_STREAM_PROPERTIES: dict[str, dict[str, Any]] = {
    "records_path": {"type": "string", "description": f"{SAME}."},
    "num_inference_records": {"type": "integer", "minimum": 1, "description": f"{SAME}."},
    "source_search_field": {"type": "string", "description": f"{SAME}."},
    "source_search_query": {"type": "string", "description": f"{SAME}."},
    "except_keys": {"type": "array", "description": f"{SAME}."},
}
