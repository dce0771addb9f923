"""A fate in a sentence, for people."""

from __future__ import annotations

from datetime import datetime

from apps.executions.models import Execution, ExecutionLog, Skip
from apps.executions.states import Kind, SkipReason
from apps.jobs.fates import Entry, Run
from apps.jobs.recurrence.wording import plain_time
from apps.jobs.standing import Fate, Standing

_SKIPPED: dict[str, str] = {
    SkipReason.OVERLAP: "Skipped: an earlier run of the job was still going on.",
    SkipReason.MISFIRE: "Missed: nobody dispatched it in time, and the job's misfire policy did not make up for it.",
    SkipReason.PAUSED: "Skipped: the job was paused.",
    SkipReason.QUOTA: "Skipped: the plan's quota was used up.",
    SkipReason.WINDOW: "Skipped: it lay outside the times at which the job may run.",
    SkipReason.EDITED: "Not run: the job was changed before this was dispatched.",
}


def sentence_of(entry: Entry, standing: Standing, leader: str) -> str:
    """`leader` says in a sentence whether somebody dispatches."""
    if entry.run is not None:
        text = _of_run(entry.run)
        return f"{text} Before that: {_of_skip(entry.skip)}" if entry.skip is not None else text
    if entry.skip is not None:
        return _of_skip(entry.skip)
    match entry.fate:
        case Fate.UPCOMING:
            return "To come."
        case Fate.PAUSED:
            return "The job is paused. What passes meanwhile is recorded as skipped when it is resumed."
        case Fate.QUARANTINED:
            return (
                "The job is in quarantine. What passes meanwhile is recorded as skipped when it is resumed."
            )
        case Fate.NOT_DISPATCHED_YET if not standing.placed:
            return "The job has lost its place in the schedule; an operator has to reconcile it."
        case Fate.NOT_DISPATCHED_YET:
            return f"Due, and not dispatched yet. {leader}"
        case Fate.BEFORE_CREATION:
            return f"Before the job was made, at {plain_time(standing.created_at)}."
        case Fate.BEFORE_SCHEDULE:
            return f"The schedule as it is now counts since {plain_time(standing.since)}; this was before."
        case Fate.NOT_RECORDED:
            return "Nothing is recorded: the job had another schedule then, or its history is no longer kept."
    return "This is no time of the job's schedule."


def not_scheduled(at: datetime, before: datetime | None, after: datetime | None) -> str:
    """`before` and `after` are the nearest times of the schedule, where there are any."""
    near = [f"{plain_time(time)} {word}" for time, word in ((before, "before"), (after, "after")) if time]
    nearest = f" The nearest are {' and '.join(near)} it." if near else ""
    return f"{plain_time(at)} is no time of the job's schedule.{nearest}"


def _of_run(run: Run) -> str:
    what = "Backfilled" if run.kind == Kind.BACKFILL else "Ran"
    if isinstance(run, ExecutionLog):
        tries = "" if run.attempts <= 1 else f" after {run.attempts} attempts"
        if run.error_message:
            return f"{what} and failed{tries}: {run.error_message.rstrip('.')}."
        return f"{what}, {run.status}{tries}, finished at {plain_time(run.finished_at)}."
    return _of_live(run)


def _of_live(run: Execution) -> str:
    asked = "A backfill of it" if run.kind == Kind.BACKFILL else "Its run"
    if run.leased_at is not None:
        return f"{asked} is under way since {plain_time(run.leased_at)}, attempt {run.attempt}."
    again = f" again, after {run.attempt} attempts" if run.attempt else ""
    return f"{asked} waits for a worker{again}; it may start from {plain_time(run.run_at)} on."


def _of_skip(skip: Skip) -> str:
    text = _SKIPPED[skip.reason]
    if skip.detail:
        text += f" {skip.detail.rstrip('.')}."
    if skip.count > 1:
        text += f" One of {skip.count:,} times from {plain_time(skip.first)} to {plain_time(skip.last)}."
    return text
