"""Jobs that nobody looked after for a while, what was due meanwhile, and whether all of it is accounted for. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.jobs.specs import TriggerSpec
from scheduler_saas.demo.oracle import Definition, due_between

GRACE = timedelta(seconds=15)  # misfire_grace_seconds


@dataclass(frozen=True)
class Case:
    """A job that nobody has looked after since `begins`, or for three days; the schedule ended at `ends`, or goes on.
    `due` is what it names, where that is worked out by hand."""

    trigger: TriggerSpec
    misfire: str
    most: int = 1_000  # misfire_max_runs
    begins: datetime | None = None
    ends: datetime | None = None
    due: tuple[datetime, ...] = ()


def cron(expression: str, zone: str, **how: str) -> TriggerSpec:
    return TriggerSpec(trigger_type="cron", cron_expression=expression, timezone=zone, **how)


def night(
    of: datetime, trigger: TriggerSpec, *due: tuple[int, int, int, int], misfire: str = "fire_all"
) -> Case:
    """The days before and after it, too. `due` as month, day, hour and minute."""
    span = timedelta(days=1, hours=12)
    times = tuple(datetime(of.year, *each, tzinfo=UTC) for each in due)
    return Case(trigger, misfire, 1_000, of - span, of + span, times)


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
SPRING, AUTUMN = datetime(2025, 3, 30, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC)
SOUTH, WEST = datetime(2025, 4, 6, tzinfo=UTC), datetime(2025, 11, 2, tzinfo=UTC)
CASES = {
    "every minute, the latest": Case(TriggerSpec.every(60), "fire_once"),
    "every hour, all": Case(TriggerSpec.every(3600), "fire_all"),
    "every ten minutes, the latest fifty": Case(cron("*/10 * * * *", "Asia/Kathmandu"), "fire_all", 50),
    "twice an hour, none": Case(cron("7,37 * * * *", "America/St_Johns"), "skip"),
    "nightly, all": Case(cron("30 2 * * *", BERLIN), "fire_all"),
    "at noon, the latest": Case(cron("0 12 * * *", "Pacific/Auckland"), "fire_once"),
    # 02:30 is left out on the 30th: it runs at the first instant after the gap, or not at all.
    "spring": night(SPRING, cron("30 2 * * *", BERLIN), (3, 29, 1, 30), (3, 30, 1, 0), (3, 31, 0, 30)),
    "spring, skipped": night(
        SPRING, cron("30 2 * * *", BERLIN, dst_gap="skip"), (3, 29, 1, 30), (3, 31, 0, 30)
    ),
    "spring, by the clock": night(SPRING, cron("*/15 * * * *", BERLIN)),
    # 02:30 comes twice on the 26th: the first is it, or both are.
    "autumn": night(AUTUMN, cron("30 2 * * *", BERLIN), (10, 25, 0, 30), (10, 26, 0, 30), (10, 27, 1, 30)),
    "autumn, both": night(
        AUTUMN,
        cron("30 2 * * *", BERLIN, dst_overlap="both"),
        *((10, 25, 0, 30), (10, 26, 0, 30), (10, 26, 1, 30), (10, 27, 1, 30)),
    ),
    "autumn, by the clock": night(AUTUMN, cron("*/15 * * * *", BERLIN)),
    "half an hour": night(
        SOUTH, cron("45 1 * * *", "Australia/Lord_Howe"), (4, 4, 14, 45), (4, 5, 14, 45), (4, 6, 15, 15)
    ),
    "autumn, the latest": night(WEST, cron("*/20 1 * * *", NEW_YORK), misfire="fire_once"),
    "autumn, none": night(WEST, cron("0 * * * *", NEW_YORK), misfire="skip"),
}


def named(case: Case, begins: datetime, until: datetime) -> list[datetime]:
    """What the schedule names from `begins` to `until`, by another reading of it than the scheduler's."""
    trigger = case.trigger
    if trigger.interval_seconds is not None:
        definition = Definition(interval_seconds=trigger.interval_seconds, anchor=begins)
    else:
        definition = Definition(cron=trigger.cron_expression, timezone=trigger.timezone)
    found = due_between(definition, begins - timedelta(microseconds=1), until)
    if case.due and trigger.dst_gap == "next_valid" and trigger.dst_overlap == "first":
        assert found == [*case.due]  # the oracle knows these rules as well
    return [*case.due] or found


@dataclass(frozen=True)
class Outcomes:
    """What became of a job: when it ran, and what was skipped as first, last, count and reason."""

    runs: list[datetime]
    skips: list[tuple[datetime, datetime, int, str]]


def judge(case: Case, due: list[datetime], found: Outcomes, started: datetime) -> list[str]:
    """Each time once, in the ledger or in a skip for its lateness; and the right ones of them ran."""
    outcomes = Counter(found.runs)
    wrong = []
    for first, last, count, reason in found.skips:
        skipped = [tick for tick in due if first <= tick <= last]
        outcomes.update(skipped)
        if len(skipped) != count or reason != "misfire":
            wrong.append(f"{count} from {first} to {last}, which are {len(skipped)}, skipped for {reason}")
    wrong += [f"{tick}: {outcomes[tick]} outcomes" for tick in due if outcomes[tick] != 1]
    wrong += [f"{tick}: an outcome of no due time" for tick in outcomes.keys() - set(due)]
    on_time = sum(
        tick >= started - GRACE for tick in due
    )  # at most: when it was looked at is not known to the second
    wanted = min({"fire_once": 1, "fire_all": case.most, "skip": 0}[case.misfire], len(due))
    runs = sorted(found.runs)
    if not wanted <= len(runs) <= wanted + on_time or runs != due[len(due) - len(runs) :]:
        wrong.append(f"{len(runs)} ran, of {len(due)} the latest {wanted} should have")
    return wrong
