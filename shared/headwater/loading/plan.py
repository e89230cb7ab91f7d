"""What a SCHEMA message means for a destination: columns, keys, a compiled validator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headwater.errors import MissingKeyError, SchemaError
from headwater.schema.kinds import Kind, kind_of

METADATA_COLUMNS = {
    "_sdc_extracted_at": Kind.TIMESTAMP,
    "_sdc_received_at": Kind.TIMESTAMP,
    "_sdc_batched_at": Kind.TIMESTAMP,
    "_sdc_deleted_at": Kind.TIMESTAMP,
    "_sdc_sequence": Kind.INTEGER,
    "_sdc_table_version": Kind.INTEGER,
    "_sdc_sync_started_at": Kind.INTEGER,
}


@dataclass(frozen=True)
class Column:
    """A column: the property it comes from, and its kind."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Plan:
    """How the records of one stream are loaded, until its schema changes.

    Args:
        stream: The stream's name.
        schema: Its schema.
        keys: Its key properties.
        has_metadata: Whether rows get `_sdc_*` columns.
        validates: Whether records are checked against the schema.

    Raises:
        SchemaError: the schema is not one, or lacks a key property.
    """

    stream: str
    schema: Mapping[str, Any]
    keys: tuple[str, ...]
    has_metadata: bool = False
    validates: bool = True
    columns: tuple[Column, ...] = field(init=False)
    _validator: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        properties = self.schema.get("properties")
        if not isinstance(properties, Mapping):
            raise SchemaError("its schema has no properties.", stream=self.stream)
        missing = [key for key in self.keys if key not in properties]
        if missing:
            raise MissingKeyError(
                f"key properties {missing} are not in its schema.", stream=self.stream
            )
        columns = [Column(name, kind_of(schema)) for name, schema in properties.items()]
        if self.has_metadata:
            columns += [Column(n, k) for n, k in METADATA_COLUMNS.items() if n not in properties]
        object.__setattr__(self, "columns", tuple(columns))
        if self.validates:
            object.__setattr__(self, "_validator", _validator(self.schema, self.stream))

    def check(self, records: Sequence[dict[str, Any]]) -> None:
        """Check records.

        Raises:
            SchemaError: a record does not fit its schema; names record, place and reason.
            MissingKeyError: a record lacks a key.
        """
        for key in self.keys:
            for record in records:
                if record.get(key) is None:
                    raise MissingKeyError(
                        f"a record has no value for key property '{key}'.", stream=self.stream
                    )
        if self._validator is None:
            return
        is_valid = self._validator.is_valid
        for record in records:
            if not is_valid(record):
                self._refuse(record)

    def _refuse(self, record: dict[str, Any]) -> None:
        error = next(iter(self._validator.iter_errors(record)))
        where = ".".join(map(str, error.instance_path)) or "record"
        identity = ", ".join(f"{key}={record.get(key)!r}" for key in self.keys) or "without a key"
        raise SchemaError(
            f"record ({identity}): '{where}': {str(error.message)[:300]}.",
            stream=self.stream,
            advice="Correct the schema or the record, or set 'validate_records' to false.",
        )


def _validator(schema: Mapping[str, Any], stream: str) -> Any:
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(dict(schema))
    except ValueError as fault:
        raise SchemaError(f"its schema is not a JSON Schema: {fault}.", stream=stream) from fault
