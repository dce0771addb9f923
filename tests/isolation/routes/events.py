"""The scheduler's journal, as far as a tenant sees it."""

from tests.isolation.routes.route import ADMINS_ONLY, Route

ROUTES = [
    Route("event-history-list", "GET", "event-history"),
    Route("event-log-stats", "GET", "event-logs/stats"),
    Route("event-log-cleanup", "POST", "cleanup-event-logs?older_than_days=365&dry_run=true", **ADMINS_ONLY),
]
