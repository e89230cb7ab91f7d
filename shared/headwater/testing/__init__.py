"""What tests of taps and targets stand on: servers, faults, checks (a pytest plugin)."""
