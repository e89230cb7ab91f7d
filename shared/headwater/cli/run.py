"""`headwater run`: a tap into a target, with its state, for those without Meltano."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from headwater.cli.piping import Pipe
from headwater.cli.reconcile import Reconciled
from headwater.cli.selection import catalog_for, state_without
from headwater.cli.states import (
    DEFAULT_FOLDER,
    DESTINATION,
    DestinationStates,
    States,
    StoredStates,
)
from headwater.cli.workspace import Workspace, environment, output_of
from headwater.errors import ConfigError, HeadwaterError
from headwater.messages import MessageReader, RecordRun
from headwater.plugin.base import read_document
from headwater.plugin.executable import PluginCommand
from headwater.plugin.live import Live

PIPELINE_KEYS = {"tap", "target", "state", "id", "streams"}
PLUGIN_KEYS = {"name", "config", "catalog"}


@dataclass(frozen=True)
class Pipeline:
    """What to run.

    Args:
        tap: The tap.
        target: The target.
        state: Where the state is kept: a folder, a URL, or `destination`.
        id: The pipeline's name there.
        streams: The streams to sync; None: those that the tap selects.
    """

    tap: PluginCommand
    target: PluginCommand
    state: str
    id: str
    streams: list[str] | None


def add_to(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "run",
        help="Run a tap into a target, and keep its state.",
        usage="headwater run TAP TARGET [options] | headwater run PIPELINE.yml [options]",
    )
    add_plugins(parser)
    parser.add_argument(
        "--state-store",
        metavar="PLACE",
        help="Where the state is kept: a folder (by default .headwater), a URL that fsspec knows, "
        f"or '{DESTINATION}': with the rows, by the target.",
    )
    parser.add_argument("--id", help="The pipeline's name there, by default TAP--TARGET.")
    parser.add_argument("--state", metavar="FILE", help="Begin at this state instead.")
    parser.add_argument("--full-refresh", action="store_true", help="Begin without a state.")
    parser.add_argument("--streams", metavar="A,B", help="Only these; * stands for anything.")
    parser.add_argument(
        "--dry-run", action="store_true", help="Extract and count; load nothing, keep no state."
    )
    parser.add_argument("--summary", metavar="FILE", help="Write the table here too, as JSON.")
    parser.set_defaults(work=work)


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say which plugins, with which configs."""
    parser.add_argument("plugins", nargs="+", metavar="TAP TARGET", help="Or one YAML file.")
    parser.add_argument("--tap-config", metavar="FILE", help="The tap's config, JSON or YAML.")
    parser.add_argument("--target-config", metavar="FILE", help="The target's, JSON or YAML.")
    parser.add_argument("--catalog", metavar="FILE", help="The tap's catalog.")


def work(arguments: argparse.Namespace) -> int:
    """Run the pipeline; returns the exit code."""
    pipeline = pipeline_from(arguments)
    with tempfile.TemporaryDirectory(prefix="headwater-run-") as folder:
        workspace = Workspace(Path(folder))
        keeps_there = pipeline.state == DESTINATION
        more = {"state_in_destination": True, "state_id": pipeline.id} if keeps_there else {}
        tap = workspace.base_command(pipeline.tap, "tap")
        target = workspace.base_command(pipeline.target, "target", **more)
        states = _states(pipeline, workspace, target)
        with states.locked():
            tap += catalog_for(workspace, tap, pipeline.tap, pipeline.streams)
            state = _state(arguments, pipeline, states)
            if state:
                tap += ["--state", workspace.write("state.json", state)]
            if arguments.dry_run:
                return _dry_run(tap, pipeline)
            return _run(tap, target, workspace, states, arguments)


def _run(
    tap: list[str],
    target: list[str],
    workspace: Workspace,
    states: States,
    arguments: argparse.Namespace,
) -> int:
    places = [workspace.folder / "tap-summary.json", workspace.folder / "target-summary.json"]
    for command, place in zip((tap, target), places, strict=True):
        if workspace.offers(command, "--summary"):
            command += ["--summary", str(place)]
    last: list[str] = []

    def keep(state: str) -> None:
        last[:] = [state]
        states.keep(state)

    pipe = Pipe(tap, target, keep)
    with Live(lambda: vars(pipe.numbers), pipe.numbers.line):
        codes = pipe.run()
    if last:
        states.keep(last[0], is_last=True)
    reconciled = Reconciled.of(*places)
    if reconciled.rows:
        print(reconciled.table(), file=sys.stderr)
    if arguments.summary:
        Path(arguments.summary).write_text(json.dumps(reconciled.rows, indent=2), encoding="utf-8")
    return _verdict(codes, reconciled, pipe, was_moved=bool(last))


def _verdict(codes: tuple[int, int], reconciled: Reconciled, pipe: Pipe, *, was_moved: bool) -> int:
    state = "the state is that of what is committed" if was_moved else "the state has not moved"
    if any(codes):
        named = [f"the {name} left with {code}" for name, code in
                 zip(("tap", "target"), codes, strict=True) if code]  # fmt: skip
        why = "stopped by a signal; " if pipe.was_stopped else ""
        print(f"headwater: {why}{' and '.join(named)}; {state}.", file=sys.stderr)
        return ConfigError.exit_code if ConfigError.exit_code in codes else 1
    faults = reconciled.faults()
    if faults:
        raise HeadwaterError("; ".join(faults) + ".", advice="Run again, and look at the target.")
    return 0


def _dry_run(tap: list[str], pipeline: Pipeline) -> int:
    """Run the tap alone, and count what it writes."""
    counts: Counter[str] = Counter()
    process = subprocess.Popen(tap, stdout=subprocess.PIPE, env=environment())
    assert process.stdout  # noqa: S101  it is a pipe
    for message in MessageReader(cast("BinaryIO", process.stdout)):
        if isinstance(message, RecordRun):
            counts[message.stream] += message.count
        elif message is not None and message["type"] in ("SCHEMA", "RECORD"):
            counts[str(message["stream"])] += message["type"] == "RECORD"
    code = process.wait()
    for name, count in sorted(counts.items()):
        print(f"{name:30}{count:12,}", file=sys.stderr)
    print(
        f"headwater: a dry run: nothing was loaded into {pipeline.target.label}, "
        "the state has not moved.",
        file=sys.stderr,
    )
    return min(code, ConfigError.exit_code)


def _states(pipeline: Pipeline, workspace: Workspace, target: list[str]) -> States:
    if pipeline.state != DESTINATION:
        return StoredStates(pipeline.state, pipeline.id)
    if not workspace.offers(target, "--state"):
        raise ConfigError(
            f"{pipeline.target.label} keeps no state.", advice="Give another --state-store."
        )
    return DestinationStates(output_of([*target, "--state"], pipeline.target.label))


def _state(
    arguments: argparse.Namespace, pipeline: Pipeline, states: States
) -> dict[str, Any] | None:
    if arguments.state:
        return read_document(arguments.state, "state")
    state = states.read()
    if arguments.full_refresh and state:
        return state_without(state, pipeline.streams)
    return state


def pipeline_from(arguments: argparse.Namespace) -> Pipeline:
    """Return the pipeline that the arguments, or the file they name, describe.

    Raises:
        ConfigError: it is not described, or otherwise than a pipeline is.
    """
    given: dict[str, Any] = {}
    names = list(arguments.plugins)
    if len(names) == 1 and names[0].endswith((".yml", ".yaml", ".json")):
        given = read_document(names[0], "pipeline")
        unknown = sorted(given.keys() - PIPELINE_KEYS)
        if unknown:
            raise ConfigError(
                f"the pipeline file '{names[0]}' has an unknown key '{unknown[0]}'.",
                advice="It has: " + ", ".join(sorted(PIPELINE_KEYS)) + ".",
            )
        names = []
    elif len(names) != 2:
        raise ConfigError("a tap and a target are needed, or a pipeline file.")
    tap = _plugin("tap", names[0] if names else given.get("tap"), arguments.tap_config)
    target = _plugin("target", names[1] if names else given.get("target"), arguments.target_config)
    if arguments.catalog:
        tap = PluginCommand(tap.name, tap.config, arguments.catalog)
    streams = given.get("streams")
    if getattr(arguments, "streams", None):
        streams = [name.strip() for name in arguments.streams.split(",") if name.strip()]
    store = getattr(arguments, "state_store", None)
    named = getattr(arguments, "id", None)
    return Pipeline(
        tap,
        target,
        state=store or given.get("state") or DEFAULT_FOLDER,
        id=_safe(named or given.get("id") or f"{tap.label}--{target.label}"),
        streams=streams,
    )


def _plugin(kind: str, given: Any, config: str | None) -> PluginCommand:
    if isinstance(given, str):
        return PluginCommand(given, config)
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ConfigError(f"the pipeline's '{kind}' has no 'name'.")
    unknown = sorted(given.keys() - PLUGIN_KEYS)
    if unknown:
        raise ConfigError(
            f"the pipeline's '{kind}' has an unknown key '{unknown[0]}'.",
            advice="It has: " + ", ".join(sorted(PLUGIN_KEYS)) + ".",
        )
    return PluginCommand(given["name"], config or given.get("config"), given.get("catalog"))


def _safe(text: str) -> str:
    return re.sub(r"[^\w.-]", "_", text)
