"""A drill's judgement on invented histories: each thing that must not be is seen, and the figures are what they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.leadership.timings import Timings
from scheduler_saas.demo.oracle import Definition
from scheduler_saas.demo.verdict import Verdict
from scheduler_saas.demo.witnesses import Fault, History, LedgerRow, TermRow, WatchedJob
from scheduler_saas.drill.live import leaders_max_of
from scheduler_saas.drill.run import silence_bound_ms
from scheduler_saas.drill.verdict import judge_drill, spread

T = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND, MS = timedelta(seconds=1), timedelta(milliseconds=1)
FIRST = TermRow(1, T - 5 * SECOND, T + 3 * SECOND, T + 3830 * MS, "superseded", "a")
SECOND_TERM = TermRow(
    2, T + 3830 * MS, T + 7 * SECOND, T + 8 * SECOND, "evicted by a: no heartbeat for 3.2 s", "b"
)
THIRD = TermRow(3, T + 8 * SECOND, T + 9 * SECOND, T + 10 * SECOND, "stopped", "a")


def row(number: int, epoch: int) -> LedgerRow:
    at = T + number * SECOND
    return LedgerRow(100 + number, 7, at, at, at + 3 * MS, "success", epoch=epoch, started_at=at + 10 * MS)


def history(**changes: Any) -> History:
    """Ten ticks; the leader of epoch 1 is hurt at 3.8 s, that of epoch 2 at 7.2 s."""
    usual = History(
        jobs=[WatchedJob(7, Definition(interval_seconds=1, anchor=T), T - 2 * SECOND, T - SECOND)],
        rows=[row(n, 1 if n < 4 else 2 if n < 8 else 3) for n in range(10)],
        skips=[],
        tries=[],
        deliveries=[],
        terms=[FIRST, SECOND_TERM, THIRD],
        started_at=T,
        stopped_at=T + 9500 * MS,
        faults=[Fault(T + 3800 * MS, 1), Fault(T + 7200 * MS, 2)],
    )
    return replace(usual, **changes)


def verdict(
    rounds: int = 2, bound_ms: float | None = None, standby: str | None = None, **changes: Any
) -> Verdict:
    found = history(**changes)
    return judge_drill(found, mode="kill", rounds=rounds, late=1, bound_ms=bound_ms, stopped_standby=standby)


def test_a_clean_drill_is_good_and_measures_to_the_next_term_and_to_its_first_execution() -> None:
    found = verdict(bound_ms=800.0, standby="c")
    assert found.good, found.complaints
    figures = found.figures
    assert figures["takeover_ms"] == {"p50": 800.0, "p99": 800.0, "max": 800.0}
    assert figures["first_dispatch_ms"] == {"p50": 803.0, "p99": 803.0, "max": 803.0}
    assert (figures["mode"], figures["rounds"], figures["late_commits_refused"]) == ("kill", 2, 1)
    assert (figures["duplicates"], figures["lost"], figures["leaders_max"]) == (0, 0, 1)


def test_a_planted_duplicate_and_a_lost_tick_are_reported() -> None:
    rows = list(history().rows)
    twice = verdict(rows=[*rows, replace(rows[3], execution_id=999)])
    assert (twice.figures["duplicates"], twice.good) == (1, False)
    lost = verdict(rows=rows[:4] + rows[5:])
    assert (lost.figures["lost"], lost.good) == (1, False)


@pytest.mark.parametrize(
    "planted",
    [
        # Both lead for a while, by their own heartbeats.
        {"terms": [replace(FIRST, heartbeat_at=T + 5 * SECOND), SECOND_TERM, THIRD]},
        # What the first began was committed when the second led already.
        {"rows": [*(row(n, 1 if n < 4 else 2 if n < 8 else 3) for n in range(9)), row(9, 1)]},
        # A term that closed itself only after the next had begun.
        {
            "terms": [
                replace(FIRST, ended_at=T + 4 * SECOND, end_reason="stepped down: x"),
                SECOND_TERM,
                THIRD,
            ]
        },
    ],
)
def test_planted_double_leaders_are_reported(planted: dict[str, Any]) -> None:
    found = verdict(**planted)
    assert (found.figures["leaders_max"], found.good) == (2, False)


def test_a_takeover_beyond_its_bound_is_reported() -> None:
    found = verdict(bound_ms=799.9)
    assert found.complaints == ["1 takeovers took longer than 799.9 ms: up to 800.0 ms"]
    assert verdict().good  # without a bound


def test_a_stopped_standby_that_led_is_reported() -> None:
    assert verdict(standby="b").complaints == ["the stopped standby led: epochs [2]"]


def test_rounds_that_were_not_done_and_leaders_without_a_successor_are_reported() -> None:
    assert "only 2 of 3 rounds were done" in verdict(rounds=3).complaints
    found = verdict(faults=[Fault(T + 9400 * MS, 3)], rounds=1)
    assert found.figures["takeover_ms"] == {"p50": None, "p99": None, "max": None}
    assert "the leader met a fault and nobody took over" in found.complaints


def test_the_highest_of_a_hundred_is_their_p99() -> None:
    assert spread([float(n) for n in range(100)]) == {"p50": 50.0, "p99": 99.0, "max": 99.0}


def test_the_bound_on_silence_follows_the_settings() -> None:
    assert silence_bound_ms(Timings()) == 4000
    assert silence_bound_ms(Timings(idle_timeout=1.0, heartbeat=0.2)) == 1700


def test_live_rounds_count_leaders_by_the_terms() -> None:
    assert leaders_max_of([]) == 0
    assert leaders_max_of([FIRST, SECOND_TERM, THIRD]) == 1
    assert leaders_max_of([FIRST, replace(SECOND_TERM, started_at=T)]) == 2
