"""What the GitHub-shaped server holds: a real history read from git, the rest seeded."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

Item = dict[str, Any]
EPOCH = datetime(2024, 1, 1, tzinfo=timezone.utc)
FIELD, RECORD = "\x1f", "\x1e"
ISSUES, PULLS = 120, 45


@dataclass
class Repository:
    """One repository: the lists that the API's endpoints page through, by endpoint."""

    owner: str
    name: str
    id: int
    lists: dict[str, list[Item]] = field(default_factory=dict)
    reviews: dict[int, list[Item]] = field(default_factory=dict)
    jobs: dict[int, list[Item]] = field(default_factory=dict)

    @property
    def item(self) -> Item:
        """The repository as the API shows it."""
        return {
            "id": self.id,
            "node_id": f"R_{self.id}",
            "name": self.name,
            "full_name": f"{self.owner}/{self.name}",
            "owner": user(self.owner),
            "private": False,
            "html_url": f"https://github.example/{self.owner}/{self.name}",
            "description": None,
            "fork": False,
            "default_branch": "main",
            "created_at": stamp(0),
            "updated_at": stamp(5000),
            "pushed_at": stamp(5000),
            "stargazers_count": len(self.lists.get("stargazers", [])),
            "topics": [],
        }


@dataclass
class World:
    """All repositories, organizations and users."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    organizations: dict[str, Item] = field(default_factory=dict)
    teams: dict[str, list[Item]] = field(default_factory=dict)
    members: dict[str, list[Item]] = field(default_factory=dict)
    users: dict[str, Item] = field(default_factory=dict)


def stamp(minutes: float) -> str:
    """Return a moment so many minutes after the seeded data begin."""
    return (EPOCH + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def number_of(text: str) -> int:
    """Return a stable id for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:5], "big")


def user(login: str) -> Item:
    """Return a user as the API nests it."""
    return {
        "login": login,
        "id": number_of(login),
        "node_id": f"U_{login}",
        "avatar_url": f"https://avatars.example/{login}",
        "html_url": f"https://github.example/{login}",
        "type": "User",
        "site_admin": False,
    }


def login_of(name: str, email: str) -> str:
    """Return a login for an author of a commit."""
    base = (email.split("@", maxsplit=1)[0].rsplit("+", maxsplit=1)[-1] or name).lower()
    return "".join(c if c.isalnum() else "-" for c in base) or "someone"


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments],  # noqa: S607
        capture_output=True,
        check=True,
    )
    return result.stdout.decode(errors="replace")


def world_from_git(
    folder: Path, owner: str = "headwater", name: str = "demo", *, seed: int = 1
) -> World:
    """Return a world whose commits, authors, branches and tags are those of a git repository."""
    git = {"commits": _commits(folder), "branches": _branches(folder), "tags": _tags(folder)}
    return _world(owner, name, git, seed)


def seeded_world(owner: str, name: str, *, seed: int = 1) -> World:
    """Return a world without commits: issues and all else that no git repository holds."""
    return _world(owner, name, {"commits": [], "branches": [], "tags": []}, seed)


def _world(owner: str, name: str, git: dict[str, list[Item]], seed: int) -> World:
    repository = Repository(owner, name, number_of(f"{owner}/{name}"))
    commits = git["commits"]
    authors = Counter(commit["author"]["login"] for commit in commits)
    repository.lists = {
        **git,
        "contributors": [{**user(login), "contributions": n} for login, n in authors.most_common()],
        **_seeded(repository, sorted(authors) or ["someone"], random.Random(seed)),  # noqa: S311
    }
    everybody = sorted({*authors, owner, "octocat"})
    return World(
        repositories={f"{owner}/{name}": repository},
        organizations={owner: _organization(owner)},
        teams={owner: [_team("core"), _team("docs")]},
        members={owner: [user(login) for login in everybody]},
        users={
            login: {**user(login), "name": login, "created_at": stamp(0)} for login in everybody
        },
    )


def _organization(login: str) -> Item:
    return {
        "login": login,
        "id": number_of(login),
        "node_id": f"O_{login}",
        "name": login.title(),
        "type": "Organization",
        "created_at": stamp(0),
        "updated_at": stamp(10),
    }


def _team(slug: str) -> Item:
    return {
        "id": number_of(slug),
        "node_id": f"T_{slug}",
        "slug": slug,
        "name": slug.title(),
        "description": None,
        "privacy": "closed",
        "permission": "pull",
        "parent": None,
    }


def _commits(folder: Path) -> list[Item]:
    template = (
        FIELD.join(["%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"]) + RECORD
    )
    items = []
    for entry in _git(folder, "log", f"--format={template}").split(RECORD):
        parts = entry.strip("\n").split(FIELD)
        if len(parts) != 10:
            continue
        sha, tree, parents, an, ae, at, cn, ce, ct, message = parts
        items.append(
            {
                "sha": sha,
                "node_id": f"C_{sha}",
                "html_url": f"https://github.example/commit/{sha}",
                "commit": {
                    "author": {"name": an, "email": ae, "date": _utc(at)},
                    "committer": {"name": cn, "email": ce, "date": _utc(ct)},
                    "message": message.strip(),
                    "tree": {"sha": tree},
                    "comment_count": 0,
                },
                "author": user(login_of(an, ae)),
                "committer": user(login_of(cn, ce)),
                "parents": [{"sha": parent} for parent in parents.split()],
            }
        )
    return items


def _utc(text: str) -> str:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _refs(folder: Path, kind: str) -> list[tuple[str, str]]:
    lines = _git(folder, "for-each-ref", f"refs/{kind}", "--format=%(refname:short) %(objectname)")
    return [(line.split()[0], line.split()[1]) for line in lines.splitlines() if line.strip()]


def _branches(folder: Path) -> list[Item]:
    refs = _refs(folder, "heads") or [("main", _git(folder, "rev-parse", "HEAD").strip())]
    return [{"name": n, "commit": {"sha": sha}, "protected": n == "main"} for n, sha in refs]


def _tags(folder: Path) -> list[Item]:
    return [
        {
            "name": n,
            "commit": {"sha": sha},
            "node_id": f"T_{n}",
            "zipball_url": f"https://x/{n}.zip",
        }
        for n, sha in _refs(folder, "tags")
    ]


def _seeded(
    repository: Repository, logins: list[str], chance: random.Random
) -> dict[str, list[Item]]:
    base = repository.id % 1_000_000 * 1000
    issues: list[Item] = []
    pulls: list[Item] = []
    comments: list[Item] = []
    review_comments: list[Item] = []
    for number in range(1, ISSUES + PULLS + 1):
        author, created = chance.choice(logins), number * 30
        updated = created + chance.randrange(0, 3000)
        closed = chance.random() < 0.5
        issue: Item = {
            "id": base + number,
            "node_id": f"I_{base + number}",
            "number": number,
            "title": f"Issue {number}: {chance.choice(('crash', 'typo', 'idea', 'naïve café ☕'))}",
            "body": "\n".join(["What happened", "…"] * chance.randrange(1, 4)),
            "state": "closed" if closed else "open",
            "user": user(author),
            "locked": False,
            "labels": [{"id": 1, "name": "bug"}] if chance.random() < 0.3 else [],
            "assignees": [],
            "comments": 1,
            "created_at": stamp(created),
            "updated_at": stamp(updated),
            "closed_at": stamp(updated) if closed else None,
            "author_association": "MEMBER",
        }
        if number % 4 == 0 and len(pulls) < PULLS:
            issue["pull_request"] = {"html_url": f"https://github.example/pull/{number}"}
            pulls.append(
                {
                    **{
                        k: issue[k]
                        for k in (
                            "number",
                            "title",
                            "body",
                            "state",
                            "user",
                            "created_at",
                            "updated_at",
                            "closed_at",
                            "locked",
                            "labels",
                        )
                    },
                    "id": base + 500 + number,
                    "node_id": f"PR_{number}",
                    "draft": False,
                    "merged_at": None,
                    "head": {"ref": f"topic-{number}", "sha": "0" * 40},
                    "base": {"ref": "main", "sha": "1" * 40},
                }
            )
            repository.reviews[number] = [
                {
                    "id": base + 900_000 + number,
                    "node_id": f"PRR_{number}",
                    "user": user(author),
                    "body": "Looks good",
                    "state": "APPROVED",
                    "submitted_at": issue["updated_at"],
                }
            ]
            review_comments.append(
                {
                    "id": base + 700_000 + number,
                    "node_id": f"PRRC_{number}",
                    "user": user(author),
                    "body": "nit",
                    "path": "README.md",
                    "created_at": issue["created_at"],
                    "updated_at": issue["updated_at"],
                    "pull_request_review_id": base + 900_000 + number,
                }
            )
        issues.append(issue)
        comments.append(
            {
                "id": base + 300_000 + number,
                "node_id": f"IC_{number}",
                "user": user(author),
                "body": "Thanks!",
                "created_at": issue["created_at"],
                "updated_at": issue["updated_at"],
                "issue_url": f"https://api.github.example/issues/{number}",
            }
        )
    runs = []
    for number in range(1, 13):
        run: Item = {
            "id": base + 800_000 + number,
            "node_id": f"WR_{number}",
            "name": "CI",
            "run_number": number,
            "event": "push",
            "status": "completed",
            "conclusion": "success",
            "workflow_id": base + 1,
            "head_branch": "main",
            "created_at": stamp(number * 60),
            "updated_at": stamp(number * 60 + 5),
            "run_started_at": stamp(number * 60),
            "run_attempt": 1,
        }
        runs.append(run)
        repository.jobs[run["id"]] = [
            {
                "id": run["id"] * 10 + n,
                "run_id": run["id"],
                "node_id": f"J_{n}",
                "name": name,
                "status": "completed",
                "conclusion": "success",
                "started_at": stamp(number * 60),
                "completed_at": stamp(number * 60 + 4),
                "labels": ["ubuntu"],
                "steps": [],
            }
            for n, name in enumerate(("lint", "tests"))
        ]
    return {
        "issues": issues,
        "issues/comments": comments,
        "pulls": pulls,
        "pulls/comments": review_comments,
        "releases": [
            {
                "id": base + n,
                "node_id": f"RE_{n}",
                "tag_name": f"v0.{n}",
                "name": f"0.{n}",
                "draft": False,
                "prerelease": False,
                "author": user(logins[0]),
                "assets": [],
                "created_at": stamp(n * 100),
                "published_at": stamp(n * 100 + 1),
                "body": "…",
            }
            for n in range(3)
        ],
        "milestones": [
            {
                "id": base + n,
                "node_id": f"M_{n}",
                "number": n,
                "title": f"M{n}",
                "state": "open",
                "open_issues": n,
                "closed_issues": 0,
                "created_at": stamp(n),
                "updated_at": stamp(n + 1),
                "due_on": None,
                "creator": user(logins[0]),
            }
            for n in range(1, 4)
        ],
        "labels": [
            {"id": n, "node_id": f"L_{n}", "name": name, "color": "ff0000", "default": True}
            for n, name in enumerate(("bug", "docs", "idea"), 1)
        ],
        "stargazers": [{"starred_at": stamp(n * 7), "user": user(f"star-{n}")} for n in range(130)],
        "forks": [
            {
                "id": base + 600_000 + n,
                "node_id": f"F_{n}",
                "name": repository.name,
                "full_name": f"fan-{n}/{repository.name}",
                "owner": user(f"fan-{n}"),
                "private": False,
                "fork": True,
                "created_at": stamp(n),
                "updated_at": stamp(n),
            }
            for n in range(5)
        ],
        "collaborators": [
            {**user(login), "permissions": {"pull": True, "push": True}, "role_name": "write"}
            for login in logins
        ],
        "assignees": [user(login) for login in logins],
        "actions/workflows": [
            {
                "id": base + 1,
                "node_id": "W_1",
                "name": "CI",
                "path": ".github/workflows/ci.yml",
                "state": "active",
                "created_at": stamp(0),
                "updated_at": stamp(1),
            }
        ],
        "actions/runs": runs,
        "events": [
            {
                "id": str(base + 400_000 + n),
                "type": "PushEvent",
                "actor": user(logins[0]),
                "repo": {"id": repository.id, "name": f"{repository.owner}/{repository.name}"},
                "payload": {"size": n},
                "public": True,
                "created_at": stamp(6000 - n),
            }
            for n in range(40)
        ],
        "deployments": [
            {
                "id": base + 450_000 + n,
                "node_id": f"DE_{n}",
                "sha": "a" * 40,
                "ref": "main",
                "task": "deploy",
                "environment": "production",
                "creator": user(logins[0]),
                "payload": {},
                "created_at": stamp(n),
                "updated_at": stamp(n),
            }
            for n in range(4)
        ],
        "traffic/views": [
            {"timestamp": stamp(n * 1440), "count": n, "uniques": n} for n in range(14)
        ],
        "traffic/clones": [
            {"timestamp": stamp(n * 1440), "count": n, "uniques": n} for n in range(14)
        ],
        "discussions": [
            {
                "id": f"D_{n}",
                "databaseId": base + n,
                "number": n,
                "title": f"Discussion {n}",
                "body": "…",
                "url": f"https://github.example/discussions/{n}",
                "locked": False,
                "closed": False,
                "isAnswered": None,
                "upvoteCount": n,
                "createdAt": stamp(n),
                "updatedAt": stamp(n * 3),
                "closedAt": None,
                "answerChosenAt": None,
                "author": {"login": logins[0]},
                "comments": {"totalCount": 0},
                "category": {"id": "DC_1", "name": "Ideas", "isAnswerable": False},
            }
            for n in range(130)
        ],
    }
