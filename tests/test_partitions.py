"""Partitions come and go under workers at full work and beside a reader that stays for long, and none of them waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.db import connection
from django.test import Client

from apps.executions import queue
from apps.executions.models import Attempt, ExecutionLog, ExecutionOutput
from apps.executions.partitions import PartitionKeeper
from apps.leadership.models import SchedulerEvent
from apps.leadership.session import LeaderSession
from apps.operations.selectors import overview
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import User
from tests.leaders import UNHURRIED
from tests.ledgers import finished, fold, midnight, old_days, partitions_of, retain
from tests.replicas import wait_for
from tests.workers import end_of, execution, put

LONGEST_WAIT = 0.4  # seconds; what a completion takes on a busy machine, and 30 ms of waiting


@pytest.fixture
def leader(live_db: str) -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="tests", timings=UNHURRIED)
    yield session
    session.close(reason="test over")


class Writer:
    """A worker's completions, one after the other; `longest` is the longest that one took, in seconds."""

    def __init__(self, tenant: Any) -> None:
        self.longest, self.completed, self.error = 0.0, 0, ""
        self._tenant = tenant
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert not self.error, self.error

    def _run(self) -> None:
        try:
            with machine.connect(
                application_name="tests, writer", session_settings=queue.PINNED_PLANS
            ) as session:
                while not self._stop.is_set():
                    put(session, self._tenant, *[execution(self._tenant) for _ in range(5)])
                    with session.cursor() as cursor:
                        self._complete(cursor)
        except Exception as error:
            self.error = repr(error)
        finally:
            connection.close()

    def _complete(self, cursor: Any) -> None:
        claimed = queue.claim(worker="w", limit=5, lease_seconds=60).on(cursor)
        for row in claimed:
            end = end_of(row)
            started = time.monotonic()
            assert queue.complete([end]).on(cursor).completed == 1
            self.longest = max(self.longest, time.monotonic() - started)
            self.completed += 1


@contextmanager
def reading(query: str) -> Iterator[None]:
    """A reader of the whole ledger that does not come to an end."""
    with machine.connect(application_name="tests, reader") as session, session.transaction():
        session.execute(query)
        yield


@pytest.mark.parametrize(
    "read",
    [
        "executionlog",  # and with it all its partitions
        # A constant, by which partitions are skipped before they are locked: the table, and not the old day.
        *(
            f"{table} WHERE scheduled_for >= '{midnight(0)}'"
            for table in ("executionlog", "executionoutput", "attempt")
        ),
    ],
)
def test_no_completion_waits_for_a_drop_that_a_long_reader_holds_up(
    leader: LeaderSession, acme: Any, read: str
) -> None:
    with old_days(35, 36), Writer(acme) as writer:
        finished(acme, 35, 50)
        finished(acme, 36, 50)
        fold(leader)
        wait_for(lambda: writer.completed > 5, "the writer is at work")
        blocked = 0
        with reading(f"SELECT count(*) FROM executions_{read}"):
            for _ in range(5):
                before = writer.completed
                blocked += retain(leader)["retention_blocked"]
                wait_for(lambda before=before: writer.completed > before, "it goes on")  # type: ignore[misc]
        assert blocked
        assert partitions_of(35) | partitions_of(36)
        wait_for(lambda: retain(leader)["partitions_dropped"] or not partitions_of(35, 36), "all dropped")
        wait_for(lambda: not (retain(leader) and partitions_of(35, 36)), "all dropped")
        assert partitions_of(35, 36) == set()
    assert writer.longest < LONGEST_WAIT


def test_rows_go_while_a_reader_of_the_table_keeps_the_partition(leader: LeaderSession, acme: Any) -> None:
    """One that reads today alone has the table, and not the old day's partition."""
    with old_days(35):
        finished(acme, 35, 4)
        fold(leader)
        today = f"SELECT 1 FROM executions_executionlog WHERE scheduled_for >= '{midnight(0)}'"
        with reading(today):
            counts = retain(leader)
            assert counts["executions_retired"] == 4
            assert counts["retention_blocked"] == 1
            with all_tenants_scope():
                assert ExecutionLog.objects.count() == 0
            assert len(partitions_of(35)) == 3
        assert retain(leader)["partitions_dropped"] == 3


def test_partitions_are_made_while_workers_complete(leader: LeaderSession, acme: Any) -> None:
    ahead = [f"{midnight(-days):%Y%m%d}" for days in (5, 6, 7)]
    with connection.cursor() as cursor:
        for day in ahead:
            for table in ("attempt", "executionlog", "executionoutput"):
                cursor.execute(f"DROP TABLE IF EXISTS executions_{table}_{day}")
    with Writer(acme) as writer:
        wait_for(lambda: writer.completed > 5, "the writer is at work")
        with reading(
            "SELECT 1 FROM executions_executionlog WHERE scheduled_for >= now() - interval '1 hour'"
        ):
            # A reader that has not the default partition is in nobody's way.
            before = writer.completed
            PartitionKeeper().run_once(leader)
            wait_for(lambda: writer.completed > before, "it goes on")
        wait_for(lambda: PartitionKeeper().run_once(leader).counts == {"partitions_made": 0}, "all are made")
    assert writer.longest < LONGEST_WAIT
    assert len(partitions_of(-5, -6, -7)) == 9


def test_a_month_of_imports_is_dropped_when_its_last_day_is_old(leader: LeaderSession, acme: Any) -> None:
    at = midnight(200)
    name = f"executions_executionlog_{at:%Y%m}"
    with old_days(), connection.cursor() as cursor:
        for table in ("executions_attempt", "executions_executionlog", "executions_executionoutput"):
            cursor.execute("SELECT executions_create_history_partitions(%s, %s)", [table, [at.date()]])
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        assert cursor.fetchone() == (True,)
        finished(acme, 200, 3)
        fold(leader)
        assert retain(leader)["partitions_dropped"] == 3
        cursor.execute("SELECT to_regclass(%s) IS NULL", [name])
        assert cursor.fetchone() == (True,)


# -- the default partition ---------------------------------------------------------------------------------------------


def _check() -> list[str]:
    try:
        return [message.id or "" for message in run_checks(tags=[Tags.database], databases=["default"])]
    finally:
        connection.close()


def test_rows_of_next_year_are_told_of_everywhere(
    leader: LeaderSession, acme: Any, caplog: pytest.LogCaptureFixture, client: Client
) -> None:
    assert "scheduler.W001" not in _check()
    finished(acme, -365, 3)
    keeper = PartitionKeeper()
    with caplog.at_level(logging.WARNING):
        counts = keeper.run_once(leader).counts
        keeper.run_once(leader)
    assert counts["rows_in_default"] == 6  # of the ledger and of attempts
    said = [record.message for record in caplog.records if "default partition" in record.message]
    assert len(said) == 1
    assert f"3 of {midnight(-365):%Y-%m-%d} in executions_executionlog_default" in said[0]
    with all_tenants_scope():
        event = SchedulerEvent.objects.get(error_message__contains="default partition")
        assert (event.tenant_id, event.epoch) == (None, leader.epoch)
        assert sum(each.rows for each in overview().unplaced) == 6
    assert "scheduler.W001" in _check()
    client.force_login(User.objects.create_superuser("oncall", password="x"))
    page = client.get("/admin/", headers={"host": "localhost"})
    assert "executions_executionlog_default" in page.content.decode()


def test_a_day_whose_rows_are_in_the_default_partition_gets_its_own(
    leader: LeaderSession, acme: Any, bravo: Any
) -> None:
    tomorrow = f"{midnight(-1):%Y%m%d}"
    with connection.cursor() as cursor:
        for table in ("attempt", "executionlog", "executionoutput"):
            cursor.execute(f"DROP TABLE IF EXISTS executions_{table}_{tomorrow}")
    rows = finished(acme, -1, 3) + finished(bravo, -1, 2)
    assert partitions_of(-1) == set()
    counts = PartitionKeeper().run_once(leader).counts
    assert counts["rows_moved"] == 15
    assert "rows_in_default" not in counts
    assert len(partitions_of(-1)) == 3
    for tenant, n in ((acme, 3), (bravo, 2)):
        with tenant_scope(tenant):
            for model in (ExecutionLog, ExecutionOutput, Attempt):
                assert model.objects.count() == n
            assert ExecutionOutput.objects.first().result == {"said": "yes"}  # type: ignore[union-attr]
            assert ExecutionLog.objects.filter(pk=rows[0].pk).exists() is (tenant is acme)
    # Whatever was opened for the move is shut again.
    assert not [id_ for id_ in _check() if id_.startswith(("scheduler.E", "scheduler.W"))]
    assert leader.connection.execute(
        "SELECT count(*) FROM executions_executionoutput_default"
    ).fetchone() == (0,)
    assert leader.connection.execute(
        f"SELECT count(*) FROM executions_executionlog_{tomorrow}"
    ).fetchone() == (0,)


def test_a_day_of_too_many_rows_is_left_to_an_operator(
    leader: LeaderSession, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.executions.partitions.MOST_MOVED", 2)
    tomorrow = f"{midnight(-1):%Y%m%d}"
    with connection.cursor() as cursor:
        for table in ("attempt", "executionlog", "executionoutput"):
            cursor.execute(f"DROP TABLE IF EXISTS executions_{table}_{tomorrow}")
    finished(acme, -1, 3)
    assert PartitionKeeper().run_once(leader).counts["rows_in_default"] == 6
    assert not [id_ for id_ in _check() if id_.startswith("scheduler.E")]
    with all_tenants_scope():
        assert ExecutionLog.objects.count() == 3
    monkeypatch.setattr("apps.executions.partitions.MOST_MOVED", 3)
    assert PartitionKeeper().run_once(leader).counts["rows_moved"] == 9


def test_a_late_completion_of_a_day_that_was_dropped_goes_too(leader: LeaderSession, acme: Any) -> None:
    finished(acme, 60, 2)
    fold(leader)
    assert retain(leader)["executions_retired"] == 2
    with all_tenants_scope():
        assert ExecutionLog.objects.count() == 0
