"""`headwater check`: any tap's executable, ours or another's, against faults on real sockets."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headwater.errors import ConfigError
from headwater.plugin.base import read_document
from headwater.testing.conformance import FAULTS, Subject, subject_of
from headwater.testing.conformance.proxy import FaultProxy
from headwater.testing.conformance.singer import singer_checks
from headwater.testing.conformance.trial import Trial, Verdict


def add_to(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "check",
        help="Put a tap through Singer's rules and the fault table.",
        description="A tap that names a server of its own (entry point group "
        "headwater.conformance) is checked against that. Any other needs --config and "
        "--url-setting: a proxy then stands between it and its API, and does what each fault says.",
    )
    parser.add_argument("tap", help="The tap's executable.")
    parser.add_argument("--config", metavar="FILE", help="The tap's config, JSON or YAML.")
    parser.add_argument(
        "--url-setting", metavar="NAME", help="The setting that holds the API's URL."
    )
    parser.add_argument("--streams", metavar="A,B", help="The streams to sync.")
    parser.add_argument("--only", metavar="TEXT", help="Only checks whose name holds this text.")
    parser.add_argument("--report", metavar="FILE", help="Write the verdicts here, as JSON.")
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> int:
    """Check the tap, print a report; returns the exit code."""
    subject, is_ours = _subject(arguments)
    trial = Trial(subject, knows_errors=is_ours)
    found: list[Verdict] = []
    for verdict in _verdicts(trial, arguments.only or ""):
        found.append(verdict)
        mark = "ok    " if verdict.passed else "FAILED"
        print(f"{mark}  {verdict.fault:52} {verdict.outcome}", flush=True)
    failed = sum(not verdict.passed for verdict in found)
    print(f"\n{subject.tap}: {len(found) - failed} of {len(found)} checks passed")
    if arguments.report:
        Path(arguments.report).write_text(
            json.dumps([vars(verdict) for verdict in found], indent=2), encoding="utf-8"
        )
    return int(failed > 0)


def _verdicts(trial: Trial, only: str) -> Iterable[Verdict]:
    if not only:
        with trial.vendor() as vendor:
            upstream = vendor.url if vendor else trial.subject.config("")["__upstream__"]
            proxy = FaultProxy(str(upstream))
            yield from singer_checks(trial, proxy.url)
            proxy.close()
    for fault in FAULTS:
        if only in fault.name:
            try:
                yield trial.face(fault)
            except RuntimeError as broken:
                print(f"headwater: {broken}", file=sys.stderr)
                yield Verdict(fault.name, False, "it fails without any fault")


def _subject(arguments: argparse.Namespace) -> tuple[Subject, bool]:
    streams = tuple(s.strip() for s in (arguments.streams or "").split(",") if s.strip())
    own = subject_of(Path(arguments.tap).name)
    if own is not None and not arguments.config:
        return (replace(own, tap=arguments.tap, streams=streams or own.streams), True)
    if not arguments.config or not arguments.url_setting:
        raise ConfigError(
            f"'{arguments.tap}' names no server to be checked against.",
            advice="Give --config and --url-setting, the setting that holds its API's URL.",
        )
    given = read_document(arguments.config, "config")
    name = arguments.url_setting
    if not isinstance(given.get(name), str):
        raise ConfigError(f"the config has no URL in setting '{name}'.")

    def config(url: str) -> Mapping[str, Any]:
        # what the tap gets has the proxy's URL; without one, it is asked where the API is
        return {**given, name: url} if url else {**given, "__upstream__": given[name]}

    return Subject(arguments.tap, None, config, streams), own is not None
