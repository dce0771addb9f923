"""The demo's judgement on invented histories: it has to see each thing that must not be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler_saas.demo.oracle import Definition
from scheduler_saas.demo.verdict import Verdict, judge
from scheduler_saas.demo.witnesses import (
    Delivery,
    Fault,
    History,
    LedgerRow,
    SkippedRange,
    TermRow,
    Try,
    WatchedJob,
)

pytestmark = pytest.mark.same_on_every_postgres

T = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MS = timedelta(milliseconds=1)
JOB = WatchedJob(7, Definition(interval_seconds=1, anchor=T), before=T - 2 * SECOND, after=T - SECOND)


def row(number: int, **changes: Any) -> LedgerRow:
    """The execution of the tick `number` seconds after T; its id is 100 + number."""
    at = T + number * SECOND
    usual = LedgerRow(
        execution_id=100 + number,
        job_id=7,
        scheduled_for=at,
        run_at=at,
        created_at=at + 3 * MS,
        status="success",
        target="http_request",
        epoch=1,
        started_at=at + 10 * MS,
    )
    return replace(usual, **changes)


def delivery(number: int, **changes: Any) -> Delivery:
    usual = Delivery("acme", 100 + number, "7", T + number * SECOND, attempt=1, signature_ok=True)
    return replace(usual, **changes)


def history(**changes: Any) -> History:
    """Ten ticks, T to T + 9 s, all of them run, under one leader."""
    usual = History(
        jobs=[JOB],
        rows=[row(n) for n in range(10)],
        skips=[],
        tries=[Try(100 + n, 1, "success") for n in range(10)],
        deliveries=[delivery(n) for n in range(10)],
        terms=[TermRow(1, T - 5 * SECOND, T + 9 * SECOND, T + 10 * SECOND, "stopped")],
        started_at=T,
        stopped_at=T + 9 * SECOND + 500 * MS,
    )
    return replace(usual, **changes)


def verdict(**changes: Any) -> Verdict:
    return judge(history(**changes), least_per_second=0.5)


def test_a_clean_history_is_good() -> None:
    found = verdict()
    assert found.good, found.complaints
    assert (found.figures["due"], found.figures["outcomes"], found.figures["succeeded"]) == (10, 10, 10)
    assert (found.figures["lost"], found.figures["duplicates"], found.figures["leaders_max"]) == (0, 0, 1)
    assert found.figures["lag_ms"] == {"p50": 10.0, "p99": 10.0}
    assert found.figures["takeover_ms"] is None


def test_a_lost_tick_is_reported() -> None:
    found = verdict(
        rows=[row(n) for n in range(10) if n != 4], deliveries=[delivery(n) for n in range(10) if n != 4]
    )
    assert found.figures["lost"] == 1
    assert found.complaints == ["1 due ticks have no outcome: job 7 at 2026-03-02T12:00:04+00:00"]


def test_a_skip_range_is_an_outcome_of_the_ticks_in_it_and_of_no_others() -> None:
    ran = [n for n in range(10) if n not in (4, 5)]
    kept = {"rows": [row(n) for n in ran], "deliveries": [delivery(n) for n in ran]}
    right = verdict(skips=[SkippedRange(7, T + 4 * SECOND, T + 5 * SECOND, 2)], **kept)
    assert right.good, right.complaints
    assert (right.figures["skipped"], right.figures["outcomes"]) == (2, 10)
    assert verdict(skips=[SkippedRange(7, T + 4 * SECOND, T + 4 * SECOND, 1)], **kept).figures["lost"] == 1
    miscounted = verdict(skips=[SkippedRange(7, T + 4 * SECOND, T + 5 * SECOND, 3)], **kept)
    assert miscounted.figures["duplicates"] == 1
    overlapping = verdict(skips=[SkippedRange(7, T + 4 * SECOND, T + 6 * SECOND, 3)], **kept)
    assert overlapping.figures["duplicates"] == 1


def test_a_tick_with_two_rows_is_a_duplicate() -> None:
    found = verdict(rows=[*(row(n) for n in range(10)), row(3, execution_id=999, target="demo.pulse")])
    assert (found.figures["duplicates"], found.good) == (1, False)


def test_a_tick_delivered_under_two_executions_is_a_duplicate() -> None:
    found = verdict(
        rows=[*(row(n) for n in range(10)), row(3, execution_id=999)],
        deliveries=[*(delivery(n) for n in range(10)), delivery(3, execution_id=999)],
    )
    assert found.figures["duplicates"] == 2  # one witness each


def test_a_repeated_delivery_needs_a_failed_attempt_before_it() -> None:
    again = [*(delivery(n) for n in range(10)), delivery(3, attempt=2)]
    assert verdict(deliveries=again).figures["duplicates"] == 1
    for outcome in ("failed", "lost", "released"):
        tries = [Try(103, 1, outcome), Try(103, 2, "success")]
        explained = verdict(
            deliveries=again, tries=tries, rows=[row(n, attempts=1 + (n == 3)) for n in range(10)]
        )
        assert explained.good, explained.complaints
        assert explained.figures["retries"] == 1
        twice_the_same = [*again, delivery(3, attempt=2)]
        assert verdict(deliveries=twice_the_same, tries=tries).figures["duplicates"] == 1


def test_a_delivery_that_the_ledger_does_not_know_is_reported() -> None:
    stray = [*(delivery(n) for n in range(10)), delivery(3, execution_id=999, job="9")]
    found = verdict(deliveries=stray)
    assert (found.figures["http_unknown"], found.good) == (1, False)
    assert verdict(deliveries=stray, others=frozenset({999})).good


def test_a_success_that_the_receiver_never_got_is_reported() -> None:
    found = verdict(deliveries=[delivery(n) for n in range(9)])
    assert (found.figures["http_unseen"], found.good) == (1, False)


def test_an_outcome_at_an_instant_that_was_not_due_is_reported() -> None:
    early = row(3, execution_id=999, scheduled_for=T + 3500 * MS, target="demo.pulse")
    found = verdict(rows=[*(row(n) for n in range(10)), early])
    assert (found.figures["unexpected"], found.figures["outcomes"], found.good) == (1, 10, False)


def test_ticks_while_the_job_was_saved_and_after_the_stop_may_have_an_outcome_and_need_none() -> None:
    slow = replace(JOB, before=T - SECOND, after=T)
    without_first = [row(n) for n in range(1, 10)]
    assert verdict(jobs=[slow], rows=without_first, deliveries=[delivery(n) for n in range(1, 10)]).good
    later = verdict(rows=[row(n) for n in range(11)], deliveries=[delivery(n) for n in range(11)])
    assert later.good, later.complaints
    assert later.figures["due"] == later.figures["succeeded"] == 10


def test_an_execution_still_waiting_at_the_end_is_reported_and_not_lost() -> None:
    rows = [*(row(n) for n in range(9)), row(9, status="pending", started_at=None)]
    found = verdict(rows=rows, deliveries=[delivery(n) for n in range(9)])
    assert (found.figures["pending"], found.figures["lost"], found.good) == (1, 0, False)


def test_terms_that_overlap_are_two_leaders() -> None:
    second = TermRow(2, T + 4 * SECOND, T + 9 * SECOND, T + 10 * SECOND, "stopped")
    found = verdict(terms=[*history().terms, second])
    assert (found.figures["leaders_max"], found.good) == (2, False)


def test_a_killed_leader_counts_until_its_last_sign_of_life() -> None:
    killed = TermRow(1, T - 5 * SECOND, T + 3 * SECOND, T + 4 * SECOND, "superseded")
    second = TermRow(2, T + 3900 * MS, T + 9 * SECOND, T + 10 * SECOND, "stopped")
    rows = [row(n, epoch=1 if n < 4 else 2) for n in range(10)]
    kill = {"faults": [Fault(T + 3800 * MS, 1)]}
    found = verdict(terms=[killed, second], rows=rows, **kill)
    assert found.good, found.complaints
    assert found.figures["takeover_ms"] == 203.0
    ghost = [*rows[:4], row(4, epoch=1), *rows[5:]]  # a row of the old epoch while the new leader is there
    assert verdict(terms=[killed, second], rows=ghost, **kill).figures["leaders_max"] == 2


def test_a_commit_of_an_old_epoch_after_a_newer_one_is_two_leaders() -> None:
    first = TermRow(1, T - 5 * SECOND, T + SECOND, T + 2 * SECOND, "stopped")
    second = TermRow(2, T + 2 * SECOND, T + 9 * SECOND, T + 10 * SECOND, "stopped")
    order = [1, 1, 2, 2, 2, 1, 2, 2, 2, 2]
    found = verdict(terms=[first, second], rows=[row(n, epoch=order[n]) for n in range(10)])
    assert (found.figures["leaders_max"], found.good) == (2, False)


def test_a_kill_without_a_successor_is_reported() -> None:
    found = verdict(faults=[Fault(T + 9200 * MS, 1)])
    assert found.figures["takeover_ms"] is None
    assert "the leader met a fault and nobody took over" in found.complaints


def test_lag_outside_the_takeover_leaves_out_what_waited_in_it() -> None:
    rows = [row(n) for n in range(10)]
    rows[3] = row(3, started_at=T + 3 * SECOND + 400 * MS)  # due before the kill, started after it
    rows[4] = row(4, started_at=T + 4 * SECOND + 300 * MS)
    found = verdict(rows=rows, faults=[Fault(T + 3100 * MS, 0)])
    assert found.figures["lag_ms"]["p99"] == 400.0
    assert found.figures["lag_outside_takeover_ms"]["p99"] == 10.0


def test_forged_signatures_and_too_slow_a_pace_are_reported() -> None:
    forged = verdict(deliveries=[*(delivery(n) for n in range(9)), delivery(9, signature_ok=False)])
    assert (forged.figures["bad_signatures"], forged.good) == (1, False)
    assert not judge(history(), least_per_second=5.0).good


def test_a_history_without_anything_due_or_anyone_leading_is_not_good() -> None:
    assert not verdict(jobs=[], rows=[], deliveries=[]).good
    assert "nobody ever led" in verdict(terms=[]).complaints
