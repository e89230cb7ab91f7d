"""Singer messages, in and out, as bytes."""

from headwater.messages.json import decode, decode_exact, encode
from headwater.messages.reader import MessageReader, RecordRun
from headwater.messages.stdout import claim_stdout
from headwater.messages.writer import MessageWriter

__all__ = [
    "MessageReader",
    "MessageWriter",
    "RecordRun",
    "claim_stdout",
    "decode",
    "decode_exact",
    "encode",
]
