"""How cycles are gathered into journal rows, and what the journal refuses. No database."""

from typing import Any

import pytest

from apps.leadership.cycle_journal import BUSY_SECONDS, QUIET_SECONDS, CycleJournal
from apps.leadership.journal import event_insert
from apps.leadership.steps import StepResult


class Paper:
    """A cursor that keeps what it was told to write: the text and the parameters are the whole of the effect."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def execute(self, sql: str, params: dict[str, Any]) -> None:
        self.rows.append(params)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_new_term_has_its_first_row_at_once_then_busy_ones_each_second() -> None:
    clock = Clock()
    journal = CycleJournal(epoch=7, check_interval=60, clock=clock)
    assert journal.due_in == 0
    journal.written()
    assert journal.due_in == QUIET_SECONDS
    journal.add({"dispatcher": StepResult({"found": 2})}, seconds=0.1)
    assert journal.due_in == BUSY_SECONDS
    clock.now += 0.25
    assert journal.due_in == BUSY_SECONDS - 0.25


def test_cycles_without_work_wait_for_the_minute() -> None:
    clock = Clock()
    journal = CycleJournal(epoch=7, check_interval=60, clock=clock)
    journal.written()
    journal.add({"dispatcher": StepResult({"found": 0})}, seconds=0.1)
    assert not journal.has_work
    clock.now += QUIET_SECONDS - 1
    assert journal.due_in == 1


def test_a_row_sums_the_cycles_since_the_last_and_numbers_them_through() -> None:
    journal = CycleJournal(epoch=7, check_interval=30, clock=Clock())
    paper = Paper()
    found = StepResult({"found": 2, "skipped": 1}, by_type={"report": 2})
    journal.add({"dispatcher": found, "fold": StepResult({"executed": 3, "failed": 1})}, seconds=0.25)
    journal.add({"dispatcher": StepResult({"found": 1}, by_type={"report": 1})}, seconds=0.5)
    journal.write(paper)
    journal.written()
    journal.add({"dispatcher": StepResult()}, seconds=0.125)
    journal.write(paper)
    first, second = paper.rows
    assert first["event_type"] == "check_cycle"
    assert (first["epoch"], first["tenant_id"], first["check_interval_minutes"]) == (7, None, 0.5)
    assert (first["tasks_found"], first["tasks_executed"], first["tasks_failed"]) == (3, 3, 1)
    assert first["tasks_by_type"].obj == {"report": 3}
    assert first["check_duration_seconds"] == 0.75
    assert first["event_data"].obj == {
        "cycles": 2,
        "tasks_skipped": 1,
        "steps": {"dispatcher": {"found": 3, "skipped": 1}, "fold": {"executed": 3, "failed": 1}},
    }
    assert (first["check_cycle_number"], second["check_cycle_number"]) == (2, 3)
    assert second["event_data"].obj == {"cycles": 1, "tasks_skipped": 0, "steps": {}}


def test_the_journal_refuses_types_and_columns_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="job_vanished"):
        event_insert(Paper(), event_type="job_vanished")
    with pytest.raises(TypeError, match="colour"):
        event_insert(Paper(), event_type="start", colour="red")  # type: ignore[call-arg]
