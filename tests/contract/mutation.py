"""Breaking a payload wherever its schema guards it: each required key removed once, each value of a wrong type."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
_NULL = {"type": "null"}


@dataclass(frozen=True)
class Guard:
    """A place in a payload at which `schema` must see a change. Of a list, the first item stands for all."""

    path: Path
    schema: dict[str, Any]
    is_required: bool = True
    is_item: bool = False

    @property
    def has_type(self) -> bool:
        return bool(self.schema)

    def without(self, payload: Any) -> Any:
        broken = copy.deepcopy(payload)
        del _parent(broken, self.path)[self.path[-1]]
        return broken

    def of_wrong_type(self, payload: Any) -> Any:
        broken = copy.deepcopy(payload)
        parent = _parent(broken, self.path)
        parent[self.path[-1]] = {"wrong": [0]} if isinstance(parent[self.path[-1]], list) else [[None]]
        return broken


def guards(schema: dict[str, Any], payload: Any, path: Path = ()) -> Iterator[Guard]:
    """Every key of `payload` that `schema` names, at any depth, and the first item of every list."""
    if payload is None:
        return
    for branch in schema.get("anyOf", []):
        if branch != _NULL:
            yield from guards(branch, payload, path)
    if isinstance(payload, dict):
        for key, inner in schema.get("properties", {}).items():
            if key in schema["required"] or key in payload:
                yield Guard((*path, key), inner, is_required=key in schema["required"])
                yield from guards(inner, payload[key], (*path, key))
    if isinstance(payload, list) and payload and "items" in schema:
        yield Guard((*path, 0), schema["items"], is_item=True)
        yield from guards(schema["items"], payload[0], (*path, 0))


def places(schema: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """Where `schema` guards anything at all: payloads that never go there would leave it untried."""
    for branch in schema.get("anyOf", []):
        yield from places(branch, path)
    for key, inner in schema.get("properties", {}).items():
        yield (*path, key)
        yield from places(inner, (*path, key))
    if "items" in schema:
        yield (*path, 0)
        yield from places(schema["items"], (*path, 0))


def filled_places(schema: dict[str, Any], payload: Any, path: Path = ()) -> Iterator[Path]:
    """Of `places`, those at which `payload` holds something, in any item of its lists."""
    if payload is None:
        return
    if path:
        yield path
    for branch in schema.get("anyOf", []):
        if branch != _NULL:
            yield from filled_places(branch, payload, path)
    if isinstance(payload, dict):
        for key, inner in schema.get("properties", {}).items():
            yield from filled_places(inner, payload.get(key), (*path, key))
    if isinstance(payload, list) and "items" in schema:
        for item in payload:
            yield from filled_places(schema["items"], item, (*path, 0))


def _parent(payload: Any, path: Path) -> Any:
    for step in path[:-1]:
        payload = payload[step]
    return payload
