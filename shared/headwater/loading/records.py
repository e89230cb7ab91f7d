"""From RECORD lines to checked rows: the typed decoder first, the general path where it must."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from headwater.errors import MessageError, MissingKeyError, SchemaError
from headwater.loading.moments import all_have_form, is_moment
from headwater.loading.plan import Plan
from headwater.loading.rows import DictRows, Rows, Stamp, TypedRows
from headwater.loading.typed import NotTypable, TypedRecords
from headwater.messages.json import DecodeError, decode_exact, decode_lines_exact
from headwater.schema.kinds import Kind

logger = logging.getLogger(__name__)

MOMENTS = (Kind.TIMESTAMP, Kind.DATE, Kind.TIME)
VALIDATE_ADVICE = "Correct the schema or the record, or set 'on_invalid' to skip or quarantine."


class InvalidRecord:
    """A record that its plan refuses.

    Args:
        record: The record.
        reason: What is wrong with it.
        error: The error to raise where it may not be passed over.
    """

    def __init__(self, record: dict[str, Any], error: SchemaError):
        self.record = record
        self.reason = error.message
        self.error = error


class RecordReader:
    """Reads the records of one plan.

    Args:
        plan: The plan.
        keeps_text: The destination wants each record's whole text.
    """

    def __init__(self, plan: Plan, *, keeps_text: bool = False):
        self.plan = plan
        self._keeps_text = keeps_text
        self._known = frozenset(column.name for column in plan.columns)
        self._moments = [
            (index, column.kind)
            for index, column in enumerate(plan.columns[: plan.property_count])
            if column.kind in MOMENTS
        ]
        self._unknown: set[str] = set()
        self._typed: TypedRecords | None
        try:
            self._typed = TypedRecords(plan, keeps_text=keeps_text)
        except NotTypable:
            self._typed = None

    def read(self, lines: bytes, stamp: Stamp | None) -> tuple[Rows, list[InvalidRecord]]:
        """Return the rows of RECORD lines, and those records that are not fit to be rows.

        Raises:
            MessageError: a line is not a RECORD message.
        """
        self._note_unknown(lines)
        if self._typed is not None:
            try:
                rows = self._read_typed(self._typed, lines, stamp)
            except (DecodeError, UnicodeDecodeError):
                rows = None
            if rows is not None:
                return rows, []
        try:
            envelopes = decode_lines_exact(lines)
        except DecodeError as fault:
            raise MessageError(
                f"a RECORD line is not JSON: {fault}.", stream=self.plan.stream
            ) from fault
        return self.from_envelopes(envelopes, stamp)

    def _read_typed(
        self, typed: TypedRecords, lines: bytes, stamp: Stamp | None
    ) -> TypedRows | None:
        envelopes: list[Any] = typed.decoder.decode_lines(lines)
        records, texts = [e.record for e in envelopes], None
        if self._keeps_text:
            texts = list(map(bytes, records))
            records = typed.record_decoder.decode_lines(b"\n".join(texts))
        has_metadata = stamp is not None
        rows = TypedRows(
            self.plan,
            records,
            texts,
            extracted_at=[e.time_extracted for e in envelopes] if has_metadata else (),
            versions=[e.version for e in envelopes] if has_metadata else (),
            stamp=stamp,
        )
        for index, check in typed.checks.items():
            check.decode_lines(rows.raw(index))
        return rows if self._fits(rows) else None

    def _fits(self, rows: TypedRows) -> bool:
        """Whether moments have their form and keys a value, which types alone do not say."""
        if any(None in rows.column(index) for index in self.plan.key_columns):
            return False
        for index, kind in self._moments:
            values = rows.column(index)
            present = [v for v in values if v is not None] if None in values else values
            if not all_have_form(kind, present):
                return False
        return True

    def from_envelopes(
        self, envelopes: Sequence[dict[str, Any]], stamp: Stamp | None
    ) -> tuple[Rows, list[InvalidRecord]]:
        """Return the rows of decoded RECORD messages, and those that are not fit to be rows.

        Raises:
            MessageError: a message has no record.
        """
        fit: list[dict[str, Any]] = []
        invalid: list[InvalidRecord] = []
        for envelope in envelopes:
            record = envelope.get("record")
            if not isinstance(record, dict):
                raise MessageError("a RECORD message has no record.", stream=self.plan.stream)
            error = self.fault_of(record)
            if error is None:
                fit.append(envelope)
            else:
                invalid.append(InvalidRecord(record, error))
        rows = DictRows(
            self.plan,
            [e["record"] for e in fit],
            extracted_at=[e.get("time_extracted") for e in fit],
            versions=[e.get("version") for e in fit],
            stamp=stamp,
        )
        return rows, invalid

    def fault_of(self, record: dict[str, Any]) -> SchemaError | None:
        """Return the error that says why a record is not fit to be a row; None: it is."""
        plan = self.plan
        for key in plan.keys:
            if record.get(key) is None:
                return MissingKeyError(
                    f"a record has no value for key property '{key}' ({plan.identity(record)}).",
                    stream=plan.stream,
                    advice=VALIDATE_ADVICE,
                )
        reason = plan.fault_of(record)
        if reason is None:
            for index, kind in self._moments:
                value = record.get(plan.columns[index].name)
                if value is not None and not is_moment(kind, value):
                    reason = f"'{plan.columns[index].name}': {value!r:.80} is not a {kind.value}"
                    break
        if reason is None:
            return None
        return SchemaError(
            f"record ({plan.identity(record)}): {reason}.",
            stream=plan.stream,
            advice=VALIDATE_ADVICE,
        )

    def _note_unknown(self, lines: bytes) -> None:
        """Look at the first record of some: what no column holds is said once."""
        try:
            record = decode_exact(lines[: lines.index(b"\n")])["record"]
        except (DecodeError, KeyError, TypeError, ValueError):
            return
        unknown = record.keys() - self._known - self._unknown if isinstance(record, dict) else ()
        if unknown and not self._keeps_text:
            self._unknown |= unknown
            logger.warning(
                "stream '%s': properties that its schema does not have are not loaded: %s",
                self.plan.stream,
                ", ".join(sorted(unknown)),
            )
