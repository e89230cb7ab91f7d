"""A stream: a name, a schema, keys, and where its pages of records come from."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from headwater.http.client import Client
from headwater.schema.files import load_schema
from headwater.streams.catalog import (
    Metadata,
    Selection,
    catalog_entry,
    read_metadata,
    selected_schema,
    standard_metadata,
)
from headwater.streams.shape import Shaper

if TYPE_CHECKING:
    from headwater.streams.report import StreamReport
    from headwater.streams.state import State

ADDITIONAL = "additional_fields"
DELETED_AT = "_sdc_deleted_at"
Record = dict[str, Any]
Context = dict[str, Any]


class StreamHost(Protocol):
    """What a stream needs of its tap."""

    name: ClassVar[str]

    @property
    def client(self) -> Client:
        """What sends the tap's requests."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings, defaults filled in and references resolved."""


class Stream:
    """One stream of a tap; a subclass declares it, and says where its pages come from.

    Class attributes:
        name: The stream's name, and by default that of its schema file.
        primary_keys: The names of the properties that identify a record.
        replication_key: The property by which the stream is incremental.
        is_sorted: Records come in ascending order of the replication key.
        lookback: How far before the bookmark an incremental fetch begins.
        parent: The stream whose records are this stream's contexts.
        concurrency: How many of its contexts are fetched at once; None: the tap's setting.
        additional_fields: What becomes of properties that the schema lacks: `ignore`, or
            `keep` them in one property of that name.
        on_drift: What happens when the API's records have changed: `warn`, `fail`, or
            `evolve` the schema.
        has_raw: Answers are also emitted as they came, to `<name>__raw`.
        is_resumable: A full list that was interrupted is taken up where it ended: its
            pagination's cursors must live on, and its order must not change.
        detects_changes: Only records that are new or changed since the last loaded run are
            emitted, by comparing digests.
        emits_deletions: With it, records that are gone are emitted with `_sdc_deleted_at`.
        description: A line for the README.
    """

    name: ClassVar[str]
    description: ClassVar[str] = ""
    primary_keys: ClassVar[tuple[str, ...]] = ()
    replication_key: ClassVar[str | None] = None
    is_sorted: ClassVar[bool] = False
    lookback: ClassVar[timedelta | None] = None
    parent: ClassVar[type[Stream] | None] = None
    concurrency: ClassVar[int | None] = None
    additional_fields: ClassVar[str] = "ignore"
    on_drift: ClassVar[str] = "warn"
    has_raw: ClassVar[bool] = False
    is_resumable: ClassVar[bool] = False
    detects_changes: ClassVar[bool] = False
    emits_deletions: ClassVar[bool] = False
    selected_by_default: ClassVar[bool] = True
    records_are_json: ClassVar[bool] = True

    def __init__(self, tap: StreamHost):
        self.tap = tap
        self.children: list[Stream] = []
        self.record_limit: int | None = None
        self.report: StreamReport | None = None
        self.state: State | None = None
        self.added_properties: dict[str, Any] = {}
        self._metadata: Metadata | None = None
        self._forced_selection: bool | None = None
        self._keys: tuple[str, ...] | None = None
        self._replication: tuple[str | None, str | None] | None = None
        self._catalog_schema: dict[str, Any] | None = None

    # --- what a subclass says ---------------------------------------------------------

    def pages(self, context: Context | None, start: Any) -> Iterator[list[Record]]:
        """Yield the stream's records, a page at a time.

        Args:
            context: The parent's record or the partition that this fetch belongs to.
            start: The replication value to begin at; None for everything.

        Raises:
            IncompleteFetchError: the fetch ended without proof that it is complete.
        """
        raise NotImplementedError

    def post_process(self, record: Record, context: Context | None) -> Record | None:  # noqa: ARG002
        """Return the record as it is emitted, or None to leave it out."""
        return record

    def child_context(self, record: Record, context: Context | None) -> Context | None:  # noqa: ARG002
        """Return the context that this record gives to the streams below it; None for none."""
        return None

    def contexts(self) -> list[Context] | None:
        """Return the partitions of a stream without a parent; None: it has none."""
        return None

    def memory(self, context: Context | None) -> dict[str, Any]:  # noqa: ARG002
        """Return what to keep in the bookmark of a context whose fetch is complete."""
        return {}

    def state_context(self, context: Context | None) -> Context | None:
        """Return the part of a context that bookmarks are kept by; None: one for the stream."""
        return context

    def as_replication_value(self, moment: Any) -> Any:
        """Return a moment of the settings as the replication key's values write moments."""
        return moment

    # --- what the tap asks ------------------------------------------------------------

    @property
    def logger(self) -> logging.Logger:
        """The tap's logger."""
        return logging.getLogger(self.tap.name)

    @property
    def config(self) -> Mapping[str, Any]:
        """The tap's settings."""
        return self.tap.config

    @property
    def tap_stream_id(self) -> str:
        """The stream's name, as catalogs call it."""
        return self.name

    @cached_property
    def declared_schema(self) -> dict[str, Any]:
        """The schema that the tap declares."""
        return load_schema(type(self).__module__.split(".")[0], self.name)

    @property
    def schema(self) -> dict[str, Any]:
        """The stream's whole schema: the catalog's, where one was given; and what was added."""
        schema = self._catalog_schema or self.declared_schema
        added = {**self.added_properties}
        if self.additional_fields == "keep":
            added[ADDITIONAL] = {"type": ["object", "null"]}
        if self.emits_deletions:
            added[DELETED_AT] = {"type": ["string", "null"], "format": "date-time"}
        if not added:
            return schema
        return {**schema, "properties": {**schema.get("properties", {}), **added}}

    @property
    def key_properties(self) -> tuple[str, ...]:
        """The primary keys: the catalog's, where one was given."""
        return self.primary_keys if self._keys is None else self._keys

    @property
    def bookmark_key(self) -> str | None:
        """The replication key in force; None for a full-table sync."""
        if self._replication is None:
            return self.replication_key
        key, method = self._replication
        return None if method == "FULL_TABLE" else key

    @property
    def replication_method(self) -> str:
        """INCREMENTAL or FULL_TABLE."""
        return "INCREMENTAL" if self.bookmark_key else "FULL_TABLE"

    @property
    def metadata(self) -> Metadata:
        """The stream's metadata: the catalog's, where one was given."""
        if self._metadata is None:
            self._metadata = standard_metadata(
                self.schema,
                key_properties=self.key_properties,
                replication_key=self.bookmark_key,
                replication_method=self.replication_method,
                selected_by_default=self.selected_by_default,
            )
        return self._metadata

    @property
    def selected(self) -> bool:
        """Whether records of this stream are wanted."""
        if self._forced_selection is not None:
            return self._forced_selection
        return self.selection[()]

    @selected.setter
    def selected(self, value: bool) -> None:
        self._forced_selection = value

    @property
    def is_wanted(self) -> bool:
        """Whether this stream or one below it is selected."""
        return self.selected or any(child.is_wanted for child in self.children)

    @property
    def is_leaf(self) -> bool:
        """Whether no stream below this one is wanted."""
        return not any(child.is_wanted for child in self.children)

    @property
    def wanted_names(self) -> list[str]:
        """The selected streams among this one and those below it."""
        below = [name for child in self.children for name in child.wanted_names]
        return sorted({*below, *([self.name] if self.selected else [])})

    @cached_property
    def selection(self) -> Selection:
        """Which properties are selected."""
        return Selection(self.metadata)

    @property
    def selected_schema(self) -> dict[str, Any]:
        """The schema of what is selected: what SCHEMA messages carry."""
        return selected_schema(self.schema, self.selection)

    @property
    def stream_maps(self) -> list[SimpleNamespace]:
        """What `singer_sdk.testing` reads the selected schema from."""
        return [SimpleNamespace(transformed_schema=self.selected_schema)]

    def shaper(self) -> Shaper:
        """Return what gives records the shape of the schema and the selection."""
        keep_in = ADDITIONAL if self.additional_fields == "keep" else None
        return Shaper(self.schema, self.selection, from_json=self.records_are_json, keep_in=keep_in)

    def apply_catalog(self, entry: Mapping[str, Any]) -> None:
        """Take schema, keys, replication method and selection from a catalog's entry."""
        self._metadata = read_metadata(entry)
        root = self._metadata.get((), {})
        self._catalog_schema = entry.get("schema") or None
        keys = entry.get("key_properties") or root.get("table-key-properties")
        self._keys = tuple(keys) if keys else self.primary_keys
        key = entry.get("replication_key") or root.get("replication-key") or self.replication_key
        method = entry.get("replication_method") or root.get("forced-replication-method")
        self._replication = (key, method)
        self.forget_selection()

    def forget_selection(self) -> None:
        """Work out anew what is selected: metadata or schema have changed."""
        self.__dict__.pop("selection", None)
        if self._catalog_schema is None:
            self._metadata = None

    def catalog_entry(self) -> dict[str, Any]:
        """Return the stream's entry in the catalog."""
        return catalog_entry(
            self.name,
            self.schema,
            self.metadata,
            key_properties=self.key_properties,
            replication_key=self.bookmark_key,
            replication_method=self.replication_method,
        )
