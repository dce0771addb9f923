"""Connected platforms and their monitoring jobs. Each tenant's Alice has connected gsc."""

from tests.isolation.routes.route import Route

_CONNECTION = {"credentials": {"refresh_token": "the matrix asks"}, "label": "made here"}
# Without `?user_id=` everybody's own is meant, and only both Alices have one.
_OWN = {"admin": 404, "member": 404, "viewer": 404}
_ALICES = {"member": 403, "viewer": 403, "elsewhere": 404}
_OF_USER = {"member": 403, "viewer": 403}

ROUTES = [
    Route("connection-list", "GET", "connections"),
    Route("connection-list", "GET", "connections?user_id={user}", **_OF_USER),
    Route("connection-detail", "GET", "connections/gsc", **_OWN),
    Route("connection-detail", "GET", "connections/gsc?user_id={user}", **_ALICES),
    Route("platform-insights-status", "GET", "platform-insights/status/{user}", **_OF_USER),
    Route("platform-insights-reconcile", "POST", "platform-insights/reconcile/{user}", body={}, **_OF_USER),
    Route("platform-insights-logs", "GET", "platform-insights/logs/{user}", **_OF_USER),
    Route(
        "connection-detail",
        "PUT",
        "connections/gsc",
        admin=201,
        member=201,
        viewer=403,
        body=_CONNECTION,
    ),
    Route(
        "connection-detail",
        "PUT",
        "connections/gsc?user_id={user}",
        body=_CONNECTION,
        **(_ALICES | {"elsewhere": 201}),
    ),
    Route("connection-detail", "DELETE", "connections/gsc?user_id={user}", **_ALICES),
    Route("connection-detail", "DELETE", "connections/gsc", **(_OWN | {"viewer": 403})),
]
