"""Lets `singer_sdk.testing` run our targets: its suite expects the SDK's own exceptions."""

from __future__ import annotations

from typing import Any

from headwater.errors import MissingKeyError, MissingSchemaError, SchemaError
from headwater.target import Target


def for_sdk(target: type[Target]) -> type[Target]:
    """Return the target with its errors as the SDK's."""

    class ForSDK(target):  # type: ignore[misc, valid-type]
        __doc__ = target.__doc__

        def process_lines(self, file_input: Any) -> None:
            from singer_sdk.exceptions import (
                InvalidRecord,
                MissingKeyPropertiesError,
                RecordsWithoutSchemaException,
            )

            try:
                super().process_lines(file_input)
            except MissingSchemaError as fault:
                raise RecordsWithoutSchemaException(str(fault)) from fault
            except MissingKeyError as fault:
                raise MissingKeyPropertiesError(str(fault)) from fault
            except SchemaError as fault:
                raise InvalidRecord(str(fault), {}) from fault

    return ForSDK
