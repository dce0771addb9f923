"""Under the cursors' locks: what becomes of each job's plan, now that it is known what stands in its way.

Overlap comes first, then the tenants' quotas, which are charged for what would run and for nothing else; then the runs
that have to make way end. All within the dispatcher's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apps.executions.states import SkipReason
from apps.jobs import dispatch_sql
from apps.jobs.batches import Part
from apps.jobs.overlaps import decided, replaced_by, replaces
from apps.jobs.planning import only_first
from apps.jobs.quotas import Grant, Limits, grant
from apps.jobs.rows import Held
from apps.jobs.statements import Session


def decide(
    cursor: Session, parts: Sequence[Part], held: Sequence[Held], *, now: datetime, epoch: int
) -> list[Part]:
    """The parts to be written, of the jobs that are held. A job whose live run is just changing hands is left out."""
    found = []
    for piece in held:
        part = parts[piece.part - 1]
        plan = decided(part.group, part.plan, now, taken=piece.taken)
        found.append(replace(part, plan=plan, n=piece.n, job_ids=piece.job_ids, versions=""))
    return _make_way(cursor, _within_quotas(cursor, found, now), now=now, epoch=epoch)


def _within_quotas(cursor: Session, parts: Sequence[Part], now: datetime) -> list[Part]:
    limited: dict[int, list[Part]] = defaultdict(list)
    for part in parts:
        if part.group.limited is not None and part.plan.fires:
            limited[part.group.limited].append(part)
    if not limited:
        return list(parts)
    wanted = {
        tenant_id: sum(part.n * len(part.plan.fires) for part in theirs)
        for tenant_id, theirs in limited.items()
    }
    limits = {
        tenant_id: Limits(theirs[0].group.per_minute or 0, theirs[0].group.per_day or 0)
        for tenant_id, theirs in limited.items()
    }
    grants = grant(cursor, wanted, limits=limits, now=now)
    kept = [part for part in parts if part.group.limited is None or not part.plan.fires]
    for tenant_id, theirs in limited.items():
        if grants[tenant_id].allowed >= wanted[tenant_id]:
            kept += theirs
        else:
            kept += _earliest_of(theirs, grants[tenant_id])
    return kept


def _earliest_of(parts: Sequence[Part], granted: Grant) -> list[Part]:
    """The tenant's parts with as many fires as it may have, the earliest; what is beyond becomes skips."""
    ticks = sorted((fire.tick, no, part.n) for no, part in enumerate(parts) for fire in part.plan.fires)
    left, whole, partly = granted.allowed, [0] * len(parts), {}
    for _, no, n in ticks:
        if left < n:
            partly[no] = left
            break
        whole[no] += 1
        left -= n
    found = []
    for no, part in enumerate(parts):
        pieces = [(part, whole[no])]
        if partly.get(no):
            some, others = part.split(partly[no])
            pieces = [(some, whole[no] + 1), (others, whole[no])]
        found += [
            replace(piece, plan=only_first(piece.plan, count, SkipReason.QUOTA, granted.detail))
            for piece, count in pieces
        ]
    return found


def _make_way(cursor: Session, parts: Sequence[Part], *, now: datetime, epoch: int) -> list[Part]:
    stays = [part for part in parts if not replaces(part.group, part.plan, now)]
    comes = [part for part in parts if replaces(part.group, part.plan, now)]
    if not comes:
        return stays
    pairs = [(part, replaced_by(part.plan.fires[-1].tick)) for part in comes]
    clear = dispatch_sql.replace_runs(cursor, pairs, epoch=epoch)
    for part in comes:
        free = [job_id for job_id in part.job_ids.split(",") if int(job_id) in clear]
        if free:
            stays.append(replace(part, n=len(free), job_ids=",".join(free)))
    return stays
