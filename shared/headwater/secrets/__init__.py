"""Secrets: what must never be shown."""
