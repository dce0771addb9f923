"""What the API of tenants' hosts offers: each route's name with its methods, found by walking the URL conf.

Pages outside it: `test_invitations` asks for that of an invitation, `test_dashboard_pages` for the dashboard's.
"""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def offered_methods() -> dict[str, set[str]]:
    offered: dict[str, set[str]] = {}
    everything = get_resolver("scheduler_saas.urls_tenant").url_patterns
    api = [pattern for pattern in everything if str(pattern.pattern).startswith("api/")]
    pages = [str(pattern.pattern) for pattern in everything if pattern not in api]
    assert pages == ["dashboard/", "", "join/<str:token>"]
    for pattern in _walk(api):
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
