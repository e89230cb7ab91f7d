"""People around a repository, and users by name."""

from __future__ import annotations

from headwater.pagination import SinglePage
from headwater.streams.base import Context, Record

from tap_github.streams.base import NOT_ALLOWED, GitHubStream
from tap_github.streams.repositories import RepositoryList


class Stargazers(RepositoryList):
    """Users who starred a repository, and when."""

    name = "stargazers"
    description = "Users who starred a repository, with `starred_at`."
    path = "/repos/{org}/{repo}/stargazers"
    headers = {"Accept": "application/vnd.github.star+json"}  # without it there is no starred_at
    primary_keys = ("org", "repo", "user_id")

    def post_process(self, record: Record, context: Context | None) -> Record:  # noqa: ARG002
        """Lift the user's id into the record: it is its key."""
        record["user_id"] = record["user"]["id"]
        return record


class Forks(RepositoryList):
    """Forks of a repository."""

    name = "forks"
    description = "Forks."
    path = "/repos/{org}/{repo}/forks"


class Contributors(RepositoryList):
    """Users who contributed commits. An empty repository answers 204."""

    name = "contributors"
    description = "Users who contributed commits, with how many."
    path = "/repos/{org}/{repo}/contributors"
    primary_keys = ("org", "repo", "id")


class Collaborators(RepositoryList):
    """Users who may push; only those who may push see them."""

    name = "collaborators"
    description = "Users who may push (needs push access)."
    path = "/repos/{org}/{repo}/collaborators"
    primary_keys = ("org", "repo", "id")
    tolerated = NOT_ALLOWED


class Assignees(RepositoryList):
    """Users to whom issues can be assigned."""

    name = "assignees"
    description = "Users to whom issues can be assigned."
    path = "/repos/{org}/{repo}/assignees"
    primary_keys = ("org", "repo", "id")


class Users(GitHubStream):
    """Users by login or id."""

    name = "users"
    description = "The users in settings `user_usernames` and `user_ids`."
    pagination = SinglePage()
    path = "{user_path}"

    def contexts(self) -> list[Context]:
        """Return one context a user."""
        logins = self.config.get("user_usernames") or ()
        numbers = self.config.get("user_ids") or ()
        return [
            *({"user_path": f"/users/{login}"} for login in logins),
            *({"user_path": f"/user/{number}"} for number in numbers),
        ]
