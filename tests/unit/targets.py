"""Results of targets, as the tests read them."""

from __future__ import annotations

import json
from dataclasses import replace

from apps.executions.targets.context import JsonText, TargetResult


def loaded(result: TargetResult) -> TargetResult:
    """With its JSON read."""
    assert result.result is None or isinstance(result.result, JsonText)
    return replace(result, result=None if result.result is None else json.loads(result.result))
