"""The errors a run can end with.

One small tree with one root. Each error says what happened, to which stream, record or
setting, and what to do; `exit_code` is what the process returns: 1 for a failed sync,
2 for bad usage or configuration.
"""

from __future__ import annotations


class HeadwaterError(Exception):
    """The root of all errors a user is meant to read.

    Args:
        message: What happened, in one sentence.
        stream: The stream it happened to, where there is one.
        advice: What to do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, stream: str | None = None, advice: str | None = None):
        super().__init__(message)
        self.message = message
        self.stream = stream
        self.advice = advice

    def __str__(self) -> str:
        subject = f"stream '{self.stream}': " if self.stream else ""
        advice = f" {self.advice}" if self.advice else ""
        return f"{subject}{self.message}{advice}"

    def about(self, stream: str) -> HeadwaterError:
        """Name the stream, unless the error already names one; return the error."""
        self.stream = self.stream or stream
        return self


class ConfigError(HeadwaterError):
    """A setting, a catalog or the command line is wrong."""

    exit_code = 2


class AuthError(HeadwaterError):
    """The API refused the credentials."""


class RateLimitError(HeadwaterError):
    """The API's limit did not open again within the retry policy's total time."""


class TransientError(HeadwaterError):
    """A fault that usually passes was still there after the last try."""


class PermanentError(HeadwaterError):
    """The API refused the request, and asking again would not help."""


class IncompleteFetchError(HeadwaterError):
    """A fetch ended without the proof that it is complete."""


class SchemaError(HeadwaterError):
    """A schema, or a record against its schema, is not usable."""


class MessageError(HeadwaterError):
    """A line on standard input is not a valid Singer message."""


class MissingSchemaError(MessageError):
    """A RECORD came before the SCHEMA of its stream."""


class MissingKeyError(SchemaError):
    """A record lacks a value for one of its key properties."""


class OutputClosedError(HeadwaterError):
    """Whoever read our standard output is gone; nothing more can be delivered."""


class LoadError(HeadwaterError):
    """The destination refused a batch; the state has not moved."""
