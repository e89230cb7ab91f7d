r"""JSON in and out: compiled, exact, with one slow path for what few documents hold.

Numbers keep every digit (a number with a fraction or an exponent is a `Decimal`, integers
have any size). NaN and infinity become null on the way out, as the SDK writes them. A lone
surrogate, which UTF-8 cannot carry, stays an escape such as `\ud800`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
from typing import Any

import msgspec

DecodeError = msgspec.DecodeError


def _plain(value: Any) -> Any:
    return str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")
_decoder = msgspec.json.Decoder()
_exact_decoder = msgspec.json.Decoder(float_hook=decimal.Decimal)


def encode(value: Any) -> bytes:
    """Return the JSON of a value made of JSON's own types, `Decimal` and `datetime`."""
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, OverflowError, TypeError):
        return encode_anything(value)


def encode_lines(values: list[Any]) -> bytes:
    """Return the JSON of each value on a line of its own, each line ended by a newline.

    Raises:
        UnicodeEncodeError, OverflowError, TypeError: a value needs `encode_anything`.
    """
    return _encoder.encode_lines(values)


def encode_anything(value: Any) -> bytes:
    """Return JSON for what the compiled encoder refuses: lone surrogates, keys of other types."""
    return _write(value).encode("ascii")


def _write(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_write(_key(k))}:{_write(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_write, value)) + "]"
    if isinstance(value, decimal.Decimal):
        return str(value) if value.is_finite() else "null"
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    if isinstance(value, dt.datetime):
        return json.dumps(value.isoformat())
    if value is None or isinstance(value, (str, bool, int, float)):
        return json.dumps(value)
    return json.dumps(str(value))


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    return json.dumps(key) if key is None or isinstance(key, (bool, int, float)) else str(key)


def decode(text: bytes | str) -> Any:
    """Return the value of a JSON document, numbers with a fraction as `float`.

    Raises:
        DecodeError: it is not JSON.
    """
    try:
        return _decoder.decode(text)
    except (DecodeError, UnicodeDecodeError):
        return _decode_leniently(text, float)


def decode_exact(text: bytes | str) -> Any:
    """Return the value of a JSON document, numbers with a fraction as `Decimal`.

    Raises:
        DecodeError: it is not JSON.
    """
    try:
        return _exact_decoder.decode(text)
    except (DecodeError, UnicodeDecodeError):
        return _decode_leniently(text, decimal.Decimal)


def decode_lines(lines: bytes) -> list[Any]:
    """Return the value of each line, numbers with a fraction as `float`.

    Raises:
        DecodeError: a line is not JSON.
    """
    try:
        return _decoder.decode_lines(lines)
    except (DecodeError, UnicodeDecodeError):
        return [decode(line) for line in lines.split(b"\n") if line.strip()]


def decode_lines_exact(lines: bytes) -> list[Any]:
    """Return the value of each line, numbers with a fraction as `Decimal`.

    Raises:
        DecodeError: a line is not JSON.
    """
    try:
        return _exact_decoder.decode_lines(lines)
    except (DecodeError, UnicodeDecodeError):
        return [decode_exact(line) for line in lines.split(b"\n") if line.strip()]


def _decode_leniently(text: bytes | str, number: Any) -> Any:
    """Decode lone surrogates and NaN, which the standard library takes and JSON does not have."""
    try:
        return json.loads(text, parse_float=number, parse_constant=_constant)
    except UnicodeDecodeError as fault:
        raise DecodeError(f"not UTF-8: {fault.reason} at byte {fault.start}") from fault
    except (ValueError, RecursionError) as fault:
        raise DecodeError(str(fault) or "nested too deeply") from fault


def _constant(_: str) -> None:
    return None
