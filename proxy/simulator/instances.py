"""A small valid instance of a JSON schema, for structured output and tool arguments. Pure.

Covers what SDKs send for `parse` and tools: objects, arrays, strings (length, format, enum),
numbers (bounds, multiples), booleans, null, const, `$ref` into the same document, anyOf, oneOf,
allOf, lists of types. A `pattern` is not solved; the text then is an ordinary one.
Recursive schemas end because below `_DEEP` levels arrays stay empty and null is preferred.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

_DEEP: Final = 6
_DEEPEST: Final = 40

_FORMATS: Final = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
}


class SchemaError(ValueError):
    """A schema that no instance can be made for here; the text says why."""


def instance_of(schema: Mapping[str, Any] | bool) -> Any:
    """A value that *schema* accepts.

    Raises:
        SchemaError: a reference leads nowhere, or the schema has no finite instance.
    """
    return _Maker(schema).make(schema, 0)


class _Maker:
    def __init__(self, root: Mapping[str, Any] | bool) -> None:
        self._root = root

    def make(self, schema: Mapping[str, Any] | bool, depth: int) -> Any:
        if depth > _DEEPEST:
            raise SchemaError("the schema has no finite instance")
        if not isinstance(schema, Mapping):
            return "anything"
        schema = self._resolved(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            return self.make(_preferred(choices, depth), depth + 1)
        return self._of_type(_type_of(schema, depth), schema, depth)

    def _resolved(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        """*schema* with its reference followed and its allOf parts merged in."""
        merged = dict(schema)
        for _ in range(_DEEPEST):
            if (reference := merged.pop("$ref", None)) is not None:
                merged = {**self._at(reference), **merged}
            elif parts := merged.pop("allOf", None):
                for part in parts:
                    merged = _both(merged, self._resolved(part, depth + 1))
            else:
                return merged
        raise SchemaError("a reference of the schema leads to itself")

    def _at(self, reference: str) -> Mapping[str, Any]:
        place: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(place, Mapping) or name not in place:
                raise SchemaError(f"the reference {reference} leads nowhere")
            place = place[name]
        if not reference.startswith("#") or not isinstance(place, Mapping):
            raise SchemaError(f"the reference {reference} leads nowhere")
        return place

    def _of_type(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer" | "number":
                return _number(schema, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return _string(schema)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        wanted = schema.get("required", list(properties) if depth == 0 else [])
        return {name: self.make(properties.get(name, True), depth + 1) for name in wanted}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        fewest = schema.get("minItems", 0)
        most = schema.get("maxItems", max(fewest, 1))
        length = fewest if depth > _DEEP else max(fewest, min(1, most))
        first = schema.get("prefixItems", [])
        rest = schema.get("items", True)
        length = max(length, len(first))
        return [
            self.make(first[index] if index < len(first) else rest, depth + 1)
            for index in range(length)
        ]


def _preferred(choices: list[Any], depth: int) -> Any:
    if depth > _DEEP:
        for choice in choices:
            if isinstance(choice, Mapping) and choice.get("type") == "null":
                return choice
        for choice in choices:
            if isinstance(choice, Mapping) and "$ref" not in choice:
                return choice
    return choices[0]


def _type_of(schema: Mapping[str, Any], depth: int) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return "null" if depth > _DEEP and "null" in kind else str(kind[0])
    if kind is None:
        return "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _both(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return merged


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    """The accepted number nearest to 1."""
    step = schema.get("multipleOf") or (1 if whole else 0)
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    value: int | float = min(max(1, low), high)
    if step:
        value = math.ceil(value / step) * step
        if value > high:
            value = math.floor(high / step) * step
    nudge = step or (min(1.0, (high - low) / 2) if high > low else 0.0)
    if value <= schema.get("exclusiveMinimum", -math.inf):
        value += nudge
    if value >= schema.get("exclusiveMaximum", math.inf):
        value -= nudge
    return int(value) if whole else value


def _string(schema: Mapping[str, Any]) -> str:
    text: str = _FORMATS.get(schema.get("format", ""), "text")
    shortest = schema.get("minLength", 0)
    if len(text) < shortest:
        text += "x" * (shortest - len(text))
    return text[: schema.get("maxLength", len(text))]
