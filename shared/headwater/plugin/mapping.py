"""Stream maps and flattening: the SDK's own, imported only where they are turned on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headwater.errors import ConfigError


class StreamMapper:
    """Maps streams as the SDK's `PluginMapper` does.

    Args:
        config: The plugin's settings.

    Raises:
        ConfigError: a stream map is not one.
    """

    def __init__(self, config: Mapping[str, Any]):
        from singer_sdk.mapper import PluginMapper

        self._mapper = PluginMapper(
            plugin_config=dict(config), logger=logging.getLogger("headwater.mapping")
        )

    def register(self, stream: str, schema: Mapping[str, Any], keys: Sequence[str]) -> None:
        """Make the maps of a stream."""
        from singer_sdk.exceptions import MappingError

        self._mapper.stream_maps.pop(stream, None)
        try:
            self._mapper.register_raw_stream_schema(stream, dict(schema), list(keys))
        except MappingError as fault:
            raise ConfigError(f"stream map of '{stream}': {fault}.") from fault

    def maps(self, stream: str) -> list[Any]:
        """Return the SDK's stream maps of a stream."""
        maps: list[Any] = self._mapper.stream_maps[stream]
        return maps

    def outputs(self, stream: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Yield name, schema and keys of every stream that this one is mapped to."""
        from singer_sdk.mapper import RemoveRecordTransform

        for stream_map in self.maps(stream):
            if not isinstance(stream_map, RemoveRecordTransform):
                yield (
                    stream_map.stream_alias,
                    stream_map.transformed_schema,
                    list(stream_map.transformed_key_properties or []),
                )

    def transform(
        self, stream: str, records: list[dict[str, Any]]
    ) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield, for every stream that this one is mapped to, the records as mapped."""
        for stream_map in self.maps(stream):
            mapped = [stream_map.transform(dict(record)) for record in records]
            kept = [record for record in mapped if record is not None]
            if kept:
                yield stream_map.stream_alias, kept
