"""What a SCHEMA message means for a destination: columns, keys, a compiled validator."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headwater.errors import MissingKeyError, SchemaError
from headwater.schema.kinds import Kind, kind_of, resolve_references, scale_of

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
    """A column of a plan.

    Args:
        name: The property it comes from.
        kind: Its kind.
        scale: The decimal places of a number, where the schema promises them.
        schema: The property's schema.
    """

    name: str
    kind: Kind
    scale: int | None = None
    schema: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Plan:
    """How the records of one stream are loaded, until its schema changes.

    Args:
        stream: The stream's name.
        schema: Its schema.
        keys: Its key properties.
        has_metadata: Whether rows get `_sdc_*` columns.
        validates: Whether records are checked against the schema.

    Attributes:
        columns: The columns: those of the properties, then those of metadata.
        property_count: How many columns come from properties.

    Raises:
        SchemaError: the schema is not one, or lacks a key property.
    """

    stream: str
    schema: Mapping[str, Any]
    keys: tuple[str, ...]
    has_metadata: bool = False
    validates: bool = True
    columns: tuple[Column, ...] = field(init=False)
    property_count: int = field(init=False)
    key_columns: tuple[int, ...] = field(init=False)
    _validator: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        schema = resolve_references(self.schema, self.stream)
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            raise SchemaError("its schema has no properties.", stream=self.stream)
        missing = [key for key in self.keys if key not in properties]
        if missing:
            raise MissingKeyError(
                f"key properties {missing} are not in its schema.", stream=self.stream
            )
        columns = [
            Column(name, kind_of(part), scale_of(part), part if isinstance(part, Mapping) else {})
            for name, part in properties.items()
        ]
        order = [column.name for column in columns]
        object.__setattr__(self, "property_count", len(columns))
        object.__setattr__(self, "key_columns", tuple(order.index(key) for key in self.keys))
        if self.has_metadata:
            columns += [Column(n, k) for n, k in METADATA_COLUMNS.items() if n not in properties]
        object.__setattr__(self, "columns", tuple(columns))
        if self.validates:
            object.__setattr__(self, "_validator", _validator(self.schema, self.stream))

    def fault_of(self, record: Mapping[str, Any]) -> str | None:
        """Return what is wrong with a record by its schema, in a few words; None: nothing."""
        if self._validator is None or self._validator.is_valid(record):
            return None
        error = next(iter(self._validator.iter_errors(record)))
        where = ".".join(map(str, error.instance_path)) or "record"
        return f"'{where}': {str(error.message)[:300]}"

    def identity(self, record: Mapping[str, Any]) -> str:
        """Return how an error names a record: its keys and their values."""
        found = ", ".join(f"{key}={record.get(key)!r}" for key in self.keys)
        return found or "without a key"


def _validator(schema: Mapping[str, Any], stream: str) -> Any:
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(dict(schema))
    except ValueError as fault:
        # classic taps write draft 4, where `exclusiveMaximum` is a boolean, and do not say so
        if "$schema" not in schema:
            with contextlib.suppress(ValueError):
                return jsonschema_rs.Draft4Validator(dict(schema))
        raise SchemaError(f"its schema is not a JSON Schema: {fault}.", stream=stream) from fault
