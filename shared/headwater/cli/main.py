"""`headwater`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from headwater.cli import check, demo, replay, run
from headwater.errors import HeadwaterError
from headwater.plugin.about import version_of


def main(args: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="headwater", description="Tools for Singer pipelines.")
    parser.add_argument("--version", action="version", version=version_of("headwater"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (run, replay, check, demo):
        command.add_to(commands)
    arguments = parser.parse_args(args)
    try:
        code: int = arguments.work(arguments)
    except HeadwaterError as fault:
        print(f"headwater: {fault}", file=sys.stderr)
        return fault.exit_code
    return code
