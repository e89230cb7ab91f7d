"""A GitHub-shaped API server for the demo, the tests and the benchmark."""

from headwater.testing.github.api import GitHubAPI
from headwater.testing.github.world import World, world_from_git

__all__ = ["GitHubAPI", "World", "world_from_git"]
