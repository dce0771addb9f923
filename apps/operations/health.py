"""Is it healthy? One verdict with its reasons, the worst first.

Each of SOURCES looks at what the overview has read and says what troubles it; a new kind of trouble is a function more
in that list. What has an alert is judged by its threshold: the page says the same, before anybody evaluates them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from django.urls import reverse

from apps.executions.partitions import describe
from apps.operations.alerts.definitions import (
    FAILING_OF,
    FAILING_SHARE,
    LONGEST_DUE,
    LONGEST_IN_QUEUE,
    Severity,
)
from apps.tenants.operators import span

if TYPE_CHECKING:
    from apps.operations.selectors import Overview


class Level(IntEnum):
    """In the words of the page."""

    HEALTHY = 0
    DEGRADED = 1
    UNHEALTHY = 2

    @property
    def word(self) -> str:
        return {0: "Healthy", 1: "Needs a look", 2: "Unhealthy"}[int(self)]


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence, and the page (an address) on which to go on; "" where there is none."""

    level: Level
    sentence: str
    page: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    level: Level
    reasons: Sequence[Reason]

    @property
    def name(self) -> str:
        return self.level.name.lower()


def verdict(seen: Overview) -> Verdict:
    reasons = [reason for source in SOURCES for reason in source(seen)]
    reasons.sort(key=lambda reason: -reason.level)
    return Verdict(max((reason.level for reason in reasons), default=Level.HEALTHY), reasons)


def of_leadership(seen: Overview) -> Iterable[Reason]:
    terms = reverse("admin:leadership_leaderterm_changelist")
    if seen.replicas.trouble:
        yield Reason(Level.UNHEALTHY, f"{seen.replicas.trouble} Nothing is dispatched meanwhile.", terms)
    elif not seen.replicas.standbys:
        yield Reason(Level.DEGRADED, "No replica stands by: nobody would take over.", terms)


def of_due_jobs(seen: Overview) -> Iterable[Reason]:
    if seen.late:
        oldest = seen.oldest_due_seconds or 0.0
        sentence = f"{seen.late:,} {_noun(seen.late, 'job is', 'jobs are')} late, the first of them by {span(oldest)}."
        yield Reason(Level.UNHEALTHY if oldest > LONGEST_DUE else Level.DEGRADED, sentence, "#late")


def of_the_queue(seen: Overview) -> Iterable[Reason]:
    live = reverse("admin:executions_execution_changelist")
    if (seen.oldest_pending_seconds or 0) > LONGEST_IN_QUEUE:
        oldest = span(seen.oldest_pending_seconds or 0.0)
        what = _noun(seen.queue.waiting, "execution waits", "executions wait")
        sentence = f"{seen.queue.waiting:,} {what} for a worker, the first of them for {oldest}."
        yield Reason(Level.UNHEALTHY, sentence, f"{live}?state__exact=pending")
    if n := seen.queue.expired:
        sentence = f"{n:,} {_noun(n, 'lease has', 'leases have')} expired: workers are lost, or silent."
        yield Reason(Level.DEGRADED, sentence, f"{live}?state__exact=leased")


def of_failures(seen: Overview) -> Iterable[Reason]:
    recent = seen.hours[-2:]
    failed = sum(hour.failed for hour in recent)
    finished = failed + sum(hour.succeeded for hour in recent)
    if finished >= FAILING_OF and failed > FAILING_SHARE * finished:
        yield Reason(Level.UNHEALTHY, f"{failed:,} of the last {finished:,} executions failed.", "#failing")
    jobs = reverse("admin:jobs_job_changelist")
    if n := seen.quarantined:
        sentence = f"{n:,} {_noun(n, 'job is', 'jobs are')} quarantined: the schedule cannot be worked out."
        yield Reason(Level.DEGRADED, sentence, f"{jobs}?condition=quarantined")


def of_the_ledger(seen: Overview) -> Iterable[Reason]:
    if seen.unplaced:
        yield Reason(Level.DEGRADED, describe(seen.unplaced))


def of_alerts(seen: Overview) -> Iterable[Reason]:
    """Those that fire. That nobody evaluates is a reason where somebody once did."""
    for each in seen.alerts:
        if each.firing and each.evaluated_at is not None:
            level = Level.UNHEALTHY if each.alert.severity is Severity.PAGE else Level.DEGRADED
            runbook = reverse("admin:runbook", args=[each.alert.runbook])
            yield Reason(level, f"{each.alert.name} fires: {each.alert.summary}", runbook)


SOURCES: tuple[Callable[[Overview], Iterable[Reason]], ...] = (
    of_leadership,
    of_due_jobs,
    of_the_queue,
    of_failures,
    of_the_ledger,
    of_alerts,
)


def _noun(number: int, one: str, many: str) -> str:
    return one if number == 1 else many
