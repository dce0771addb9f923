"""What the URL conf of tenants' hosts offers, found by walking it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


def get_routes() -> dict[str, str]:
    """The pattern of every route that answers GET, by the route's name."""
    resolver = get_resolver("scheduler_saas.urls_tenant")
    return {
        str(pattern.name): prefix + str(pattern.pattern)
        for prefix, pattern in _walk(resolver.url_patterns, "")
        if _answers_get(pattern.callback)
    }


def _walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, prefix + str(pattern.pattern))
        else:
            yield prefix, pattern


def _answers_get(view: Any) -> bool:
    if hasattr(view, "actions"):  # a viewset's
        return "get" in view.actions
    return hasattr(getattr(view, "cls", None) or getattr(view, "view_class", object), "get") or not hasattr(
        view, "cls"
    )
