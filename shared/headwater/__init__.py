"""Headwater: the library under the taps and targets (see ARCHITECTURE in the repository)."""
