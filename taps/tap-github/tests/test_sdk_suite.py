"""The SDK's tap suite, against the vendor-shaped server."""

from pathlib import Path

from headwater.testing.github import GitHubAPI, world_from_git
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_github.tap import TapGitHub

API = GitHubAPI(world_from_git(Path(__file__).parent, "acme", "rocket"))

TestSDK = get_tap_test_class(
    TapGitHub,
    config={
        "auth_token": "demo-token",
        "repositories": ["acme/rocket"],
        "organizations": ["acme"],
        "user_usernames": ["octocat"],
        "api_url": API.url,
        "rate_limit_buffer": 0,
    },
    suite_config=SuiteConfig(ignore_no_records_for_streams=["tags"]),
)
