"""Singer tap for GitHub."""
