"""Breaking a payload wherever its schema guards it: each required key removed once, each value of a wrong type."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
WRONG: list[Any] = [[None]]  # of no type that any schema of ours accepts


def required_paths(
    schema: dict[str, Any], payload: Any, path: Path = ()
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Where `payload` holds a key that `schema` requires, and that key's schema. Of a list, the first item."""
    for branch in schema.get("anyOf", []):
        if branch != {"type": "null"} and payload is not None:
            yield from required_paths(branch, payload, path)
    if isinstance(payload, dict):
        for key in schema.get("required", []):
            inner = schema["properties"][key]
            yield (*path, key), inner
            yield from required_paths(inner, payload[key], (*path, key))
    if isinstance(payload, list) and payload and "items" in schema:
        yield from required_paths(schema["items"], payload[0], (*path, 0))


def without(payload: Any, path: Path) -> Any:
    broken = copy.deepcopy(payload)
    del _parent(broken, path)[path[-1]]
    return broken


def replaced(payload: Any, path: Path, value: Any) -> Any:
    broken = copy.deepcopy(payload)
    _parent(broken, path)[path[-1]] = value
    return broken


def _parent(payload: Any, path: Path) -> Any:
    for step in path[:-1]:
        payload = payload[step]
    return payload
