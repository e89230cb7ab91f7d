"""What taps and targets have in common: settings, `--about`, exit codes, stream maps."""
