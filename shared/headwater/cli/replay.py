"""`headwater replay`: a stream's table, derived anew from the answers that were kept of it."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from headwater.cli.run import add_plugins, pipeline_from
from headwater.cli.selection import discovered
from headwater.cli.workspace import Workspace
from headwater.errors import ConfigError, HeadwaterError
from headwater.plugin.executable import PluginCommand
from headwater.streams.raw import SUFFIX

# tells a target that what came is all there is; it says nothing of where a run may begin
WHOLE = b'{"type":"STATE","value":{"headwater":{"replayed":true}}}\n'


def add_to(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "replay",
        help="Derive a stream's table anew from its __raw table.",
        usage="headwater replay TAP TARGET --stream NAME [options] | headwater replay PIPELINE.yml",
    )
    add_plugins(parser)
    parser.add_argument("--stream", required=True, help="The stream.")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="Replace the table by what its answers give, instead of merging into it: rows from "
        "before answers were kept are then gone.",
    )
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> int:
    """Read the kept answers, have the tap derive their records, load them."""
    pipeline = pipeline_from(arguments)
    stream = arguments.stream
    with tempfile.TemporaryDirectory(prefix="headwater-replay-") as folder:
        workspace = Workspace(Path(folder))
        tap = workspace.base_command(pipeline.tap, "tap")
        reader = workspace.base_command(pipeline.target, "reader")
        more: dict[str, Any] = {"load_method": "overwrite"} if arguments.replace else {}
        if "state_in_destination" in pipeline.target.settings():
            more["state_in_destination"] = False
        target = workspace.base_command(pipeline.target, "target", **more)
        for command, plugin, option in (
            (tap, pipeline.tap, "--replay"),
            (reader, pipeline.target, "--read"),
        ):
            if not workspace.offers(command, option):
                raise ConfigError(f"{plugin.label} has no option '{option}': it is not ours.")
        if not arguments.replace:
            _needs_keys(tap, pipeline.tap, stream)
        # first into a file: a database in a file is not open to two processes at once
        rows = workspace.folder / "answers.jsonl"
        with rows.open("wb") as out:
            _check([subprocess.run([*reader, "--read", stream + SUFFIX], stdout=out, check=False)])
        source = subprocess.Popen([*tap, "--replay", str(rows)], stdout=subprocess.PIPE)
        sink = subprocess.Popen(target, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert source.stdout and sink.stdin  # noqa: S101, PT018  they are pipes
        with contextlib.suppress(BrokenPipeError), sink.stdin as messages:
            shutil.copyfileobj(source.stdout, messages)
            if source.wait() == 0:
                messages.write(WHOLE)
        source.stdout.close()
        sink.wait()
        _check([source, sink])
    print(f"headwater: '{stream}' is derived anew from '{stream}{SUFFIX}'.", file=sys.stderr)
    return 0


def _needs_keys(tap: list[str], plugin: PluginCommand, stream: str) -> None:
    """Refuse to merge records that nothing identifies: they would stand there twice.

    Raises:
        ConfigError: the stream has no keys, or is not there.
    """
    entries = {e.get("tap_stream_id"): e for e in discovered(tap, plugin).get("streams", ())}
    if stream not in entries:
        raise ConfigError(
            f"{plugin.label} has no stream '{stream}'.",
            advice="It has: " + ", ".join(map(str, entries)) + ".",
        )
    if not entries[stream].get("key_properties"):
        raise ConfigError(
            "its records have no keys: merged, they would come twice.",
            stream=stream,
            advice="Use --replace.",
        )


def _check(processes: list[Any]) -> None:
    codes = [process.returncode for process in processes]
    if any(codes):
        raise HeadwaterError(f"a plugin left with {max(codes)}; the table is as it was committed.")
