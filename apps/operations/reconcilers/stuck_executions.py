"""Live executions that nobody will bring to a good end by themselves.

Taken back or ended by what the leader and a person's cancellation use, so that a worker that comes late finds its token
gone. What merely waits (for a worker, behind a cap, or for its suspended tenant to be resumed) is no drift.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from apps.executions import ledger
from apps.executions.cancellation import cancel, cancel_waiting
from apps.executions.models import Execution
from apps.executions.states import Kind, Outcome, SkipReason, State
from apps.executions.targets import registry
from apps.operations.reconcilers.base import Drift, Repair, Result, Scope
from apps.operations.statements import Live, read_stuck
from apps.tenants.context import tenant_scope
from apps.tenants.models import Tenant
from apps.vault.contents import contents_present

EXPIRED = timedelta(minutes=1)  # a leader takes leases back each second
OVERDUE = timedelta(minutes=10)
BATCH = 1000

ALREADY_ENDED = "already_ended"
JOB_DELETED = "job_deleted"
LEASE_EXPIRED = "lease_expired"
UNKNOWN_TARGET = "unknown_target"
CONTENT_MISSING = "content_missing"

SENTENCES = {
    ALREADY_ENDED: "It is live, and the ledger has its end already.",
    JOB_DELETED: "It would run, and its job was deleted.",
    LEASE_EXPIRED: "Its lease ran out more than a minute ago, and no leader took it back.",
    UNKNOWN_TARGET: "It has waited for more than ten minutes, and nothing is registered under its target's name.",
    CONTENT_MISSING: "It has waited for more than ten minutes, and the vault has not the content it was made with.",
}
# What the ledger says of one that is ended here.
_ENDS = {
    ALREADY_ENDED: "Stopped: it had ended already.",
    JOB_DELETED: "Cancelled: the job was deleted before this ran.",
    UNKNOWN_TARGET: "Cancelled: nothing is registered under its target's name.",
    CONTENT_MISSING: "Cancelled: its content is missing.",
}


class StuckExecutionReconciler:
    """The object of its drifts is the execution. It makes no execution and moves no cursor."""

    kind = "stuck_executions"
    title = "Stuck executions"
    about = (
        "live executions whose lease no leader takes back, of a deleted job, without target or content, or that"
        " ended before; they wait again, or end with a line in the ledger that says why"
    )

    def find(self, scope: Scope) -> Iterator[Drift]:
        tenant_id = scope.tenant.pk if scope.tenant is not None else None
        after = 0
        while rows := _read(tenant_id, scope.object_ids, after):
            after = rows[-1].id
            for live, problem in _problems(rows):
                yield self._drift(live, problem)

    def repair(self, drift: Drift) -> Repair:
        """Holds the row: whoever claims, renews, ends or repairs it did so before, or finds it as this leaves it."""
        ours = Execution.objects.filter(pk=drift.object_id, tenant_id=drift.tenant_id)
        list(ours.select_for_update().values_list("pk"))
        still = _problems(_read(drift.tenant_id, [drift.object_id], 0))
        if not still:
            return Repair(Result.SKIPPED, drift)
        [(live, problem)] = still
        _mend(live, problem)
        return Repair(Result.REPAIRED, self._drift(live, problem))

    def _drift(self, live: Live, problem: str) -> Drift:
        return Drift(
            kind=self.kind,
            problem=problem,
            tenant_id=live.tenant_id,
            object_type="execution",
            object_id=live.id,
            sentence=SENTENCES[problem],
            label=f"{live.job_name} at {live.scheduled_for:%Y-%m-%d %H:%M:%S}",
            found=_found(live),
            wanted=_wanted(live, problem),
        )


def _read(tenant_id: int | None, ids: Sequence[int] | None, after: int) -> list[Live]:
    return read_stuck(
        tenant_id=tenant_id, ids=ids, expired=EXPIRED, overdue=OVERDUE, after=after, limit=BATCH
    )


def _problems(rows: list[Live]) -> list[tuple[Live, str]]:
    """Those with a problem, in their order. What has no other is looked up in the registry and in the vault."""
    overdue = [live for live in rows if live.problem is None and _is_registered(live)]
    present: set[tuple[int, int]] = set()
    for tenant in Tenant.objects.filter(pk__in={live.tenant_id for live in overdue}).order_by("pk"):
        pairs = {_content(live) for live in overdue if live.tenant_id == tenant.pk}
        with tenant_scope(tenant):
            present |= contents_present(pairs)
    found = []
    for live in rows:
        problem = live.problem
        if problem is None and not _is_registered(live):
            problem = UNKNOWN_TARGET
        elif problem is None and _content(live) not in present:
            problem = CONTENT_MISSING
        if problem is not None:
            found.append((live, problem))
    return found


def _is_registered(live: Live) -> bool:
    return registry.is_allowed(live.target, [registry.EVERYTHING])


def _content(live: Live) -> tuple[int, int]:
    return live.job_id, live.content_version


def _mend(live: Live, problem: str) -> None:
    with connection.cursor() as cursor:
        if problem == LEASE_EXPIRED:
            ledger.reap(limit=1, ids=[live.id]).on(cursor)
        elif _becomes_skip(live, problem):
            cancel_waiting(
                cursor,
                tenant_id=live.tenant_id,
                job_id=live.job_id,
                execution_id=live.id,
                reason=SkipReason.EDITED,
                sentence=_ENDS[problem],
            )
        else:
            cancel(
                cursor,
                tenant_id=live.tenant_id,
                execution_id=live.id,
                sentence=_ENDS[problem],
                words=None,
            )


def _becomes_skip(live: Live, problem: str) -> bool:
    """As the deletion itself would have left it: a tick that was never tried is skipped and not failed."""
    return problem == JOB_DELETED and live.state == State.PENDING


def _found(live: Live) -> dict[str, Any]:
    columns: dict[str, Any] = {"state": live.state, "attempt": live.attempt, "run_at": _text(live.run_at)}
    if live.state == State.LEASED:
        columns |= {"worker": live.worker, "lease_expires_at": _text(live.lease_expires_at)}
    return columns


def _wanted(live: Live, problem: str) -> dict[str, Any]:
    kept = {"attempt": live.attempt, "run_at": _text(live.run_at)}
    if problem == LEASE_EXPIRED and live.lost + 1 < ledger.MAX_LOST:
        return {"state": State.PENDING.value, **kept, "worker": None, "lease_expires_at": None}
    if problem == ALREADY_ENDED:
        return {"state": "finished", **kept, "ledger": "as it is"}
    if _becomes_skip(live, problem) and live.kind == Kind.SCHEDULED and not live.attempt:
        return {"state": "skipped", **kept, "ledger": _ENDS[problem]}
    sentence = ledger.LOST_TOO_OFTEN if problem == LEASE_EXPIRED else _ENDS[problem]
    return {"state": Outcome.FAILED.value, **kept, "ledger": sentence}


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant is not None else None
