"""Explicit repair."""

from tests.isolation.routes.route import ADMINS_ONLY, Route

ROUTES = [
    Route(
        "reconcile-list",
        "POST",
        "reconcile",
        body={"dry_run": True, "reason": "the matrix asks"},
        **ADMINS_ONLY,
    ),
    Route(
        "reconcile-kind",
        "POST",
        "reconcile/cursors",
        body={"dry_run": True, "reason": "the matrix asks"},
        **ADMINS_ONLY,
    ),
    Route(
        "cumulative-stats-reconcile",
        "POST",
        "dashboard/cumulative-stats/reconcile",
        body={"dry_run": True},
        **ADMINS_ONLY,
    ),
]
