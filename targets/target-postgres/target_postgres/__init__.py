"""Singer target-postgres."""
