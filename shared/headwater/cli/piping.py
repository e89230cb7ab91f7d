"""A tap and a target as processes, one piped into the other."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from headwater.cli.workspace import environment
from headwater.errors import HeadwaterError
from headwater.plugin.live import MARK


@dataclass
class Numbers:
    """How far the two sides are.

    Attributes:
        tap: What the tap said last.
        target: What the target said last.
    """

    tap: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return it in words."""
        tap = ", ".join(f"{value:,} {name}" for name, value in self.tap.items() if value)
        target = ", ".join(f"{value:,} {name}" for name, value in self.target.items() if value)
        return f"tap: {tap or 'begins'} | target: {target or 'begins'}"


def _is_state(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


class Pipe:
    """Runs a tap and a target, and hands on each state that the target releases.

    Args:
        tap: The tap's command.
        target: The target's command.
        on_state: What to do with a released state.
    """

    def __init__(self, tap: Sequence[str], target: Sequence[str], on_state: Callable[[str], None]):
        self._commands = list(tap), list(target)
        self._on_state = on_state
        self._fault: HeadwaterError | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self.numbers = Numbers()
        self.was_stopped = False

    def run(self) -> tuple[int, int]:
        """Run both to their ends; return their exit codes.

        Raises:
            HeadwaterError: a state could not be kept.
        """
        tap_command, target_command = self._commands
        target = subprocess.Popen(
            target_command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(),
        )  # fmt: skip
        tap = subprocess.Popen(
            tap_command, stdout=target.stdin, stderr=subprocess.PIPE, env=environment()
        )
        assert target.stdin and target.stdout and target.stderr and tap.stderr  # noqa: S101, PT018
        target.stdin.close()  # the tap has its own copy: when it ends, the target sees the end
        self._processes = [tap, target]
        before = {s: signal.signal(s, self._stop) for s in (signal.SIGTERM, signal.SIGINT)}
        pumps = [
            threading.Thread(target=self._log, args=(tap.stderr, self.numbers.tap)),
            threading.Thread(target=self._log, args=(target.stderr, self.numbers.target)),
            threading.Thread(target=self._states, args=(target.stdout,)),
        ]
        try:
            for pump in pumps:
                pump.start()
            codes = tap.wait(), target.wait()
            for pump in pumps:
                pump.join()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._fault is not None:
            raise self._fault
        return codes

    def _stop(self, number: int, frame: object) -> None:  # noqa: ARG002
        """End the tap: the target then commits what is whole, and releases its state."""
        self.was_stopped = True
        if self._processes[0].poll() is None:
            self._processes[0].send_signal(signal.SIGTERM)

    def _states(self, output: BinaryIO) -> None:
        for line in output:
            text = line.decode(errors="replace").strip()
            if not _is_state(text):
                # a target that says other things than states on standard output
                sys.stderr.write(f"{text}\n" if text else "")
            elif self._fault is None:
                try:
                    self._on_state(text)
                except HeadwaterError as fault:
                    self._fault = fault

    def _log(self, lines: BinaryIO, numbers: dict[str, Any]) -> None:
        for line in lines:
            if line.startswith(MARK.encode()):
                numbers.update(json.loads(line[len(MARK) :]))
                continue
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
