"""What the URL conf of tenants' hosts offers: each route's name with its methods, found by walking it."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def offered_methods() -> dict[str, set[str]]:
    offered: dict[str, set[str]] = {}
    for pattern in _walk(get_resolver("scheduler_saas.urls_tenant").url_patterns):
        view: Any = pattern.callback
        actions = getattr(view, "actions", None)
        if actions:
            methods = {method.upper() for method in actions} - {"HEAD"}
        else:
            owner = getattr(view, "cls", None) or view.view_class
            methods = {method for method in _METHODS if hasattr(owner, method.lower())}
        offered.setdefault(str(pattern.name), set()).update(methods)
    return offered


def _walk(patterns: list[Any]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns)
        else:
            yield pattern
