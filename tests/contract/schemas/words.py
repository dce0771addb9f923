"""The words that schemas are written in."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]

BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
STRING: Schema = {"type": "string"}
WORD: Schema = {"type": "string", "minLength": 1}
STRINGS: Schema = {"type": "array", "items": STRING}
ANYTHING: Schema = {}
COUNTS: Schema = {"type": "object", "additionalProperties": COUNT}
# ISO 8601, in UTC, with an offset.
TIME: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)$",
}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def always(value: Any) -> Schema:
    return {"const": value}


def exact_object(properties: dict[str, Schema], **optional: Schema) -> Schema:
    """Every key of `properties` is required; one of `optional` is checked where it is there."""
    return {"type": "object", "required": list(properties), "properties": properties | optional}


def list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def envelope(key: str, item: Schema, **beside: Schema) -> Schema:
    return exact_object(
        {
            key: list_of(item),
            "total_count": COUNT,
            "limit": {"type": "integer", "minimum": 1, "maximum": 500},
            "offset": COUNT,
            "has_more": BOOLEAN,
            "next_cursor": nullable(WORD),
            **beside,
        }
    )


def violations(schema: Schema, payload: Any) -> list[str]:
    """What is wrong with `payload`, as sentences with the place."""
    errors = Draft202012Validator(schema).iter_errors(payload)
    return [f"{error.json_path}: {error.message[:300]}" for error in errors]
