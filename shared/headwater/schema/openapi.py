"""JSON Schemas from an OpenAPI document (2.0, 3.0 and 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headwater.errors import SchemaError

DEEPEST = 8  # vendors' schemas refer to each other without end
KEPT = ("format", "description", "enum")


class OpenAPI:
    """An OpenAPI document.

    Args:
        document: The document.
    """

    def __init__(self, document: Mapping[str, Any]):
        self.document = document

    def resolve(self, part: Any) -> Any:
        """Return what a part is, references followed.

        Raises:
            SchemaError: a reference leads nowhere.
        """
        seen: set[str] = set()
        while isinstance(part, Mapping) and isinstance(part.get("$ref"), str):
            place = part["$ref"]
            if place in seen or not place.startswith("#/"):
                raise SchemaError(f"the reference '{place}' leads nowhere.")
            seen.add(place)
            found: Any = self.document
            for step in place[2:].split("/"):
                name = step.replace("~1", "/").replace("~0", "~")
                if not isinstance(found, Mapping) or name not in found:
                    raise SchemaError(f"the reference '{place}' leads nowhere.")
                found = found[name]
            part = found
        return part

    def schema(self, part: Any, depth: int = 0) -> dict[str, Any]:
        """Return the JSON Schema of a schema object: null allowed, as APIs do whatever they say."""
        part = self.resolve(part)
        if not isinstance(part, Mapping) or depth > DEEPEST:
            return {}
        if "allOf" in part:
            return self._all_of(part, depth)
        for union in ("oneOf", "anyOf"):
            if union in part:
                options = [self.schema(option, depth) for option in part[union]]
                real = [o for o in options if o and o.get("type") != ["null"]]
                return real[0] if len(real) == 1 else {}
        types = part.get("type")
        names = [types] if isinstance(types, str) else list(types or ())
        if not names and ("properties" in part):
            names = ["object"]
        names = [name for name in names if name != "null"]
        if len(names) != 1:
            return {"type": [*names, "null"]} if names else {}
        found: dict[str, Any] = {"type": [names[0], "null"]}
        found |= {key: part[key] for key in KEPT if key in part and key != "enum"}
        if found.get("format") not in (None, "date-time", "date", "time"):
            del found["format"]
        if names[0] == "object" and part.get("properties"):
            found["properties"] = {
                name: self.schema(inner, depth + 1) for name, inner in part["properties"].items()
            }
        if names[0] == "array":
            found["items"] = self.schema(part.get("items", {}), depth + 1)
        return found

    def _all_of(self, part: Mapping[str, Any], depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for option in part["allOf"]:
            found = self.schema(option, depth)
            properties = {**merged.get("properties", {}), **found.get("properties", {})}
            merged = {**merged, **found}
            if properties:
                merged["properties"] = properties
        return merged

    def records_schema(self, wanted: str, records: str) -> dict[str, Any]:
        """Return the schema of a stream's records.

        Args:
            wanted: A schema's name in the document, or the path that answers with the records.
            records: Where in that answer the records are, as a plain path.

        Raises:
            SchemaError: the document has no such thing.
        """
        places = (("components", "schemas"), ("definitions",))
        for place in places:
            part: Any = self.document
            for name in place:
                part = part.get(name, {}) if isinstance(part, Mapping) else {}
            if wanted in part:
                return self.schema(part[wanted])
        for path, _, answer in self.lists():
            if path == wanted:
                return self.schema(self.items_of(answer, records))
        raise SchemaError(f"the OpenAPI document has no schema and no path '{wanted}'.")

    def items_of(self, answer: Mapping[str, Any], records: str) -> Mapping[str, Any]:
        """Return the schema object of the records in an answer's."""
        part: Any = answer
        for name in filter(None, records.removeprefix("$").removesuffix("[*]").split(".")):
            part = self.resolve(self.properties(part).get(name.removesuffix("[]"), {}))
        items = part.get("items") if isinstance(part, Mapping) else None
        found = self.resolve(items) if items else part
        return found if isinstance(found, Mapping) else {}

    def properties(self, part: Any) -> dict[str, Any]:
        """Return the properties of a schema object, those of its `allOf` included."""
        part = self.resolve(part)
        if not isinstance(part, Mapping):
            return {}
        found = dict(part.get("properties") or {})
        for option in part.get("allOf", ()):
            found = {**self.properties(option), **found}
        return found

    def lists(self) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """Yield path, operation and answer schema of each GET that answers with JSON."""
        for path, part in self.document.get("paths", {}).items():
            item = self.resolve(part)
            operation = item.get("get")
            if not isinstance(operation, Mapping):
                continue
            parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
            answer = self.answer_schema(operation)
            if answer is not None:
                yield path, {**operation, "parameters": parameters}, answer

    def answer_schema(self, operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the schema object of what an operation answers; None: it has none."""
        responses = operation.get("responses", {})
        ok = self.resolve(responses.get("200") or responses.get("default") or {})
        for kind, content in (ok.get("content") or {}).items():
            if "json" in kind:
                found = self.resolve(content.get("schema"))
                return found if isinstance(found, Mapping) else None
        old = self.resolve(ok.get("schema"))  # OpenAPI 2.0
        return old if isinstance(old, Mapping) else None
