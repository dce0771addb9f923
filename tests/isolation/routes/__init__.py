"""Every route of a tenant's host, and what each kind of caller gets there.

A row gives the status for Alice (owner), Ann (admin), Bob (another member) and Vic (viewer) of Acme, whose objects are
Alice's, and for Charlie with a key of Bravo on Bravo's own host. The rows are asked in order.
"""

from tests.isolation.routes import (
    calendars,
    channels,
    dashboard,
    events,
    jobs,
    logs,
    operations,
    people,
    platforms,
    runs,
)
from tests.isolation.routes.route import Route

# Jobs last: their last row deletes the one that the others name.
ROUTES: list[Route] = [
    route
    for part in (dashboard, logs, events, runs, platforms, people, operations, calendars, channels, jobs)
    for route in part.ROUTES
]
__all__ = ["ROUTES", "Route"]
