"""What tenants are to be told of their jobs: a failure, the recovery from it, the beginning of a cool-off.

Written where the leader folds outcomes, in the transaction that moves the cursor, so that a row is there exactly if the
cursor has moved: an incident is told of once, however many runs fail in it. Who is told, and how, is decided later, by
`operations.notifications`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from apps.jobs.models import Notice
from apps.jobs.rows import JobOutcome, Told

Event = Notice.Event


class NewNotice(NamedTuple):
    """`failures` is how many there were in a row: of a recovery, before it."""

    job: Told
    event: str
    at: datetime
    failures: int
    reason: str | None = None


def notices_of(told: Iterable[Told], outcomes: Mapping[int, JobOutcome]) -> list[NewNotice]:
    """What has changed for these jobs; nothing for most of them."""
    changed = [job for job in told if job.failures_before or outcomes[job.job_id].failures]
    return [notice for job in changed for notice in _of_job(job, outcomes[job.job_id])]


def _of_job(job: Told, outcome: JobOutcome) -> Iterator[NewNotice]:
    failed, succeeded = outcome.failure_at, outcome.success_at
    if job.healed and succeeded is not None:
        if job.failures_before:
            yield NewNotice(job, Event.RECOVERY, succeeded, job.failures_before)
        elif failed is not None and not job.consecutive_failures:
            # It began and ended before the leader heard of it.
            yield NewNotice(job, Event.FAILURE, failed, outcome.failures, outcome.reason)
            yield NewNotice(job, Event.RECOVERY, succeeded, outcome.failures)
    begins = job.consecutive_failures > 0 and (job.healed or not job.failures_before)
    if begins and failed is not None:
        yield NewNotice(job, Event.FAILURE, failed, job.consecutive_failures, outcome.reason)
    if job.cools_off and failed is not None:
        yield NewNotice(job, Event.COOL_OFF, failed, job.consecutive_failures, outcome.reason)
