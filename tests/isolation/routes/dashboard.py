"""Single documents."""

from tests.isolation.routes.route import Route

ROUTES = [
    Route("dashboard", "GET", "dashboard"),
    Route("pulse", "GET", "pulse"),
    Route("status", "GET", "status"),
    Route("usage", "GET", "usage"),
    Route("insights-hours", "GET", "insights/hours"),
    Route("insights-forecast", "GET", "insights/forecast"),
    Route("health", "GET", "health", owner=503, admin=503, member=503, viewer=503, elsewhere=503),
    Route("schema", "GET", "schema"),
]
