"""Explicit repair."""

from tests.isolation.routes.route import ADMINS_ONLY, Route

ROUTES = [
    Route(
        "reconcile-kind",
        "POST",
        "reconcile/cursors",
        body={"dry_run": True, "reason": "the matrix asks"},
        **ADMINS_ONLY,
    ),
]
