"""The judge is judged: a sound history passes, and each way of breaking it is found by the check that is for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos import checker
from tests.chaos.faults import CANCEL_EVERY, KINDS, Fault, plan, strokes
from tests.chaos.history import Attempt, Commit, History, Job, Logged, Run, Skipped, Term

pytestmark = pytest.mark.same_on_every_postgres

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def sound() -> History:
    """Job 1: a success, a success after a lost worker, two skips, a failure after one cut short. Two terms."""
    return History(
        stopped_at=at(5),
        commits=[
            Commit("opened", 1),
            Commit("dispatched", 1),
            Commit("ended", 1),
            Commit("opened", 2),
            Commit("dispatched", 2),
            Commit("ended", 2),
        ],
        terms=[Term(1, "one", at(-1), at(2)), Term(2, "two", at(2), at(5))],
        jobs=[Job(1, at(0), 1, at(5))],
        ledger=[
            Logged(10, 1, at(0), "success", 1),
            Logged(11, 1, at(1), "success", 2),
            Logged(12, 1, at(4), "failed", 2),
        ],
        skips=[Skipped(1, at(2), at(3), 2)],
        attempts=[
            Attempt(10, 1, "success"),
            Attempt(11, 1, "lost"),
            Attempt(11, 2, "success"),
            Attempt(12, 1, "released"),
            Attempt(12, 2, "timeout"),
        ],
        runs=[
            Run(10, 1, 1, at(0)),
            Run(11, 1, 1, at(1)),
            Run(11, 2, 1, at(1)),
            Run(12, 1, 1, at(4)),
            Run(12, 2, 1, at(4)),
        ],
        results={10: 1, 11: 2},
        totals={"found": 5, "skipped": 2},
        counted={"success": 2, "failed": 1},
    )


def test_a_sound_history_passes() -> None:
    assert checker.check(sound()) == []


def test_a_run_that_a_dead_worker_never_began_is_no_violation() -> None:
    history = sound()
    history.runs.remove(Run(11, 1, 1, at(1)))
    assert checker.check(history) == []


def dispatch_by_an_old_leader(history: History) -> None:
    history.commits.insert(5, Commit("dispatched", 1))


def dispatch_after_the_end(history: History) -> None:
    history.commits.append(Commit("dispatched", 2))


def two_open_terms(history: History) -> None:
    del history.commits[2]


def an_epoch_that_goes_back(history: History) -> None:
    history.commits.extend([Commit("opened", 1), Commit("ended", 1)])


def a_recorder_that_is_deaf(history: History) -> None:
    history.commits = [commit for commit in history.commits if commit.what != "dispatched"]


def a_term_not_heard_of(history: History) -> None:
    del history.commits[3:]


def overlapping_terms(history: History) -> None:
    history.terms[1] = replace(history.terms[1], started_at=at(1.9))


def a_term_without_end(history: History) -> None:
    history.terms[0] = replace(history.terms[0], ended_at=None)


def a_term_twice(history: History) -> None:
    history.terms[1] = replace(history.terms[1], term_id="one")


def no_leader(history: History) -> None:
    history.terms.clear()


def a_tick_twice_in_the_ledger(history: History) -> None:
    history.ledger.append(replace(history.ledger[0], id=13))


def an_execution_twice_in_the_ledger(history: History) -> None:
    history.ledger.append(replace(history.ledger[0], scheduled_for=at(2)))


def a_tick_without_outcome(history: History) -> None:
    history.skips[0] = Skipped(1, at(2), at(2), 1)


def the_first_tick_without_outcome(history: History) -> None:
    history.jobs[0] = replace(history.jobs[0], anchor=at(-1))


def a_tick_run_and_skipped(history: History) -> None:
    history.skips.append(Skipped(1, at(4), at(4), 1))


def a_skip_beyond_the_cursor(history: History) -> None:
    history.skips.append(Skipped(1, at(5), at(5), 1))


def a_skip_between_ticks(history: History) -> None:
    history.skips.append(Skipped(1, at(2.5), at(2.5), 1))


def a_range_that_counts_wrong(history: History) -> None:
    history.skips[0] = replace(history.skips[0], count=3)


def a_cursor_left_behind(history: History) -> None:
    history.stopped_at = at(60)


def a_cursor_that_stopped(history: History) -> None:
    history.jobs[0] = replace(history.jobs[0], next_run_at=None)


def an_outcome_of_no_job(history: History) -> None:
    history.skips.append(Skipped(2, at(1), at(1), 1))


def a_queue_that_is_not_empty(history: History) -> None:
    history.live = 1


def an_attempt_missing(history: History) -> None:
    history.attempts.remove(Attempt(11, 1, "lost"))


def an_attempt_twice(history: History) -> None:
    history.attempts.append(Attempt(11, 2, "success"))


def a_success_before_the_last_attempt(history: History) -> None:
    history.attempts[1] = Attempt(11, 1, "success")


def a_failure_that_succeeded(history: History) -> None:
    history.attempts[4] = Attempt(12, 2, "success")


def attempts_of_a_lost_execution(history: History) -> None:
    history.attempts.append(Attempt(14, 1, "lost"))


def a_run_repeated(history: History) -> None:
    history.runs.append(Run(10, 1, 1, at(0)))


def a_run_without_an_attempt(history: History) -> None:
    history.runs.append(Run(10, 2, 1, at(0)))


def a_tick_run_by_two_executions(history: History) -> None:
    history.runs.append(Run(11, 2, 1, at(0)))


def a_success_without_a_run(history: History) -> None:
    history.runs.remove(Run(11, 2, 1, at(1)))


def a_success_of_a_lost_lease(history: History) -> None:
    history.results[11] = 1


def a_completion_counted_twice(history: History) -> None:
    history.counted["success"] = 3


def a_dispatch_counted_twice(history: History) -> None:
    history.totals["found"] = 6


def a_skip_not_counted(history: History) -> None:
    history.totals["skipped"] = 1


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        ("commits", dispatch_by_an_old_leader),
        ("commits", dispatch_after_the_end),
        ("commits", two_open_terms),
        ("commits", an_epoch_that_goes_back),
        ("commits", a_recorder_that_is_deaf),
        ("commits", a_term_not_heard_of),
        ("terms", overlapping_terms),
        ("terms", a_term_without_end),
        ("terms", a_term_twice),
        ("terms", no_leader),
        ("once", a_tick_twice_in_the_ledger),
        ("once", an_execution_twice_in_the_ledger),
        ("every_tick", a_tick_without_outcome),
        ("every_tick", the_first_tick_without_outcome),
        ("every_tick", a_tick_run_and_skipped),
        ("every_tick", a_skip_beyond_the_cursor),
        ("every_tick", a_skip_between_ticks),
        ("every_tick", a_range_that_counts_wrong),
        ("every_tick", a_cursor_left_behind),
        ("every_tick", a_cursor_that_stopped),
        ("every_tick", an_outcome_of_no_job),
        ("drained", a_queue_that_is_not_empty),
        ("attempts", an_attempt_missing),
        ("attempts", an_attempt_twice),
        ("attempts", a_success_before_the_last_attempt),
        ("attempts", a_failure_that_succeeded),
        ("attempts", attempts_of_a_lost_execution),
        ("runs", a_run_repeated),
        ("runs", a_run_without_an_attempt),
        ("runs", a_tick_run_by_two_executions),
        ("runs", a_success_without_a_run),
        ("runs", a_success_of_a_lost_lease),
        ("books", a_completion_counted_twice),
        ("books", a_dispatch_counted_twice),
        ("books", a_skip_not_counted),
    ],
)
def test_each_violation_is_found(check: str, broken: Callable[[History], None]) -> None:
    history = sound()
    broken(history)
    assert any(wrong.startswith(f"{check}: ") for wrong in checker.check(history)), checker.check(history)


def test_a_seed_is_a_plan_and_a_longer_run_goes_on_with_it() -> None:
    assert plan(seed=7, seconds=60) == plan(seed=7, seconds=60) != plan(seed=8, seconds=60)
    assert plan(seed=7, seconds=60)[:5] == plan(seed=7, seconds=20)[:5]
    assert {fault.kind for fault in plan(seed=7, seconds=60)} == set(KINDS)


def test_a_spam_strikes_as_long_as_it_lasts() -> None:
    spam = strokes(Fault(2.0, "cancel", "leader", 10 * CANCEL_EVERY))
    assert len(spam) == 11
    assert spam[0] == 2.0
    assert strokes(Fault(2.0, "kill", "leader", 0.5)) == [2.0]
