"""Records derived anew from kept answers, without asking the API again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from headwater.errors import ConfigError
from headwater.messages.json import decode_exact
from headwater.messages.reader import MessageReader, RecordRun
from headwater.messages.writer import MessageWriter
from headwater.streams import raw
from headwater.streams.base import Stream
from headwater.streams.options import configure
from headwater.streams.report import StreamReport
from headwater.streams.rest import RESTStream
from headwater.tap.emission import Emission, finished

if TYPE_CHECKING:
    from headwater.plugin.mapping import StreamMapper


class Replay:
    """Writes the records of kept answers: no STATE, since nothing new was fetched.

    Args:
        streams: The tap's streams by name.
        writer: Where messages go.
        mapper: The stream maps, where there are any.
    """

    def __init__(
        self, streams: Mapping[str, Stream], writer: MessageWriter, mapper: StreamMapper | None
    ):
        self._streams = streams
        self._writer = writer
        self._mapper = mapper
        self._emissions: dict[str, Emission] = {}

    def run(self, messages: BinaryIO) -> None:
        """Derive the records of every answer among the messages."""
        for message in MessageReader(messages):
            if isinstance(message, RecordRun):
                for envelope in message.decoded():
                    self._answer(message.stream, envelope["record"])
            elif message is not None and message.get("type") == "RECORD":
                self._answer(str(message["stream"]), message["record"])

    def _answer(self, name: str, row: Mapping[str, Any]) -> None:
        if not name.endswith(raw.SUFFIX):
            return
        stream = self._streams.get(name.removesuffix(raw.SUFFIX))
        if not isinstance(stream, RESTStream):
            raise ConfigError(f"the tap has no stream that answers in '{name}' are of.")
        context = decode_exact(row["context"]) if row.get("context") else None
        response = raw.response_of(row, stream.request(context, None))
        kept = finished(stream, context, stream.typed(stream.parse(response, context)))
        emission = self._emissions.get(stream.name) or self._begin(stream)
        emission.records(kept, str(row["fetched_at"]), copies=False)

    def _begin(self, stream: Stream) -> Emission:
        # answers that are kept are not kept again
        configure(stream, {"raw": False, "detect_changes": False, "emit_deletions": False})
        emission = Emission(
            stream,
            writer=self._writer,
            report=StreamReport(),
            written={},
            mapper=self._mapper,
            before=None,
            changes=None,
            generation=None,
        )
        self._emissions[stream.name] = emission
        return emission
