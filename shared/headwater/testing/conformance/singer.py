"""What the Singer specification and a shell ask of any tap's executable."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from headwater.plugin.executable import PluginCommand
from headwater.secrets.redaction import SECRET_PARAMETERS
from headwater.testing.conformance.trial import RUN_SECONDS, Run, Trial, Verdict

STOP_SECONDS = 15
SHORTEST_CANARY = 6


def singer_checks(trial: Trial, url: str) -> Iterator[Verdict]:
    """Yield the verdicts on a tap's messages, catalog, exit codes and secrets.

    Args:
        trial: The tap.
        url: The API's URL.
    """
    tap = trial.subject.tap
    yield _catalog(tap, trial.subject.config(url))
    run = trial.run(url)
    yield Verdict("a run without faults", run.code == 0, f"exit {run.code}")
    fault = fault_of(run.messages)
    yield Verdict("its messages are Singer's", not fault, fault or "all of them")
    state = last_state(run.messages)
    yield Verdict(
        "it ends with a STATE", state is not None, "yes" if state is not None else "it does not"
    )
    again = trial.run(url, state)
    yield Verdict("a run from its own state", again.code == 0, f"exit {again.code}")
    yield _secrets(trial, url)
    yield _bad_config(tap)
    yield _closed_pipe(trial, url)
    yield _stopped(trial, url)


def _catalog(tap: str, config: Mapping[str, Any]) -> Verdict:
    name = "--discover prints a catalog"
    run = _command(tap, config, "--discover")
    if run.code:
        return Verdict(name, False, f"exit {run.code}")
    try:
        streams = json.loads(run.messages)["streams"]
    except (ValueError, KeyError, TypeError):
        return Verdict(name, False, "it is no JSON object with 'streams'")
    odd = [s for s in streams if not (s.get("tap_stream_id") and isinstance(s.get("schema"), dict))]
    if odd or not streams:
        return Verdict(name, False, "a stream has no 'tap_stream_id' or no 'schema'")
    return Verdict(name, True, f"{len(streams)} streams")


def fault_of(messages: bytes) -> str:
    """Return what is wrong with a tap's output; "" where nothing is."""
    import jsonschema_rs

    validators: dict[str, Any] = {}
    keys: dict[str, list[str]] = {}
    for number, line in enumerate(messages.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            message = json.loads(line)
            kind = message["type"]
        except (ValueError, KeyError, TypeError):
            return f"line {number} is no message: {line[:80]!r}"
        stream = message.get("stream")
        if kind == "SCHEMA":
            if not isinstance(message.get("schema"), dict) or "key_properties" not in message:
                return f"line {number}: a SCHEMA without 'schema' or 'key_properties'"
            validators[stream] = jsonschema_rs.validator_for(message["schema"])
            keys[stream] = message["key_properties"] or []
        elif kind == "RECORD":
            if stream not in validators:
                return f"line {number}: a RECORD of '{stream}' before its SCHEMA"
            record = message.get("record")
            fault = next(iter(validators[stream].iter_errors(record)), None)
            if fault is not None:
                return f"line {number}, stream '{stream}': {str(fault.message)[:120]}"
            missing = [key for key in keys[stream] if record.get(key) is None]
            if missing:
                return f"line {number}, stream '{stream}': no value for key '{missing[0]}'"
        elif kind == "STATE":
            if not isinstance(message.get("value"), dict):
                return f"line {number}: a STATE without a 'value'"
        elif kind not in ("ACTIVATE_VERSION", "BATCH"):
            return f"line {number}: unknown message type '{kind}'"
    return "" if validators else "there are none"


def last_state(messages: bytes) -> Any:
    """Return the value of the last STATE; None where there is none."""
    found = None
    for line in messages.split(b"\n"):
        if b"STATE" in line:
            message = json.loads(line)
            found = message["value"] if message.get("type") == "STATE" else found
    return found


def _secrets(trial: Trial, url: str) -> Verdict:
    """Run at DEBUG, and look for the values of settings whose names tell that they are secret."""
    canaries = set(_secret_values(trial.subject.config(url)))
    name = "no secret is written, at DEBUG"
    if not canaries:
        return Verdict(name, True, "does not apply: config has none")
    before = {n: os.environ.get(n) for n in ("LOGLEVEL", _level_of(trial.subject.tap))}
    os.environ.update(dict.fromkeys(before, "DEBUG"))
    try:
        run = trial.run(url)
    finally:
        for variable, value in before.items():
            if value is None:
                del os.environ[variable]
            else:
                os.environ[variable] = value
    text = run.log + run.messages.decode(errors="replace")
    shown = [canary for canary in canaries if canary in text]
    return Verdict(name, not shown, f"{len(shown)} of {len(canaries)} are" if shown else "none is")


def _level_of(tap: str) -> str:
    return Path(tap).name.upper().replace("-", "_") + "_LOGLEVEL"


def _secret_values(value: Any, *, is_secret: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            is_named = bool(SECRET_PARAMETERS.search(str(name))) and not str(name).endswith("_url")
            yield from _secret_values(part, is_secret=is_named and not isinstance(part, Mapping))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _secret_values(part, is_secret=is_secret)
    elif is_secret and isinstance(value, str) and len(value) >= SHORTEST_CANARY:
        yield value


def _bad_config(tap: str) -> Verdict:
    run = _command(tap, {"no_such_setting_at_all": 1})
    passed = run.code != 0 and "Traceback" not in run.log
    what = f"exit {run.code}" + (", with a traceback" if "Traceback" in run.log else "")
    return Verdict("a config that lacks everything is refused", passed, what)


def _closed_pipe(trial: Trial, url: str) -> Verdict:
    """Close the reader's end after the first line."""
    with _started(trial, url) as process:
        assert process.stdout and process.stderr  # noqa: S101, PT018  they are pipes
        process.stdout.readline()
        process.stdout.close()
        log = process.stderr.read().decode(errors="replace")
        code = process.wait(RUN_SECONDS)
    passed = code != 0 and "Traceback" not in log
    what = f"exit {code}" + (", with a traceback" if "Traceback" in log else "")
    # a tap that is done before the pipe closes has nothing to say of it
    return Verdict("it ends when its reader is gone", passed or code == 0, what)


def _stopped(trial: Trial, url: str) -> Verdict:
    name = "SIGTERM ends it, whole lines written"
    with _started(trial, url) as process:
        time.sleep(0.8)
        process.send_signal(signal.SIGTERM)
        try:
            messages, _ = process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return Verdict(name, False, f"not within {STOP_SECONDS} s")
    is_whole = not messages or messages.endswith(b"\n")
    return Verdict(name, is_whole, f"exit {process.returncode}")


def _started(trial: Trial, url: str) -> subprocess.Popen[bytes]:
    folder = tempfile.mkdtemp(prefix="headwater-check-")
    config = Path(folder) / "config.json"
    config.write_text(json.dumps(trial.subject.config(url)))
    executable = PluginCommand(trial.subject.tap).executable()
    return subprocess.Popen(
        [executable, "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _command(tap: str, config: Mapping[str, Any], *arguments: str) -> Run:
    with tempfile.TemporaryDirectory(prefix="headwater-check-") as folder:
        place = Path(folder) / "config.json"
        place.write_text(json.dumps(config))
        done = subprocess.run(
            [PluginCommand(tap).executable(), "--config", str(place), *arguments],
            capture_output=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    return Run(done.returncode, done.stdout, done.stderr.decode(errors="replace"))
