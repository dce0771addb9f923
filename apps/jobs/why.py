"""Answers what became of a job's nominal times, from what was written when it happened.

The ledger, the live executions, the skips and the cursor say it; the job's rule names the times that none of them does.
The number of queries is the same whatever is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apps.executions.models import Skip
from apps.executions.ticks import executions_of_ticks
from apps.jobs.circumstances import Circumstances, circumstances_of
from apps.jobs.fates import Entry, Run, agrees, entries, names
from apps.jobs.models import Cursor, Job
from apps.jobs.recurrence.rules import IntervalRule, Rule, bare
from apps.jobs.recurrence.times import next_after, ticks_between
from apps.jobs.schedules import database_now, rule_of
from apps.jobs.standing import INSTANT, Fate, Standing
from apps.jobs.states import Switch
from apps.tenants.models import Tenant

MAX_SPAN = timedelta(days=366)  # of one question
MAX_ENTRIES = 1_000  # of one page
# How many skips that began before the question are looked through for one that reaches into it. Skips of a job lie one
# after the other; only a cursor that was set back by hand makes some that do not.
_EARLIER_SKIPS = 20
_AT_ONE_INSTANT = 10  # executions: of either kind, live and just ended
# How far back the time before an instant is looked for. The next span has only few ticks, as the last one had none.
_BACK = tuple(timedelta(days=days) for days in (0.05, 2, 62, 800, 3_000))


@dataclass(frozen=True, slots=True)
class Why:
    """`next_from` goes on where a page was full. `before` and `after` are the nearest times of the schedule, where one
    instant was asked about.
    """

    entries: list[Entry]
    standing: Standing
    circumstances: Circumstances
    next_from: datetime | None = None
    before: datetime | None = None
    after: datetime | None = None


def why_at(*, tenant: Tenant, job: Job, at: datetime) -> Why:
    """What became of `at`: one entry, `NOT_SCHEDULED` where the schedule names no such time and nothing records one."""
    standing, runs, skips = _read(tenant, job, at, at, limit=2)
    found = entries(standing, runs, skips, at, at, whole=True)
    # An execution says more than the skip it made up for. A skip speaks only of times that its schedule named.
    chosen = [entry for entry in found if entry.run is not None] or [
        entry for entry in found if entry.skip is None or _is_of(standing.rule, entry.skip, at)
    ]
    before, after = _neighbours(standing.rule, at)
    answer = chosen[:1] or [Entry(Fate.NOT_SCHEDULED, at, at, 0)]
    around = circumstances_of(tenant, job, answer, start=at, until=at)
    return Why(answer, standing, around, before=before, after=after)


def why_between(
    *, tenant: Tenant, job: Job, start: datetime, until: datetime, limit: int = MAX_ENTRIES
) -> Why:
    """What became of the times of [start, until], up to `limit` entries of them."""
    enough = max(limit, _AT_ONE_INSTANT)
    standing, runs, skips = _read(tenant, job, start, until, limit=enough)
    run_times = sorted(run.scheduled_for for run in runs)
    skip_times = sorted(skip.first for skip in skips if skip.first >= start)
    cuts = [times[enough] for times in (run_times, skip_times) if len(times) > enough]
    found, end = _until(min(cuts, default=None), standing, runs, skips, start, until)
    if later := [entry.first for entry in found[limit:] if entry.first > start]:
        found, end = _until(later[0], standing, runs, skips, start, end)
    around = circumstances_of(tenant, job, found, start=start, until=end)
    return Why(found, standing, around, next_from=end + INSTANT if end < until else None)


def _until(
    cut: datetime | None,
    standing: Standing,
    runs: Sequence[Run],
    skips: Sequence[Skip],
    start: datetime,
    until: datetime,
) -> tuple[list[Entry], datetime]:
    """The entries of [start, until], or up to right before `cut`: what reaches over it goes on with the next page."""
    end = until if cut is None else cut - INSTANT
    started = [run for run in runs if run.scheduled_for <= end]
    return entries(standing, started, [skip for skip in skips if skip.first <= end], start, end), end


def _read(
    tenant: Tenant, job: Job, start: datetime, until: datetime, *, limit: int
) -> tuple[Standing, list[Run], list[Skip]]:
    """The cursor came with the job, before all else: what is dispatched meanwhile is read twice rather than missed."""
    standing = standing_of(job, database_now())
    live, ended = executions_of_ticks(
        tenant_id=tenant.pk, job_id=job.id, first=start, last=until, limit=limit + 1
    )
    skips = Skip.objects.filter(tenant=tenant, job_id=job.id)
    earlier = skips.filter(first__lt=start).order_by("-first")[:_EARLIER_SKIPS]
    within = skips.filter(first__gte=start, first__lte=until).order_by("first")[: limit + 1]
    reaching = [skip for skip in earlier if skip.last >= start]
    return standing, [*live, *ended], [*reaching, *within]


def standing_of(job: Job, now: datetime) -> Standing:
    """Where the job stands, by its own row and its cursor's; a job may have lost its cursor."""
    rule: Rule | None
    try:
        rule = rule_of(job)
        next_after(rule, now)
    except ValueError:  # ScheduleError is one
        rule = None
    standing = Standing(rule, now, job.created_at, job.schedule_since, deleted_at=job.deleted_at)
    cursor: Cursor | None = getattr(job, "cursor", None)
    if cursor is None:
        return standing
    held = Fate.QUARANTINED if cursor.quarantined_at is not None else None
    return replace(
        standing,
        next_run_at=cursor.next_run_at,
        paused_from=cursor.paused_from,
        accounted=cursor.last_scheduled_for,
        held=Fate.PAUSED if job.switch == Switch.PAUSED else held,
        cools_until=cursor.cool_off_until,
    )


def _is_of(rule: Rule | None, skip: Skip, at: datetime) -> bool:
    return at in (skip.first, skip.last) or names(rule, at) or not agrees(rule, skip)


def _neighbours(rule: Rule | None, at: datetime) -> tuple[datetime | None, datetime | None]:
    """The times of `rule` nearest to `at`, on either side."""
    if rule is None:
        return None, None
    after = next_after(rule, at)
    if isinstance(named := bare(rule), IntervalRule):
        return ticks_between(rule, after=named.anchor - INSTANT, until=at - INSTANT).last, after
    for span in _BACK:
        if last := ticks_between(rule, after=at - span, until=at - INSTANT).last:
            return last, after
    return None, after
