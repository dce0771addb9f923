"""A fate in a sentence, for people."""

from __future__ import annotations

from datetime import datetime

from apps.executions.models import Execution, Skip
from apps.executions.places import MANY
from apps.executions.states import Kind, SkipReason
from apps.jobs.calendars.entries import covering, reaching
from apps.jobs.circumstances import Circumstances
from apps.jobs.fates import Entry, Run, names
from apps.jobs.recurrence.rules import ManualRule, Rule, Within
from apps.jobs.recurrence.wording import plain_time
from apps.jobs.standing import Fate, Standing

_SKIPPED: dict[str, str] = {
    SkipReason.OVERLAP: "Skipped: an earlier run of the job was still going on.",
    SkipReason.MISFIRE: "Missed: nobody dispatched it in time, and the job's misfire policy did not make up for it.",
    SkipReason.PAUSED: "Skipped: the job was paused.",
    SkipReason.QUOTA: "Skipped: the plan's quota was used up.",
    SkipReason.WINDOW: "Skipped: it lay in a blackout, in which the job does not run.",
    SkipReason.COOL_OFF: "Skipped: the job had failed too often in a row and was left alone for a while.",
    SkipReason.EDITED: "Not run: the job was changed before this was dispatched.",
}
SUSPENDED = "The tenant is suspended."  # the detail of skips that are nobody's pause
_TOLD = 3  # absences of a leader; the others are counted


def sentence_of(entry: Entry, standing: Standing, around: Circumstances) -> str:
    """Of any entry but one that is no time of the schedule; see `not_scheduled`."""
    if entry.run is not None:
        text = _of_run(entry.run, standing, around)
        return f"{text} Before that: {_of_skip(entry.skip, around)}" if entry.skip is not None else text
    if entry.skip is not None:
        return _of_skip(entry.skip, around)
    return _of_none(entry, standing, around)


def _of_none(entry: Entry, standing: Standing, around: Circumstances) -> str:
    match entry.fate:
        case Fate.UPCOMING:
            return _to_come(entry, standing, around)
        case Fate.PAUSED:
            return "The job is paused. What passes meanwhile is recorded as skipped when it is resumed."
        case Fate.QUARANTINED:
            return (
                "The job is in quarantine. What passes meanwhile is recorded as skipped when it is resumed."
            )
        case Fate.DELETED if standing.deleted_at is not None:
            return f"The job was deleted at {plain_time(standing.deleted_at)}; nothing runs it any more."
        case Fate.NOT_DISPATCHED_YET if not standing.placed:
            return "The job has lost its place in the schedule; an operator has to reconcile it."
        case Fate.NOT_DISPATCHED_YET:
            parts = [
                "Due, and not dispatched yet.",
                around.leader,
                _absence(around, entry.first, standing.now),
            ]
            return " ".join(filter(None, parts))
        case Fate.BEFORE_CREATION:
            return f"Before the job was made, at {plain_time(standing.created_at)}."
        case Fate.BEFORE_SCHEDULE:
            return f"The schedule as it is now counts since {plain_time(standing.since)}; this was before."
    return "Nothing is recorded: the job had another schedule then, or its history is no longer kept."


def _to_come(entry: Entry, standing: Standing, around: Circumstances) -> str:
    if around.suspended:
        return "To come, but the tenant is suspended: what passes meanwhile is recorded as skipped."
    if standing.cools_until is not None and entry.first <= standing.cools_until:
        return (
            f"To come, but the job cools off until {plain_time(standing.cools_until)}: what passes before that is"
            " recorded as skipped."
        )
    if entry.first != entry.last:
        if blackouts := reaching(around.blackouts, entry.first, entry.last):
            return f"To come, but for those in a blackout, which will be skipped. {blackouts[0].detail}"
        return "To come."
    if blackout := covering(around.blackouts, entry.first):
        return f"To come, but in a blackout, so it will be skipped. {blackout.detail}"
    if around.jitter_seconds and standing.rule is not None:
        return f"To come; with its jitter it starts at {plain_time(around.starts_at(standing.rule, entry.first))}."
    return "To come."


def not_scheduled(rule: Rule | None, at: datetime, before: datetime | None, after: datetime | None) -> str:
    """`before` and `after` are the nearest times of the schedule, where there are any."""
    if isinstance(rule, ManualRule):
        return "The job has no schedule: it runs when somebody asks for it."
    near = [f"{plain_time(time)} {word}" for time, word in ((before, "before"), (after, "after")) if time]
    nearest = f" The nearest {'is' if len(near) == 1 else 'are'} {' and '.join(near)} it." if near else ""
    return f"{plain_time(at)} is no time of the job's schedule{_outside(rule, at)}.{nearest}"


def _outside(rule: Rule | None, at: datetime) -> str:
    """Why a time that the rule alone would name is none."""
    if not isinstance(rule, Within) or not names(rule.rule, at):
        return ""
    if rule.start is not None and at < rule.start:
        return f", which begins at {plain_time(rule.start)}"
    return f", which ended at {plain_time(rule.end)}" if rule.end is not None else ""


def _of_run(run: Run, standing: Standing, around: Circumstances) -> str:
    what = "Backfilled" if run.kind == Kind.BACKFILL else "Ran"
    if isinstance(run, Execution):
        return _of_live(run, standing, around)
    tries = "" if run.attempts <= 1 else f" after {run.attempts} attempts"
    if not run.error_message:
        return f"{what}, {run.status}{tries}, finished at {plain_time(run.finished_at)}."
    if run.attempts < 1:  # taken back, or replaced by the next, before any worker had it
        return f"Dispatched, but it did not start: {run.error_message.rstrip('.')}."
    return f"{what} and failed{tries}: {run.error_message.rstrip('.')}."


def _of_live(run: Execution, standing: Standing, around: Circumstances) -> str:
    asked = "A backfill of it" if run.kind == Kind.BACKFILL else "Its run"
    if run.leased_at is not None:
        return f"{asked} is under way since {plain_time(run.leased_at)}, attempt {run.attempt}."
    again = f" again, after {run.attempt} attempt{'s' if run.attempt > 1 else ''}" if run.attempt else ""
    if run.run_at > standing.now:
        return f"{asked} waits for its time{again}: it starts from {plain_time(run.run_at)} on."
    return f"{asked} waits{again}: {_waits_for(run, around)}"


def _waits_for(run: Execution, around: Circumstances) -> str:
    place = around.place
    if place is None:
        return "for a worker."
    if run.max_concurrency is not None and place.of_job >= run.max_concurrency:
        if place.of_job == 1 and place.earliest is not None:
            return f"the job runs one at a time, and its run of {plain_time(place.earliest)} is under way."
        return (
            f"{place.of_job} of the {run.max_concurrency} runs that the job may have at once are under way."
        )
    if around.cap and place.running >= around.cap:
        return f"{place.running:,} of the {around.cap:,} runs that the plan allows at once are under way."
    if not place.ahead:
        return "for a worker."
    runs = "run comes" if place.ahead == 1 else "runs come"
    more = " or more" if place.ahead >= MANY else ""
    return f"for a worker; {place.ahead:,}{more} of the tenant's {runs} before it."


def _of_skip(skip: Skip, around: Circumstances) -> str:
    if skip.reason == SkipReason.PAUSED and skip.detail == SUSPENDED:
        text = "Skipped: the tenant was suspended."
    else:
        text = _SKIPPED[skip.reason]
        if skip.detail:
            text += f" {skip.detail.rstrip('.')}."
    if skip.reason == SkipReason.MISFIRE:
        text = f"{text} {_absence(around, skip.first, max(skip.last, skip.created_at))}".rstrip()
    if skip.count > 1:
        text += f" One of {skip.count:,} times from {plain_time(skip.first)} to {plain_time(skip.last)}."
    return text


def _absence(around: Circumstances, start: datetime, until: datetime) -> str:
    """When no leader was at work in [start, until]; empty if there always was one, or nothing is known."""
    found = around.absent(start, until)
    told = [
        f"since {plain_time(each.start)}"
        if each.until is None
        else f"from {plain_time(each.start)} to {plain_time(each.until)}"
        for each in found[:_TOLD]
    ]
    if not told:
        return ""
    more = f", and {len(found) - _TOLD:,} times more" if len(found) > _TOLD else ""
    return f"No leader was at work {', '.join(told)}{more}."
