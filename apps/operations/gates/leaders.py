"""Gate 2: one leader, somebody who stands by, and terms one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import connection

from apps.leadership.report import Report, read_report
from apps.operations.gates.report import Check

_LOOKS, _BETWEEN_LOOKS = 3, 0.1  # a handover is no finding
DAYS = 7
_TERMS = """
WITH terms AS (
    SELECT epoch, started_at, ended_at,
        lag(epoch) OVER by_epoch AS before, lag(started_at) OVER by_epoch AS before_started,
        lag(ended_at) OVER by_epoch AS before_ended
    FROM leadership_leaderterm
    WHERE ended_at IS NULL OR ended_at > clock_timestamp() - make_interval(days => %(days)s)
    WINDOW by_epoch AS (ORDER BY epoch)
)
SELECT epoch, before, started_at, before_ended, before_started >= started_at OR ended_at < started_at AS disordered,
    count(*) OVER () AS number
FROM terms
WHERE ended_at < started_at OR before IS NOT NULL AND (
    before_started >= started_at OR before_ended IS NULL OR before_ended > started_at
)
ORDER BY epoch
LIMIT 1
"""
_COUNT = """
SELECT count(*) FROM leadership_leaderterm
WHERE ended_at IS NULL OR ended_at > clock_timestamp() - make_interval(days => %(days)s)
"""


def leader_checks() -> Iterator[Check]:
    report = _look()
    leader = report.leader
    evidence = report.sentence
    if leader is not None:
        evidence += (
            f" Backend {leader.backend_pid} holds the lock; last heartbeat {leader.heartbeat_age:.2f} s ago."
        )
    yield Check("exactly one leader", leader is not None, evidence)
    connected = ", ".join(sorted({session.replica for session in report.sessions})) or "none"
    yield Check(
        "a standby is present",
        len(report.sessions) >= 2,
        f"Replicas with a session: {connected}."
        + ("" if len(report.sessions) >= 2 else " Start another with `manage.py run_scheduler`."),
    )


def term_checks() -> Iterator[Check]:
    with connection.cursor() as cursor:
        cursor.execute(_TERMS, {"days": DAYS})
        found = cursor.fetchone()
        cursor.execute(_COUNT, {"days": DAYS})
        (terms,) = cursor.fetchone()
    name = "terms one after the other"
    if found is None:
        yield Check(
            name, True, f"Terms of {DAYS} days: {terms}. Epochs and times are in order, none overlaps."
        )
        return
    epoch, before, started_at, before_ended, disordered, number = found
    if disordered:
        said = f"Epoch {epoch} began at {started_at:%Y-%m-%d %H:%M:%S.%f}, before an earlier one or after its own end."
    else:
        until = f"{before_ended:%Y-%m-%d %H:%M:%S.%f}" if before_ended else "now"
        said = f"Epochs {before} and {epoch} overlap; one ended {until}, the other began {started_at:%H:%M:%S.%f}."
    yield Check(name, False, said + (f" {number - 1} more terms are wrong." if number > 1 else ""))


def _look() -> Report:
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_LOOKS)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_stat_clear_snapshot()"
                )  # who is connected is remembered for a transaction
        report = read_report()
        if report.leader:
            break
    return report
