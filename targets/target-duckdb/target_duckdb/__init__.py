"""Singer target-duckdb."""
