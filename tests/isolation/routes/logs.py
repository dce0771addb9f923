"""What became of jobs."""

from tests.isolation.routes.route import OTHERS_OBJECT, Route

ROUTES = [
    Route("execution-log-list", "GET", "execution-logs"),
    Route("execution-log-detail", "GET", "execution-logs/{log}", **OTHERS_OBJECT),
    Route("execution-log-detail", "GET", "execution-logs/{execution}", **OTHERS_OBJECT),
    Route("execution-log-csv", "GET", "execution-logs.csv"),
    Route("recent-scheduler-log-list", "GET", "recent-scheduler-logs"),
]
