"""The command `headwater`."""
