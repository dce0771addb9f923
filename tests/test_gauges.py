"""Each gauge is moved by what it is there for, and by the names that alerts know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.executions.counters import CounterFold
from apps.executions.models import Execution, TenantTotals
from apps.jobs.dispatch import Dispatcher
from apps.jobs.platforms.services import connection_delete, user_reconcile
from apps.leadership.models import LeaderTerm, RefusedWrite
from apps.operations.gauges import ERRORS, bounds, read_gauges
from apps.operations.services import reconcile
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Tenant
from scheduler_saas.metrics import OneReader
from tests.contract.rows import Records, lead, now
from tests.dispatching import leading, settle, stand
from tests.metrics import scraped
from tests.replicas import wait_for
from tests.test_platform_reconcile import connect, monitoring
from tests.test_totals_reconcile import _history_of_every_kind as history_of_every_kind

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def records(db: None, cast: Any) -> Records:
    return Records(cast.bob)


def gauge(name: str) -> float:
    gauges = read_gauges()
    assert gauges[ERRORS] == 0
    return gauges[name]


@pytest.mark.django_db
class TestTheScheduler:
    def test_terms_and_the_leaders_silence(self) -> None:
        assert gauge("scheduler_leaders") == gauge("scheduler_leader_heartbeat_age_seconds") == 0
        lead(heartbeat_age=timedelta(minutes=20))
        lead()
        newest = lead(heartbeat_age=timedelta(seconds=60))
        gauges = read_gauges()
        assert gauges["scheduler_terms_last_10m"] == 2
        assert gauges["scheduler_terms_total"] == newest.epoch
        assert gauges["scheduler_leaders"] == 0, "nobody trusts a silent one"
        assert 60 <= gauges["scheduler_leader_heartbeat_age_seconds"] < 70
        LeaderTerm.objects.filter(pk=newest.pk).update(ended_at=now())
        assert gauge("scheduler_leader_heartbeat_age_seconds") == 0

    def test_refused_writes(self) -> None:
        values = {"actor": "worker", "name": "w1", "what": "stale_lease"}
        RefusedWrite.objects.create(**values, count=3)
        RefusedWrite.objects.create(**values, count=4, at=now() - 2 * HOUR)
        assert gauge('scheduler_refused_writes_total{actor="worker",what="stale_lease"}') == 7
        assert gauge("scheduler_refused_writes_last_hour") == 3

    def test_what_is_due(self, acme: Any) -> None:
        with all_tenants_scope():
            for lane, ago in ((1, 2), (2, 600), (1, -600)):
                stand(acme, datetime.now(UTC) - timedelta(seconds=ago), lane=lane, name=f"of lane {lane}")
        gauges = read_gauges()
        assert (gauges["scheduler_due"], gauges["scheduler_due_late"]) == (2, 1)
        assert 600 <= gauges["scheduler_due_oldest_seconds"] < 610

    def test_tenants(self, acme: Any) -> None:
        active = gauge('scheduler_tenants{status="active"}')
        with all_tenants_scope():
            Tenant.objects.filter(pk=acme.pk).update(status=Tenant.Status.SUSPENDED)
        assert gauge('scheduler_tenants{status="active"}') == active - 1
        assert gauge('scheduler_tenants{status="suspended"}') == 1


class TestTheQueue:
    def test_its_depth_its_age_and_its_leases(self, records: Records) -> None:
        job = records.job()
        records.live(job, now() - 5 * MINUTE, leased=False)
        records.live(job, now() + HOUR, leased=False)
        held = records.live(job, now() - 9 * MINUTE)
        gauges = read_gauges()
        depths = {
            state: gauges[f'scheduler_queue_depth{{state="{state}"}}'] for state in ("pending", "leased")
        }
        assert depths == {"pending": 2, "leased": 1}
        assert 300 <= gauges["scheduler_queue_oldest_seconds"] < 310
        assert gauges["scheduler_leases_expired"] == 0
        with all_tenants_scope():
            Execution.objects.filter(pk=held.pk).update(lease_expires_at=now() - MINUTE)
        assert gauge("scheduler_leases_expired") == 1

    def test_what_waits_for_its_suspended_tenant_waits_for_no_worker(self, records: Records) -> None:
        job = records.job()
        records.live(job, now() - HOUR, leased=False)
        assert gauge("scheduler_queue_oldest_seconds") >= 3600
        with all_tenants_scope():
            Tenant.objects.filter(pk=job.tenant_id).update(status="suspended")
        gauges = read_gauges()
        assert gauges["scheduler_queue_oldest_seconds"] == 0
        assert gauges['scheduler_queue_depth{state="pending"}'] == 1

    def test_skips(self, records: Records) -> None:
        job = records.job()
        records.skip(job, now() - 3 * HOUR, now() - MINUTE, 36)
        records.skip(job, now() - 9 * HOUR, now() - 8 * HOUR, 12)
        records.skip(job, now() - 30 * MINUTE, now() - 30 * MINUTE, 1, reason="overlap")
        gauges = read_gauges()
        assert gauges['scheduler_skips_last_hour{reason="misfire"}'] == 36
        assert gauges['scheduler_skips_last_hour{reason="overlap"}'] == 1
        assert gauges['scheduler_skips_last_hour{reason="quota"}'] == 0
        assert gauges["scheduler_platform_skips_last_hour"] == 0, "it is no platform's job"

    def test_rows_without_a_partition(self, records: Records) -> None:
        assert gauge("scheduler_unplaced_rows") == 0
        records.finished(records.job(), datetime(2001, 1, 1, tzinfo=UTC))
        assert gauge("scheduler_unplaced_rows") == 2, "the log and its attempt"


class TestHistory:
    def test_ends_are_counted_and_drift_is_measured_in_cycles(self, live_db: str, cast: Any) -> None:
        records = Records(cast.bob)
        job = records.job()
        hour = now().replace(minute=0, second=0)
        for minute in range(3):
            records.finished(job, hour + minute * timedelta(seconds=1))
        records.finished(job, hour - timedelta(days=1))
        records.finished(job, hour + timedelta(seconds=9), error_text="it failed")
        assert gauge('scheduler_executions_total{status="success"}') == 0, "not folded yet"
        assert gauge("scheduler_stat_drift_cycles") == 0
        with leading() as (session, _):
            CounterFold().run_once(session)
        gauges = read_gauges()
        assert gauges['scheduler_executions_total{status="success"}'] == 4
        assert gauges['scheduler_executions_total{status="failed"}'] == 1
        assert gauges['scheduler_executions_last_hour{status="success"}'] == 3
        assert gauges['scheduler_executions_last_hour{status="failed"}'] == 1
        assert gauges["scheduler_stat_drift_cycles"] == 0
        with all_tenants_scope():
            totals = TenantTotals.objects.filter(tenant=cast.tenant)
            totals.update(tasks_executed=4 + 20)
            assert gauge("scheduler_stat_drift_cycles") == 20, "of one tick each: it had no cycles yet"

    def test_drift_of_each_total_is_seen_until_it_is_repaired(self, live_db: str, acme: Any) -> None:
        history_of_every_kind(acme)
        assert gauge("scheduler_stat_drift_cycles") == 0
        with all_tenants_scope():
            [totals] = TenantTotals.objects.filter(tenant=acme)
        cycle = totals.tasks_found / totals.check_cycles
        assert cycle > 1
        for column in ("tasks_executed", "tasks_failed", "tasks_found", "tasks_skipped"):
            with all_tenants_scope():
                TenantTotals.objects.filter(tenant=acme).update(**{column: getattr(totals, column) - 3})
            assert gauge("scheduler_stat_drift_cycles") == pytest.approx(3 / cycle, rel=0.5), column
            reconcile(
                kinds=["cumulative_stats"], tenant=None, dry_run=False, reason="it is off", actor="tests"
            )
            assert gauge("scheduler_stat_drift_cycles") == 0, column

    def test_a_schedule_that_cannot_be_planned(self, live_db: str, acme: Any) -> None:
        with leading() as (session, moment):
            stand(acme, moment - MINUTE, trigger_type="cron", cron_expression="no such thing")
            settle(Dispatcher(), session)
        assert gauge("scheduler_quarantined_jobs") == 1
        assert gauge("scheduler_due") == 0


class TestPlatforms:
    def test_one_without_its_job_and_a_repair_that_fails(self, db: None, acme: Any, plan: Any) -> None:
        connect(acme, "u-77")
        assert gauge("scheduler_platforms_without_job") == 1
        with all_tenants_scope():
            type(plan).objects.filter(pk=plan.pk).update(max_jobs=0)
        asked = {"tenant": None, "dry_run": False, "reason": "tests", "actor": "tests"}
        reconcile(kinds=["platform_jobs"], **asked)
        user_reconcile(tenant=acme, user_id="u-77", actor="tests")
        gauges = read_gauges()
        assert gauges["scheduler_reconcile_failures_last_hour"] == 2
        assert gauges["scheduler_platforms_without_job"] == 1
        with all_tenants_scope():
            type(plan).objects.filter(pk=plan.pk).update(max_jobs=plan.max_jobs)
        reconcile(kinds=["platform_jobs"], **asked)
        assert gauge("scheduler_platforms_without_job") == 0

    def test_one_that_is_passed_over_again_and_again(self, records: Records, acme: Any) -> None:
        name = "scheduler_platform_skips_last_hour"
        connect(acme, "u-77")
        user_reconcile(tenant=acme, user_id="u-77", actor="tests")
        for _ in range(3):
            user_reconcile(tenant=acme, user_id="u-77", actor="tests")
        assert gauge(name) == 0, "that its job is there is in order, however often somebody asks"
        for _ in range(2):
            connection_delete(tenant=acme, user_id="u-77", platform="gsc", actor="tests")
            connect(acme, "u-77")
            user_reconcile(tenant=acme, user_id="u-77", actor="tests")
        assert gauge(name) == 2, "found paused instead of running, twice"
        [job] = monitoring(acme)
        for minutes in (10, 20, 30):
            at = now() - minutes * MINUTE
            records.skip(job, at, at, 1)
        assert gauge(name) == 5


class TestTheServer:
    def test_sessions_and_the_oldest_transaction(self, live_db: str) -> None:
        before = read_gauges()
        assert before["scheduler_connections_max"] > before["scheduler_connections_used"] >= 1
        with machine.connect(application_name="tests") as one, machine.connect(application_name="tests"):
            one.execute("BEGIN")
            one.execute("SELECT 1")
            wait_for(
                lambda: gauge("scheduler_oldest_transaction_seconds") > 0.05, "the transaction has an age"
            )
            # All of the server's, where other tests come and go meanwhile.
            counted = "SELECT sum(numbackends) FROM pg_stat_database"
            wait_for(
                lambda: gauge("scheduler_connections_used") == one.execute(counted).fetchall()[0][0] >= 3,
                "sessions are counted",
            )
            one.execute("ROLLBACK")
        wait_for(lambda: gauge("scheduler_oldest_transaction_seconds") == 0, "nobody's transaction is open")

    def test_dead_rows(self, live_db: str) -> None:
        name = 'scheduler_dead_tuples{table="leadership_leaderterm"}'
        lead()
        with machine.connect(application_name="tests") as one:  # its statistics are told when it ends
            for _ in range(5):
                one.execute("UPDATE leadership_leaderterm SET heartbeat_at = clock_timestamp()")
        wait_for(lambda: gauge(name) > 0, "dead rows are known")


class TestWhatCannotBeRead:
    def test_hides_nothing_else(self, records: Records) -> None:
        records.live(records.job(), now() - MINUTE, leased=False)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE leadership_refusedwrite RENAME TO elsewhere")
        gauges = read_gauges()
        assert gauges[ERRORS] == 1
        assert not [name for name in gauges if "refused" in name]
        assert gauges['scheduler_queue_depth{state="pending"}'] == 1
        assert gauges['scheduler_tenants{status="active"}'] >= 1
        assert scraped()[ERRORS,] == 1

    def test_takes_no_longer_than_it_may(self, live_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounds, "STATEMENT_SECONDS", 0.2)
        with machine.connect(application_name="tests") as one:
            one.execute("BEGIN")
            one.execute("LOCK TABLE leadership_refusedwrite")
            gauges = read_gauges()
            one.execute("ROLLBACK")
        assert gauges[ERRORS] == 1
        assert "scheduler_due" in gauges
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)


def test_no_text_of_a_tenants_is_in_any_name(records: Records, acme: Any) -> None:
    job = records.job(name="Confidential job")
    records.live(job, now() - MINUTE, leased=False)
    records.skip(job, now() - MINUTE, now() - MINUTE, 1)
    connect(acme, "u-77")
    user_reconcile(tenant=acme, user_id="u-77", actor="tests")
    said = " ".join(" ".join(key) for key in scraped()) + " ".join(read_gauges())
    for text in ("acme", "Acme", "u-77", records.owner.user_id, "Confidential", "http_check", "gsc"):
        assert text not in said


@pytest.mark.same_on_every_postgres
def test_who_waited_takes_what_was_read_since_he_asked() -> None:
    times, texts = iter((10.0, 20.0, 30.0)), iter((b"first", b"second", b"third"))
    reader = OneReader(lambda: next(texts), clock=lambda: next(times))
    assert reader.read(asked=9.0) == b"first"
    assert reader.read(asked=10.0) == b"first"
    assert reader.read(asked=11.0) == b"second"
    assert reader.read(asked=19.0) == b"second"
    assert reader.read(asked=21.0) == b"third"
