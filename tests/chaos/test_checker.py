"""The judge is judged: a sound history passes, and each way of breaking it is found by the check that is for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.jobs.specs import TriggerSpec
from tests.chaos import absences, checker
from tests.chaos.faults import CANCEL_EVERY, KINDS, Fault, plan, strokes
from tests.chaos.history import Attempt, Commit, Delivery, History, Job, Logged, Run, Skipped, Term, Text
from tests.chaos.relay import WORKS

pytestmark = pytest.mark.same_on_every_postgres

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def sound() -> History:
    """Job 1: a success over HTTP, a success after a lost worker, two skips, a failure after three attempts and one cut
    short. Two terms, a crash in the second. Two tenants, each with a canary that is where it belongs.
    """
    return History(
        stopped_at=at(5),
        commits=[
            Commit("opened", 1),
            Commit("dispatched", 1),
            Commit("ended", 1),
            Commit("opened", 2),
            Commit("dispatched", 2),
            Commit("skipped", 2),
            Commit("ended", 2),
        ],
        terms=[Term(1, "one", at(-1), at(2)), Term(2, "two", at(2), at(5))],
        jobs=[Job(1, at(0), 1, at(5), at(-1))],
        ledger=[
            Logged(10, 1, at(0), "success", 1, "acme"),
            Logged(11, 1, at(1), "success", 2, "acme"),
            Logged(12, 1, at(4), "failed", 4, "acme"),
        ],
        skips=[Skipped(1, at(2), at(3), 2)],
        attempts=[
            Attempt(10, 1, "success"),
            Attempt(11, 1, "lost"),
            Attempt(11, 2, "success"),
            Attempt(12, 1, "released", "leaver"),
            Attempt(12, 2, "timeout"),
            Attempt(12, 3, "failed"),
            Attempt(12, 4, "failed"),
        ],
        runs=[
            Run(10, 1, 1, at(0)),
            Run(11, 1, 1, at(1)),
            Run(11, 2, 1, at(1)),
            Run(12, 1, 1, at(4)),
            *(Run(12, attempt, 1, at(4)) for attempt in (2, 3, 4)),
        ],
        results={10: 1, 11: 2},
        totals={"found": 5, "skipped": 2},
        counted={"success": 2, "failed": 1},
        witnessed={Logged(10, 1, at(0), "success", 1, "acme")},
        told_to_stop={"leaver"},
        deliveries=[Delivery("acme", 10, 1, "exec_10", genuine=True, text="{'webhook-id': 'exec_10'} rose")],
        canaries={"acme": "rose", "bravo": "tulip"},
        repairs=['{"found": 0, "reconciled_at": "2030-01-01"}'],
        texts=[
            Text("acme", "the output of 11", '{"words": "rose"}'),
            Text("bravo", "the output of 20", '{"words": "tulip"}'),
            Text("", "the log", "execution 12 failed"),
        ],
    )


def test_a_sound_history_passes() -> None:
    assert checker.check(sound()) == []


def test_a_webhook_may_come_again_under_the_same_id() -> None:
    history = sound()
    history.deliveries.append(replace(history.deliveries[0], attempt=2))
    assert checker.check(history) == []


def test_a_run_that_a_dead_worker_never_began_is_no_violation() -> None:
    history = sound()
    history.runs.remove(Run(11, 1, 1, at(1)))
    assert checker.check(history) == []


def dispatch_by_an_old_leader(history: History) -> None:
    history.commits.insert(5, Commit("dispatched", 1))


def dispatch_after_the_end(history: History) -> None:
    history.commits.append(Commit("dispatched", 2))


def skips_of_an_old_leader(history: History) -> None:
    history.commits.insert(5, Commit("skipped", 1))


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


def a_committed_end_lost_by_a_crash(history: History) -> None:
    history.witnessed.add(Logged(13, 1, at(2), "success", 1, "acme"))


def an_end_that_a_crash_changed(history: History) -> None:
    history.witnessed.add(Logged(12, 1, at(4), "success", 3, "acme"))


def a_release_by_a_worker_that_went_on(history: History) -> None:
    history.told_to_stop = set()


def a_failure_before_the_last_attempt(history: History) -> None:
    """As if the one that its worker's end cut short had been used up."""
    history.attempts.pop()
    history.runs.remove(Run(12, 4, 1, at(4)))
    history.ledger[2] = replace(history.ledger[2], attempts=3)


def an_attempt_after_the_last(history: History) -> None:
    history.attempts.append(Attempt(12, 5, "failed"))
    history.runs.append(Run(12, 5, 1, at(4)))
    history.ledger[2] = replace(history.ledger[2], attempts=5)


def a_signature_out_of_time(history: History) -> None:
    history.deliveries[0] = replace(history.deliveries[0], genuine=False)


def a_webhook_to_another_tenant(history: History) -> None:
    history.deliveries[0] = replace(history.deliveries[0], tenant="bravo", text="")


def an_id_of_two_executions(history: History) -> None:
    history.deliveries.append(replace(history.deliveries[0], execution_id=11))


def two_ids_of_an_execution(history: History) -> None:
    history.deliveries.append(replace(history.deliveries[0], webhook_id="exec_10b"))


def a_result_of_another_tenant(history: History) -> None:
    history.texts.append(Text("bravo", "the output of 21", "rose"))


def a_request_with_another_tenants_words(history: History) -> None:
    history.deliveries.append(replace(history.deliveries[0], text="rose tulip"))


def a_log_line_with_words(history: History) -> None:
    history.texts.append(Text("", "the log", "ValueError: tulip"))


def an_error_that_on_call_reads(history: History) -> None:
    history.texts.append(Text("", "the ledger", "rose"))


def a_canary_that_nobody_saw(history: History) -> None:
    history.texts.pop(1)


def requests_that_nobody_read(history: History) -> None:
    history.deliveries[0] = replace(history.deliveries[0], text="")


def drift_that_reconcile_found(history: History) -> None:
    history.repairs.append('{"found": 1, "repaired": 1, "reconciled_at": "2030-01-01"}')


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
        ("commits", skips_of_an_old_leader),
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
        ("ends", a_release_by_a_worker_that_went_on),
        ("ends", a_failure_before_the_last_attempt),
        ("ends", an_attempt_after_the_last),
        ("webhooks", a_signature_out_of_time),
        ("webhooks", a_webhook_to_another_tenant),
        ("webhooks", an_id_of_two_executions),
        ("webhooks", two_ids_of_an_execution),
        ("repairs", drift_that_reconcile_found),
        ("durable", a_committed_end_lost_by_a_crash),
        ("durable", an_end_that_a_crash_changed),
        ("leaks", a_result_of_another_tenant),
        ("leaks", a_request_with_another_tenants_words),
        ("leaks", a_log_line_with_words),
        ("leaks", an_error_that_on_call_reads),
        ("leaks", a_canary_that_nobody_saw),
        ("leaks", requests_that_nobody_read),
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


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_begins_with_one_of_each(seed: int) -> None:
    opening = plan(seed=seed, seconds=60)[: len(KINDS) + 2]
    assert {fault.kind for fault in opening} == set(KINDS)
    assert {fault.role for fault in opening if fault.kind == "cut"} == set(WORKS)


def test_a_spam_strikes_as_long_as_it_lasts() -> None:
    spam = strokes(Fault(2.0, "cancel", "leader", 10 * CANCEL_EVERY))
    assert len(spam) == 11
    assert spam[0] == 2.0
    assert strokes(Fault(2.0, "kill", "leader", 0.5)) == [2.0]


# -- absences ------------------------------------------------------------------------------------------------------

HOURS = [START - timedelta(hours=hour) for hour in (4, 3, 2, 1)]
TWO = absences.Case(TriggerSpec.every(3600), "fire_all", 2)
CAUGHT_UP = absences.Outcomes(HOURS[2:], [(HOURS[0], HOURS[1], 2, "misfire")])


def test_an_absence_that_was_caught_up_on_passes() -> None:
    assert absences.judge(TWO, HOURS, CAUGHT_UP, START) == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (absences.Outcomes(HOURS[2:], []), "0 outcomes"),
        (absences.Outcomes(HOURS[1:3], [(HOURS[0], HOURS[0], 1, "misfire")]), "0 outcomes"),
        (absences.Outcomes([*HOURS[2:], HOURS[3]], CAUGHT_UP.skips), "2 outcomes"),
        (absences.Outcomes(HOURS[1:], CAUGHT_UP.skips), "2 outcomes"),
        (absences.Outcomes([*HOURS[2:], START], CAUGHT_UP.skips), "an outcome of no due time"),
        (absences.Outcomes(HOURS[2:], [(HOURS[0], HOURS[1], 3, "misfire")]), "which are 2"),
        (absences.Outcomes(HOURS[2:], [(HOURS[0], HOURS[1], 2, "overlap")]), "skipped for overlap"),
        (absences.Outcomes(HOURS[:2], [(HOURS[2], HOURS[3], 2, "misfire")]), "the latest 2 should have"),
        (absences.Outcomes(HOURS[3:], [(HOURS[0], HOURS[2], 3, "misfire")]), "the latest 2 should have"),
        (absences.Outcomes(HOURS[1:], [(HOURS[0], HOURS[0], 1, "misfire")]), "the latest 2 should have"),
    ],
)
def test_each_flaw_of_catching_up_is_found(found: absences.Outcomes, words: str) -> None:
    assert any(words in wrong for wrong in absences.judge(TWO, HOURS, found, START))
