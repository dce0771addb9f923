"""A row of the table of routes."""

from typing import Any, NamedTuple


class Route(NamedTuple):
    """`{job}`, `{log}` and so on in `path` are ids of Alice's objects; the statuses are what each caller gets.

    `shared`: what it reads is the tenant's own, which every member may see.
    """

    name: str
    method: str
    path: str
    owner: int = 200
    admin: int = 200
    member: int = 200
    viewer: int = 200
    elsewhere: int = 200
    body: Any = None
    shared: bool = False


OTHERS_OBJECT = {"member": 403, "viewer": 403, "elsewhere": 404}
ADMINS_ONLY = {"member": 403, "viewer": 403}
JOB = {
    "name": "made here",
    "trigger": {"type": "cron", "cron_expression": "*/5 * * * *"},
    "target": "http_check",
    "payload": {"url": "https://example.com/"},
}
SCHEDULE = {"trigger": JOB["trigger"]}
REASON = {"reason": "the matrix asks"}
