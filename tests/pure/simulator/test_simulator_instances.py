from typing import Any

import jsonschema
import pytest

from proxy.simulator.instances import SchemaError, instance_of

NODE = {
    "type": "object",
    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["next"],
}
TREE = {
    "type": "object",
    "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["kids"],
}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"type": "string"}}},
        {"type": "object", "required": ["free"]},
        {"type": "array", "items": {"type": "integer"}, "minItems": 3},
        {"type": "array", "maxItems": 0, "items": {"type": "integer"}},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}]},
        {"type": "string", "minLength": 10},
        {"type": "string", "maxLength": 2},
        {"type": "string", "enum": ["one", "two"]},
        {"type": "string", "format": "date-time"},
        {"const": [1, None]},
        {"type": "integer", "minimum": 5},
        {"type": "integer", "maximum": -5},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 3},
        {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.5},
        {"type": "number", "exclusiveMinimum": 1},
        {"type": "number", "exclusiveMaximum": 1},
        {"type": "integer", "multipleOf": 7, "minimum": 8},
        {"type": "integer", "multipleOf": 7, "exclusiveMinimum": 7},
        {"type": "integer", "multipleOf": 5, "maximum": 0},
        {"type": ["null", "string"]},
        {"oneOf": [{"type": "boolean"}, {"type": "string"}]},
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"b": {"type": "null"}}, "required": ["b"]},
            ]
        },
        {"$defs": {"node": NODE}, "$ref": "#/$defs/node"},
        {"$defs": {"a/b~c": {"type": "integer"}}, "$ref": "#/$defs/a~1b~0c"},
        TREE,
    ],
)
def test_instance_satisfies_its_schema(schema: dict[str, Any]) -> None:
    """What is made is valid, by the word of an independent validator."""
    jsonschema.validate(instance_of(schema), schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/gone"},
        {"$ref": "http://elsewhere/"},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]},
    ],
)
def test_schema_without_an_instance_is_refused(schema: dict[str, Any]) -> None:
    """A schema that leads nowhere, or round for ever, is an error and no hang."""
    with pytest.raises(SchemaError):
        instance_of(schema)
