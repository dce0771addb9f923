"""Executions on request, and tasks that need somebody."""

from tests.isolation.routes.route import OTHERS_OBJECT, REASON, Route

# Bob and Vic ask for Alice's; who is elsewhere is the owner there, and finds that nobody has anything.
_ALICES = {"member": 403, "viewer": 403}

ROUTES: list[Route] = [
    Route(
        "execution-retry",
        "POST",
        "executions/{log}/retry",
        owner=202,
        admin=202,
        body=REASON,
        **OTHERS_OBJECT,
    ),
    Route("execution-cancel", "POST", "executions/{execution}/cancel", body=REASON, **OTHERS_OBJECT),
    Route(
        "execution-bulk-retry",
        "POST",
        "executions/bulk-retry",
        owner=202,
        admin=202,
        member=202,
        viewer=403,
        elsewhere=202,
        body={"execution_ids": [1]},
    ),
    Route("tasks-needing-intervention-list", "GET", "tasks-needing-intervention"),
    Route("tasks-needing-intervention-list", "GET", "tasks-needing-intervention?user_id={user}", **_ALICES),
    Route("tasks-needing-intervention", "GET", "tasks-needing-intervention/{user}", **_ALICES),
    Route("task-intervention-summary", "GET", "task-intervention/summary/{user}", **_ALICES),
    Route(
        "task-manual-trigger",
        "POST",
        "tasks/{type}/{job}/manual-trigger",
        owner=202,
        admin=202,
        body=REASON,
        **OTHERS_OBJECT,
    ),
]
