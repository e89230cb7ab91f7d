"""Singer target-files."""
