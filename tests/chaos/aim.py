"""Stopping a process at a chosen moment, as its server sees it: inside a transaction, or with an answer on the way."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.chaos.fleet import Fleet, Member

#: What pg_stat_activity says of one of its sessions: by the look after the stop, nothing goes on but the server's part.
MOMENTS = {
    "in a transaction": "state = 'idle in transaction'",
    "in a statement": "state = 'active'",
}
AIM_SECONDS = 1.0


def stop_at(moment: str, fleet: Fleet, member: Member, scalar: Callable[[str, list[str]], bool]) -> bool:
    """SIGSTOP, and whether it was hit in that moment; after AIM_SECONDS of misses it is stopped wherever it is.

    Looked at again when it is stopped: what is under way then stays so until it is resumed or dies, or, of a statement,
    its answer comes to a client that does not read it.
    """
    sql = f"SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE %s AND {MOMENTS[moment]}"
    params = [f"scheduler % {member.name}%"]
    until = time.monotonic() + AIM_SECONDS
    while time.monotonic() < until and member.alive:
        if not scalar(sql, params):
            continue
        fleet.pause(member)
        if scalar(sql, params):
            return True
        fleet.resume(member)
    fleet.pause(member)
    return False


def wait_for_runs(member: Member, scalar: Callable[[str, list[str]], bool]) -> bool:
    """Whether a worker came to have runs in progress, long enough to have begun."""
    sql = (
        "SELECT count(*) > 0 FROM executions_execution"
        " WHERE state = 'leased' AND worker = %s AND leased_at < clock_timestamp() - interval '0.1 s'"
    )
    until = time.monotonic() + AIM_SECONDS
    while not (found := scalar(sql, [member.name])) and time.monotonic() < until:
        time.sleep(0.01)
    return found
