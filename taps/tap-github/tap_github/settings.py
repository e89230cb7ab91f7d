"""The settings of tap-github, named as in the MeltanoLabs variant."""

from __future__ import annotations

from headwater.settings import Setting, Settings
from headwater.tap.settings import stream_options

DEFAULT_API_URL = "https://api.github.com"

SETTINGS = Settings(
    (
        Setting("auth_token", description="Personal access token.", secret=True),
        Setting(
            "additional_auth_tokens",
            "array",
            "More personal access tokens; each is used under its own rate limit.",
            items={"type": "string"},
            secret=True,
        ),
        Setting(
            "auth_app_keys",
            "array",
            "GitHub Apps to authenticate as, each `APP_ID;;PRIVATE_KEY` or "
            "`APP_ID;;PRIVATE_KEY;;INSTALLATION_ID`; line breaks of the key may be written `\\n`.",
            items={"type": "string"},
            secret=True,
        ),
        Setting(
            "repositories",
            "array",
            "Repositories to fetch, each `OWNER/NAME`.",
            items={"type": "string", "pattern": "^[^/ ]+/[^/ ]+$"},
        ),
        Setting(
            "organizations",
            "array",
            "Organizations to fetch, with all their repositories.",
            items={"type": "string"},
        ),
        Setting(
            "searches",
            "array",
            "Searches whose repositories to fetch: a `name`, and a `query` in GitHub's search "
            "syntax that finds at most 1,000 of them.",
            items={
                "type": "object",
                "properties": {"name": {"type": "string"}, "query": {"type": "string"}},
                "required": ["name", "query"],
            },
        ),
        Setting("user_usernames", "array", "Users to fetch, by login.", items={"type": "string"}),
        Setting(
            "user_ids",
            "array",
            "Users to fetch, by numeric id.",
            items={"type": ["integer", "string"]},
        ),
        Setting(
            "start_date",
            description="How far back the first run of an incremental stream goes.",
            format="date-time",
        ),
        Setting(
            "api_url",
            description="The REST API's URL; for GitHub Enterprise Server `https://HOST/api/v3`.",
            default=DEFAULT_API_URL,
        ),
        Setting("user_agent", description="The User-Agent header.", default="headwater-tap-github"),
        Setting(
            "rate_limit_buffer",
            "integer",
            "Requests of each token's limit to leave unused (never more than half of a limit).",
            default=1000,
            minimum=0,
        ),
        Setting(
            "expiry_time_buffer",
            "integer",
            "Minutes before its end that an App's token is renewed.",
            default=10,
            minimum=0,
        ),
        Setting(
            "concurrency",
            "integer",
            "Repositories of one page that are fetched at once (GitHub allows 100 requests).",
            default=4,
            minimum=1,
        ),
        Setting(
            "conditional_requests",
            "boolean",
            "Ask for full-table lists with the ETag of the last run too, and emit nothing where "
            "they did not change. For polling into targets that append or upsert; a target that "
            "overwrites would lose the unchanged rows.",
            default=False,
        ),
        Setting(
            "skip_parent_streams",
            "boolean",
            "Do not fetch `repositories` when it is not selected: streams below it go straight "
            "to the names in setting `repositories`.",
            default=False,
        ),
        stream_options(
            {
                "milestones": {
                    "state": {
                        "type": "string",
                        "enum": ["open", "closed", "all"],
                        "default": "all",
                        "description": "Which milestones to fetch.",
                    }
                }
            }
        ),
    )
)
