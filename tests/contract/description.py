"""Reading the API's description, `docs/openapi.yaml`."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.contract.client import BASE


def shape_of(path: str) -> str:
    """A path without its base and its query, and with all its names alike."""
    bare = path.removeprefix(BASE).partition("?")[0]
    for platform in ("gsc", "bing"):
        bare = bare.replace(f"connections/{platform}", "connections/{platform}")
    bare = bare.replace("reconcile/cursors", "reconcile/{kind}")
    return re.sub(r"\{[^}]*\}", "{}", bare)


def strict(components: dict[str, Any]) -> dict[str, Any]:
    """Components by which keys that are not described are violations."""
    made: dict[str, Any] = json.loads(json.dumps(components))
    for schema in made["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return made
