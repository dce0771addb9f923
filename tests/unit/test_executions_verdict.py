"""What an attempt leads to, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.executions import verdict
from apps.executions.queue import Claimed
from apps.executions.targets.context import TargetResult

pytestmark = pytest.mark.same_on_every_postgres

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
FAILED = TargetResult("failed", error="it raised ValueError", detail="Traceback: a customer's words")


def claimed(**fields: Any) -> Claimed:
    row = Claimed(
        id=7,
        token="t",
        tenant_id=1,
        job_id=2,
        job_name="a job",
        user_id=None,
        legacy_user_id=None,
        kind="scheduled",
        scheduled_for=MOMENT,
        run_at=MOMENT,
        target="tests.noop",
        epoch=1,
        priority=0,
        content_version=1,
        timeout_seconds=5,
        max_attempts=3,
        retry_delay_seconds=10,
        retry_max_delay_seconds=60,
        attempt=1,
        lost=0,
        released=0,
        leased_at=0.0,
    )
    return row._replace(**fields)


@pytest.mark.parametrize(
    ("attempt", "delay"),
    [(1, 10.0), (2, 20.0), (3, 40.0), (4, 60.0), (40, 60.0)],
    ids=lambda value: str(value),
)
def test_delay_doubles_up_to_its_limit_and_is_spread_over_its_latter_half(attempt: int, delay: float) -> None:
    row = claimed(attempt=attempt, max_attempts=100)
    assert [verdict.delay_before_retry(row, FAILED, spread=spread) for spread in (0.0, 0.5, 1.0)] == [
        pytest.approx(delay / 2),
        pytest.approx(delay * 0.75),
        pytest.approx(delay),
    ]


def test_receiver_may_ask_for_longer_but_not_for_sooner() -> None:
    later = TargetResult("failed", error="the server answered 503", retry_after=120.0)
    sooner = TargetResult("failed", error="the server answered 503", retry_after=1.0)
    assert verdict.delay_before_retry(claimed(), later, spread=0.0) == 120.0
    assert verdict.delay_before_retry(claimed(), sooner, spread=1.0) == pytest.approx(10.0)


def test_those_who_were_asked_to_wait_equally_long_do_not_come_back_together() -> None:
    asked = TargetResult("failed", error="the server answered 429", retry_after=120.0)
    delays = {verdict.delay_before_retry(claimed(), asked, spread=n / 10) for n in range(10)}
    assert len(delays) == 10
    assert all(delay is not None and 120.0 <= delay < 125.0 for delay in delays)


def test_what_is_asked_may_be_longer_than_the_jobs_own_limit() -> None:
    asked = TargetResult("failed", error="the server answered 503", retry_after=3600.0)
    row = claimed(retry_delay_seconds=0, retry_max_delay_seconds=0)
    assert verdict.delay_before_retry(row, asked, spread=0.9) == 3600.0


def test_last_attempt_success_and_permanent_failure_are_not_tried_again() -> None:
    assert verdict.delay_before_retry(claimed(attempt=3), FAILED, spread=0.5) is None
    assert verdict.delay_before_retry(claimed(), TargetResult("ok"), spread=0.5) is None
    gone = TargetResult("failed", error="the server answered 410", permanent=True)
    assert verdict.delay_before_retry(claimed(), gone, spread=0.5) is None


def test_lost_worker_uses_up_no_attempt() -> None:
    assert verdict.delay_before_retry(claimed(attempt=3, lost=2), FAILED, spread=1.0) == pytest.approx(10.0)
    assert verdict.delay_before_retry(claimed(attempt=5, lost=2), FAILED, spread=0.5) is None


def test_run_that_its_worker_was_stopped_in_uses_up_no_attempt() -> None:
    row = claimed(attempt=5, lost=2, released=2)
    assert verdict.delay_before_retry(row, FAILED, spread=1.0) == pytest.approx(10.0)
    assert verdict.delay_before_retry(row._replace(max_attempts=1), FAILED, spread=0.5) is None


def test_ledger_has_our_sentence_and_output_the_customers_words() -> None:
    end = verdict.end(claimed(), FAILED, started=1.0, finished=2.0)
    assert end.error_message == "it raised ValueError"
    assert end.error_text == "Traceback: a customer's words"
    assert end.outcome == "failed"


def test_only_a_failure_can_say_that_the_endpoint_is_gone() -> None:
    def ends(result: TargetResult) -> bool:
        return verdict.end(claimed(), result, started=1.0, finished=2.0).gone

    assert ends(TargetResult("failed", permanent=True, gone=True))
    assert not ends(TargetResult("failed", permanent=True))
    assert not ends(TargetResult("ok", gone=True))


def test_timeout_is_told_apart_from_failure() -> None:
    slow = TargetResult("failed", error="timed out after 5 s", timed_out=True)
    assert verdict.end(claimed(), slow, started=1.0, finished=2.0).outcome == "timeout"
    attempt = verdict.failed_attempt(claimed(), slow, started=1.0, finished=2.0, delay=3.0)
    assert (attempt["outcome"], attempt["delay"]) == ("timeout", 3.0)


def test_success_has_no_message() -> None:
    end = verdict.end(claimed(), TargetResult("ok", {"n": 1}), started=1.0, finished=2.0)
    assert (end.outcome, end.error_message, end.error_text, end.result) == ("success", "", "", '{"n": 1}')
