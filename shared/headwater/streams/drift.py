"""Drift: what an API sends, compared with the schema and with the last run."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from headwater.errors import SchemaError
from headwater.schema.inference import infer

logger = logging.getLogger(__name__)

SAMPLES = 5  # records of a page whose types are looked at; names are looked at in all
OPTIONAL = "?"
SERIOUS = ("new", "retyped", "new_enum_value", "vanished")
TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "number",
    dict: "object",
    list: "array",
}


@dataclass(frozen=True)
class DriftEvent:
    """One difference.

    Args:
        kind: `new`, `missing`, `retyped` or `new_enum_value`, against the schema; `appeared`
            or `vanished`, against the last run.
        field: The property.
        was: What the schema or the last run says.
        now: What came.
    """

    kind: str
    field: str
    was: str = ""
    now: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the event for a log or a summary."""
        return {"event": self.kind, "field": self.field, "was": self.was, "now": self.now}


class DriftWatch:
    """Watches the records of one stream during a run.

    Args:
        stream: The stream's name.
        schema: Its schema.
        before: The types that the last run saw, by property.
    """

    def __init__(self, stream: str, schema: Mapping[str, Any], before: Mapping[str, str] | None):
        self._stream = stream
        self._before = before
        self._declared = {name: _types(part) for name, part in schema.get("properties", {}).items()}
        self._enums = {
            name: {*map(repr, part["enum"])}
            for name, part in schema.get("properties", {}).items()
            if isinstance(part, Mapping) and part.get("enum")
        }
        self._seen: dict[str, set[str]] = {}
        self._times: Counter[str] = Counter()
        self._looked_at = 0
        self._values: dict[str, set[str]] = {}

    def look(self, page: Sequence[Mapping[str, Any]]) -> None:
        """Look at a page of records."""
        if not page:
            return
        step = max(1, len(page) // SAMPLES)
        seen = self._seen
        sample = page[::step]
        self._looked_at += len(sample)
        for record in sample:
            self._times.update(record.keys())
            for name, value in record.items():
                if value is not None:
                    seen.setdefault(name, set()).add(TYPES.get(type(value), "string"))
                elif name not in seen:
                    seen[name] = set()
        for name, known in self._enums.items():
            came = {repr(record[name]) for record in page if record.get(name) is not None}
            if not came <= known:
                self._values.setdefault(name, set()).update(came - known)

    def fingerprint(self) -> dict[str, str] | None:
        """Return the types that were seen, by property; the last run's where nothing came.

        A property that some records lack is marked by `?`: that few records of a run lack it
        too is no news.
        """
        if not self._looked_at:
            return dict(self._before) if self._before is not None else None
        before = self._before or {}
        found = {}
        for name, types in sorted(self._seen.items()):
            was = before.get(name, "")
            # only nulls this time: what was known stays known
            kinds = "|".join(sorted(types)) or was.rstrip(OPTIONAL)
            is_optional = self._times[name] < self._looked_at or was.endswith(OPTIONAL)
            found[name] = kinds + (OPTIONAL if is_optional else "")
        kept = {n: was for n, was in before.items() if was.endswith(OPTIONAL) and n not in found}
        return {**found, **kept}

    def events(self, *, is_over: bool = True) -> list[DriftEvent]:
        """Return all differences, each once; what is missing only once the run is over."""
        if not self._looked_at:
            return []
        found = []
        for name, types in sorted(self._seen.items()):
            if name not in self._declared:
                found.append(DriftEvent("new", name, now="|".join(sorted(types))))
            elif self._declared[name] and not _fit(types, self._declared[name]):
                was = "|".join(sorted(self._declared[name]))
                found.append(DriftEvent("retyped", name, was, "|".join(sorted(types))))
        for name, values in sorted(self._values.items()):
            found.append(DriftEvent("new_enum_value", name, now=", ".join(sorted(values)[:5])))
        if not is_over:
            return found
        found += [
            DriftEvent("missing", name, "|".join(sorted(types)))
            for name, types in sorted(self._declared.items())
            if name not in self._seen
        ]
        return found + self._since_last_run()

    def _since_last_run(self) -> list[DriftEvent]:
        if self._before is None:
            return []
        now = self.fingerprint() or {}
        appeared = [
            DriftEvent("appeared", name, now=now[name].rstrip(OPTIONAL))
            for name in now
            if name not in self._before
        ]
        vanished = [
            DriftEvent("vanished", name, was=self._before[name])
            for name in self._before
            if name not in now
        ]
        return appeared + vanished

    def report(self, policy: str) -> list[DriftEvent]:
        """Log the differences, and return those that matter.

        Raises:
            SchemaError: the policy is `fail`, and a property is new or of another type.
        """
        events = self.events()
        for event in events:
            # an optional property that did not come is no news
            level = logging.INFO if event.kind == "missing" else logging.WARNING
            logger.log(
                level,
                "stream '%s': schema drift: %s '%s'%s%s",
                self._stream,
                event.kind,
                event.field,
                f", was {event.was}" if event.was else "",
                f", now {event.now}" if event.now else "",
                extra={"drift": event.as_dict()},
            )
        if policy == "fail":
            self._refuse(events)
        return events

    def refuse(self) -> None:
        """Look at what has come so far.

        Raises:
            SchemaError: a property is new, of another type, or has a new value of its enum.
        """
        self._refuse(self.events(is_over=False))

    def _refuse(self, events: Sequence[DriftEvent]) -> None:
        serious = [e for e in events if e.kind in SERIOUS]
        if serious:
            raise SchemaError(
                "the API's records have changed: "
                + ", ".join(f"{e.kind} '{e.field}'" for e in serious)
                + ".",
                stream=self._stream,
                advice="Bring the schema up to date, or set 'on_drift' to warn or evolve.",
            )


def evolved(schema: Mapping[str, Any], page: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the properties that a page has and the schema has not, with inferred schemas."""
    known = schema.get("properties", {}).keys()
    new = [{n: v for n, v in record.items() if n not in known} for record in page]
    found: dict[str, Any] = infer(new)["properties"]
    return found or None


def _types(schema: Any) -> set[str]:
    if not isinstance(schema, Mapping):
        return set()
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return {kind for option in schema[union] for kind in _types(option)}
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else {*types} - {"null"}


def _fit(seen: set[str], declared: set[str]) -> bool:
    return all(k in declared or (k == "integer" and "number" in declared) for k in seen)
