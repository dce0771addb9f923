"""What became of a job's nominal times, as the API shows it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from apps.executions.models import ExecutionLog, Skip
from apps.jobs.fates import Entry
from apps.jobs.models import Job
from apps.jobs.payloads import frequency
from apps.jobs.recurrence.preview import preview
from apps.jobs.recurrence.zones import zone
from apps.jobs.sentences import not_scheduled, sentence_of
from apps.jobs.standing import INSTANT, Fate
from apps.jobs.why import Why

_NEAR = timedelta(hours=4)  # no clock change shifts more


def why_payload(job: Job, why: Why, *, start: datetime, until: datetime, at: bool) -> dict[str, Any]:
    """`count` is of the entries; `nearest` is null unless one instant was asked about (`at`)."""
    nearest = {"before": why.before, "after": why.after} if at else None
    return {
        "job_id": str(job.id),
        "timezone": job.timezone,
        "frequency": frequency(job),
        "from": start,
        "to": until,
        "times": [_time(job, why, entry) for entry in why.entries],
        "count": len(why.entries),
        "has_more": why.next_from is not None,
        "next_from": why.next_from,
        "nearest": nearest,
    }


def _time(job: Job, why: Why, entry: Entry) -> dict[str, Any]:
    run, skip = entry.run, entry.skip
    ended = run if isinstance(run, ExecutionLog) else None
    if entry.fate is Fate.NOT_SCHEDULED:
        sentence = not_scheduled(why.standing.rule, entry.first, why.before, why.after)
    else:
        sentence = sentence_of(entry, why.standing, why.circumstances)
    failure = ended.error_message if ended is not None else None
    return {
        "scheduled_for": entry.first,
        "scheduled_until": entry.last,
        "local_time": _local(job, entry.first),
        "count": entry.count,
        "outcome": entry.fate.value,
        "reason": skip.reason if skip is not None else failure,
        "detail": (skip.detail if skip is not None else _held_why(job, entry.fate)) or None,
        "error_message": failure,
        "epoch": run.epoch if run is not None else skip.epoch if skip is not None else None,
        "execution_id": run.pk if run is not None else None,
        "kind": run.kind if run is not None else None,
        "run_at": run.run_at if run is not None else None,
        "finished_at": ended.finished_at if ended is not None else None,
        "range": _range(skip),
        "note": _note(job, why, entry),
        "sentence": sentence,
    }


def _held_why(job: Job, fate: Fate) -> str:
    cursor = getattr(job, "cursor", None)
    match fate:
        case Fate.PAUSED:
            return job.pause_reason
        case Fate.QUARANTINED:
            return cursor.quarantine_reason if cursor is not None else ""
    return ""


def _range(skip: Skip | None) -> dict[str, Any] | None:
    """The whole of a skip, however little of it was asked about."""
    return {"from": skip.first, "to": skip.last, "count": skip.count} if skip is not None else None


def _local(job: Job, instant: datetime) -> str:
    try:
        return instant.astimezone(zone(job.timezone)).isoformat()
    except ValueError:  # a zone that is gone is part of a broken schedule
        return instant.isoformat()


def _note(job: Job, why: Why, entry: Entry) -> str:
    """What a clock change has to do with a single time; empty far from one."""
    rule = why.standing.rule
    if rule is None or entry.first != entry.last:
        return ""
    local = zone(job.timezone)
    if (entry.first - _NEAR).astimezone(local).utcoffset() == (entry.first + _NEAR).astimezone(
        local
    ).utcoffset():
        return ""
    runs = preview(rule, entry.first - INSTANT, 1, timezone=job.timezone)
    return runs[0].note if runs and runs[0].instant == entry.first else ""
