"""Jobs, and what can be done with them. Deleting comes last."""

from tests.isolation.routes.route import JOB, OTHERS_OBJECT, REASON, SCHEDULE, Route

_A_DAY = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-20T01:00:00Z", "reason": "the matrix asks"}

ROUTES = [
    Route("job-list", "GET", "jobs"),
    Route("job-list", "POST", "jobs", owner=201, admin=201, member=201, viewer=403, elsewhere=201, body=JOB),
    Route("job-preview", "POST", "jobs/preview", viewer=403, body=SCHEDULE),
    Route("job-categories", "GET", "jobs/categories"),
    Route("job-outcomes", "GET", "jobs/outcomes?job_id={job}"),
    Route("job-detail", "GET", "jobs/{job}", **OTHERS_OBJECT),
    Route("job-detail", "PATCH", "jobs/{job}", body={"name": "renamed"}, **OTHERS_OBJECT),
    Route("job-detail", "PUT", "jobs/{job}", body=JOB, **OTHERS_OBJECT),
    Route("job-next-runs", "GET", "jobs/{job}/next-runs", **OTHERS_OBJECT),
    Route("job-pause", "POST", "jobs/{job}/pause", body=REASON, **OTHERS_OBJECT),
    Route("job-resume", "POST", "jobs/{job}/resume", body=REASON, **OTHERS_OBJECT),
    Route("job-trigger", "POST", "jobs/{job}/trigger", owner=202, admin=202, body=REASON, **OTHERS_OBJECT),
    Route("job-why", "GET", "jobs/{job}/why?at=2026-11-20T00:00:00Z", **OTHERS_OBJECT),
    Route("job-backfill", "POST", "jobs/{job}/backfill", owner=202, admin=202, body=_A_DAY, **OTHERS_OBJECT),
    Route("job-detail", "DELETE", "jobs/{job}", **OTHERS_OBJECT),
]
