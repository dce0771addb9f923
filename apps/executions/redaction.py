"""What a run says, without the values of keys that must not be kept: before it is stored, and so before it is seen.

A key is matched whole, in any case, `-` and `_` alike, however deep, also in a text that is JSON itself (the body of an
answer) and, as well as can be told, in other text (`key: value`, `key=value`, a JSON that was cut). Headers that let
somebody in are always taken out; a plan names more (`Plan.redact`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from apps.executions.targets.context import JsonText, TargetResult

REDACTED = "[redacted]"
ALWAYS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"}
)
_NESTED = 3  # texts that are JSON in texts that are JSON
# Of a text: to the end of the quotes, or without quotes of the line or what separates it from the next.
_VALUE = r"""("(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[^\s,;&}\]][^\n,;&}\]]*)"""


class Redaction:
    """Of one set of keys. Text in which none of them occurs is not looked at any closer."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(_folded(key) for key in keys if key.strip())
        words = "|".join(
            re.escape(key).replace("_", "[-_]") for key in sorted(self._keys, key=len, reverse=True)
        )
        self._any = re.compile(rf"{words}|\\u[0-9a-f]", re.IGNORECASE)  # JSON may spell any key by numbers
        self._pair = re.compile(
            rf"""(?<![\w-])(\\?["']?)({words})\1(\s*[:=]\s*){_VALUE}""", re.IGNORECASE | re.DOTALL
        )

    def of(self, result: TargetResult) -> TargetResult:
        """The same result. What was JSON stays JSON, and storable."""
        redacted = replace(
            result,
            result=self._value(result.result),
            error=self._text(result.error),
            detail=self._text(result.detail),
        )
        return result if redacted == result else redacted

    def _value(self, value: Any) -> Any:
        if not isinstance(value, JsonText) or not self._any.search(value):
            return value
        read = json.loads(value)
        cleaned = self._cleaned(read, _NESTED)
        return value if cleaned == read else JsonText(json.dumps(cleaned))

    def _cleaned(self, value: Any, nested: int) -> Any:
        match value:
            case dict():
                return {
                    key: REDACTED if _folded(key) in self._keys else self._cleaned(each, nested)
                    for key, each in value.items()
                }
            case list():
                return [self._cleaned(each, nested) for each in value]
            case str():
                return self._text(value, nested)
        return value

    def _text(self, text: str, nested: int = _NESTED) -> str:
        if not self._any.search(text):
            return text
        if nested and text.lstrip()[:1] in ("{", "["):
            try:
                read = json.loads(text)
                cleaned = self._cleaned(read, nested - 1)
                return text if cleaned == read else json.dumps(cleaned)
            except (ValueError, RecursionError):  # it only began like one
                pass
        return self._pair.sub(_without_value, text)


@lru_cache(maxsize=1024)
def redaction(keys: tuple[str, ...] = ()) -> Redaction:
    """Of these keys and of those that are always taken out."""
    return Redaction({*ALWAYS, *keys})


def _folded(key: str) -> str:
    return key.strip().lower().replace("-", "_")


def _without_value(match: re.Match[str]) -> str:
    quote, key, between = match[1], match[2], match[3]
    own = match[4][:1] if match[4][:1] in ("'", '"') else ""
    return f"{quote}{key}{quote}{between}{own}{REDACTED}{own}"
