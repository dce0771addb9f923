"""The scheduler's journal, as far as a tenant sees it."""

from tests.isolation.routes.route import Route

ROUTES = [
    Route("event-history-list", "GET", "event-history"),
]
