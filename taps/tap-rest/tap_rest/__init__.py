"""Singer tap-rest."""
