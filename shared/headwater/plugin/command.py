"""Running a plugin as a command: arguments, signals, errors, exit codes."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from headwater import log
from headwater.errors import ConfigError, HeadwaterError, OutputClosedError
from headwater.plugin.base import Plugin, read_document

USAGE_EXIT_CODE = 2


class Terminated(BaseException):
    """SIGTERM or SIGINT arrived."""


class Stop:
    """What a signal sets: work is finished first, waiting is interrupted at once.

    By default a signal interrupts everything; after `defer`, only what is `at_once`.
    """

    def __init__(self) -> None:
        self._asked = False
        self._interrupts = True

    def ask(self) -> None:
        """Be told of a signal.

        Raises:
            Terminated: nothing has to be finished first.
        """
        self._asked = True
        if self._interrupts:
            raise Terminated

    def defer(self) -> None:
        """Have signals wait from now on."""
        self._interrupts = False

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal interrupt what happens inside.

        Raises:
            Terminated: a signal came.
        """
        self._interrupts = True
        try:
            if self._asked:
                raise Terminated
            yield
        finally:
            self._interrupts = False


STOP = Stop()


def parser_for(plugin: type[Plugin], description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every plugin has."""
    parser = argparse.ArgumentParser(prog=plugin.name, description=description, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="Display the package version.")
    parser.add_argument(
        "--about", action="store_true", help="Display package metadata and settings."
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "markdown"),
        default="text",
        help="Specify output style for --about.",
    )
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="Configuration file location or 'ENV' to use environment variables.",
    )
    return parser


def config_from(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the constructor's arguments that the `--config` options stand for."""
    config: dict[str, Any] = {}
    for place in arguments.config:
        if place != "ENV":
            config |= read_document(place, "config")
    return {"config": config, "parse_env_config": "ENV" in arguments.config}


def run(
    plugin: type[Plugin], arguments: argparse.Namespace, work: Callable[[], int | None]
) -> NoReturn:
    """Do the work of a command and leave with its exit code.

    0: done; 1: the sync failed; 2: bad usage or config. The error is one line on standard
    error; a traceback only at log level DEBUG.
    """
    if arguments.version:
        plugin.print_version()
        sys.exit(0)
    if arguments.about:
        plugin.print_about(arguments.format)
        sys.exit(0)
    log.configure(plugin.name)
    logger = logging.getLogger(plugin.name)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, _terminate)
    try:
        code = work() or 0
    except OutputClosedError as fault:
        logger.info("%s", fault)
        code = fault.exit_code
    except HeadwaterError as fault:
        logger.error("%s: %s", type(fault).__name__, fault, exc_info=_traceback_wanted(logger))  # noqa: TRY400
        code = fault.exit_code
    except Terminated:
        logger.warning("stopped by a signal")
        code = 128 + signal.SIGTERM
    except Exception as fault:
        logger.error(  # noqa: TRY400  the traceback only where it was asked for
            "%s failed: %s: %s. Run with %sLOGLEVEL=DEBUG for the traceback.",
            plugin.name,
            type(fault).__name__,
            fault,
            plugin.env_var_prefix(),
            exc_info=_traceback_wanted(logger),
        )
        code = 1
    _leave(code)


def _leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # not sys.exit: worker threads that still wait for the network must not hold the process
    os._exit(code)


def _traceback_wanted(logger: logging.Logger) -> bool:
    return logger.isEnabledFor(logging.DEBUG)


def _terminate(signum: int, frame: object) -> None:  # noqa: ARG001
    STOP.ask()


def usage_error(parser: argparse.ArgumentParser, fault: ConfigError) -> NoReturn:
    """Leave with exit code 2 and the error."""
    parser.exit(USAGE_EXIT_CODE, f"{parser.prog}: {fault}\n")
