"""Puts a tap through one fault, and judges what comes of it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from headwater.plugin.executable import PluginCommand
from headwater.streams.catalog import select
from headwater.testing.conformance.faults import Fault
from headwater.testing.conformance.proxy import FaultProxy
from headwater.testing.conformance.subject import Subject, Vendor

RUN_SECONDS = 120
ERROR = re.compile(r"\b([A-Z]\w*(?:Error|Exception))\b")
Rows = Mapping[str, Mapping[str, int]]  # by stream: how often each record is there


class Destination(Protocol):
    """Where a trial loads into."""

    def load(self, messages: bytes) -> Mapping[str, Any] | None:
        """Load messages; return the last state that came out, None where none did."""

    def rows(self) -> Rows:
        """Return how often each record is there, by stream and key."""


class Model:
    """A destination in memory: what a target that loses nothing would hold.

    Records are merged by key; those of streams without keys are counted.
    """

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, int]] = {}
        self._keys: dict[str, list[str]] = {}

    def load(self, messages: bytes) -> Mapping[str, Any] | None:
        """Load messages."""
        state = None
        lines = messages.split(b"\n")
        for line in lines[:-1]:  # what follows the last newline was cut off
            message = json.loads(line) if line.strip() else {}
            kind, stream = message.get("type"), message.get("stream", "")
            if kind == "SCHEMA":
                self._keys[stream] = message.get("key_properties") or []
            elif kind == "RECORD":
                keys = self._keys.get(stream, [])
                record = message["record"]
                identity = json.dumps([record.get(k) for k in keys] if keys else record)
                rows = self._rows.setdefault(stream, {})
                rows[identity] = 1 if keys else rows.get(identity, 0) + 1
            elif kind == "STATE":
                state = message["value"]
        return state

    def rows(self) -> Rows:
        """Return how often each record is there."""
        return self._rows


@dataclass(frozen=True)
class Run:
    """One run of a tap.

    Args:
        code: Its exit code.
        messages: What it wrote to standard output.
        log: What it wrote to standard error.
    """

    code: int
    messages: bytes
    log: str

    @property
    def error(self) -> str:
        """The error that ended it, by name."""
        reported = [line for line in self.log.splitlines() if "ERROR" in line]
        found = ERROR.findall(reported[-1]) if reported else ERROR.findall(self.log)[-1:]
        return found[0] if found else ""


@dataclass(frozen=True)
class Verdict:
    """What came of a fault.

    Args:
        fault: The fault's name.
        passed: Whether the tap stood it.
        outcome: What happened, in words.
    """

    fault: str
    passed: bool
    outcome: str


@dataclass
class Trial:
    """A tap under test.

    Args:
        subject: The tap.
        destination: Makes an empty destination.
        knows_errors: The tap ends with errors of our names.
    """

    subject: Subject
    destination: Callable[[], Destination] = Model
    knows_errors: bool = True
    _wanted: Rows | None = field(default=None, init=False)
    _catalog: dict[str, Any] | None = field(default=None, init=False)

    def run(self, url: str, state: Mapping[str, Any] | None = None) -> Run:
        """Run the tap against a URL."""
        executable = PluginCommand(self.subject.tap).executable()
        with tempfile.TemporaryDirectory(prefix="headwater-check-") as folder:
            place = Path(folder)
            (place / "config.json").write_text(json.dumps(self.subject.config(url)))
            command = [executable, "--config", str(place / "config.json")]
            if self.subject.streams:
                (place / "catalog.json").write_text(json.dumps(self._selected(command)))
                command += ["--catalog", str(place / "catalog.json")]
            if state:
                (place / "state.json").write_text(json.dumps(state))
                command += ["--state", str(place / "state.json")]
            try:
                done = subprocess.run(
                    command, capture_output=True, timeout=RUN_SECONDS, check=False
                )
            except subprocess.TimeoutExpired as late:
                return Run(-1, late.stdout or b"", f"no end after {RUN_SECONDS} s")
        return Run(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def _selected(self, command: list[str]) -> dict[str, Any]:
        if self._catalog is None:
            done = subprocess.run([*command, "--discover"], capture_output=True, check=True)
            self._catalog = select(json.loads(done.stdout), self.subject.streams)
        return self._catalog

    @contextmanager
    def vendor(self) -> Iterator[Vendor | None]:
        """Start the server that stands for the vendor, if there is one."""
        if self.subject.serve is None:
            yield None
            return
        vendor = self.subject.serve()
        try:
            yield vendor
        finally:
            vendor.close()

    def face(self, fault: Fault) -> Verdict:
        """Run the tap under a fault, once more without it where it failed, and judge."""
        if fault.needs == "counted" and self.subject.counted is None:
            return Verdict(fault.name, True, "does not apply: the API tells no totals")
        if fault.needs == "vendor" and self.subject.serve is None:
            return Verdict(fault.name, True, "does not apply: the API cannot be changed from here")
        with self.vendor() as vendor:
            upstream = vendor.url if vendor else str(self.subject.config("")["__upstream__"])
            proxy = FaultProxy(upstream)
            try:
                is_still = self.subject.serve is not None  # each server begins with the same
                wanted = self._everything(proxy.url, is_still=is_still)
                proxy = FaultProxy(upstream, fault.make(self.subject, vendor))
                with _address(fault, proxy.url) as url:
                    return self._judge(fault, url, proxy, wanted)
            finally:
                proxy.close()

    def _everything(self, url: str, *, is_still: bool = False) -> Rows:
        """Return what a run without faults loads; of a collection that is still, once."""
        if is_still and self._wanted is not None:
            return self._wanted
        run = self.run(url)
        if run.code:
            raise RuntimeError(f"{self.subject.tap} fails without any fault: {run.log[-2000:]}")
        model = self.destination()
        model.load(run.messages)
        self._wanted = model.rows()
        return self._wanted

    def _judge(self, fault: Fault, url: str, proxy: FaultProxy, wanted: Rows) -> Verdict:
        destination = self.destination()
        first = self.run(url)
        state = destination.load(first.messages)
        if first.code == 0:
            wrong = difference(self._lasting(fault, wanted, proxy), destination.rows())
            if wrong:
                return Verdict(fault.name, False, f"exit 0, but {wrong}")
            if fault.must_fail:
                return Verdict(fault.name, False, "exit 0, though the answers were not complete")
            return Verdict(fault.name, True, "every record once")
        said = first.error or f"exit {first.code}"
        if fault.must_complete:
            return Verdict(fault.name, False, f"failed ({said}), though the fault passes")
        if self.knows_errors and first.error not in fault.errors:
            return Verdict(fault.name, False, f"failed with {said}, not {fault.errors}")
        proxy.behaviour = lambda exchange: exchange.forward()
        second = self.run(proxy.url, state)
        if second.code:
            return Verdict(fault.name, False, f"{said}; the run after it failed: {second.error}")
        destination.load(second.messages)
        wrong = difference(self._lasting(fault, wanted, proxy), destination.rows())
        if wrong:
            return Verdict(fault.name, False, f"{said}; after the next run {wrong}")
        return Verdict(fault.name, True, f"{said}; the next run has every record once")

    def _lasting(self, fault: Fault, wanted: Rows, proxy: FaultProxy) -> Rows:
        """Return the records that were there all the time, where the collection changed."""
        if fault.needs != "vendor":
            return wanted
        proxy.behaviour = lambda exchange: exchange.forward()
        before, now = wanted, self._everything(proxy.url)
        self._wanted = before
        return {
            stream: {key: count for key, count in rows.items() if key in now.get(stream, {})}
            for stream, rows in wanted.items()
        }


def difference(wanted: Rows, found: Rows) -> str:
    """Return what is wrong with the rows of a destination; "" where nothing is.

    Records that were added while the list was read may be there.
    """
    for stream, rows in wanted.items():
        there = found.get(stream, {})
        missing = [key for key in rows if key not in there]
        if missing:
            return f"{len(missing)} of {len(rows)} records of '{stream}' are missing"
        double = [key for key in rows if there[key] != rows[key]]
        if double:
            return f"{len(double)} records of '{stream}' are there more than once"
    return ""


@contextmanager
def _address(fault: Fault, proxy: str) -> Iterator[str]:
    """Give the URL under which the tap finds the API."""
    if fault.url != "tls":
        yield fault.url or proxy
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.sendall(b"this is no TLS\r\n")

        threading.Thread(target=hang_up, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
