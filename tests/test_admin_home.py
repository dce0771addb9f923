"""The first page of the operators' admin, the tenants' list and the terms' timeline: what they say, and of what."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.executions.models import Counter, Execution, Skip, Usage
from apps.jobs.models import Cursor, Job
from apps.leadership.locks import CLASS, Lock
from apps.leadership.models import LeaderTerm
from apps.leadership.report import Report, TermLine
from apps.leadership.session import SESSION_NAME
from apps.leadership.timeline import timeline
from apps.operations.health import Level
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Plan, Tenant
from tests.admin_rows import page

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


def reasons(browser: Client) -> tuple[Level, str]:
    verdict = browser.get("/admin/").context["verdict"]
    return verdict.level, " ".join(reason.sentence for reason in verdict.reasons)


@pytest.fixture
def led(rows: Any) -> Any:
    """This session holds the lock, and an open term says so; another one stands by."""
    LeaderTerm.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s, %s), pg_backend_pid()", [CLASS, int(Lock.LEADER)]
        )
        taken, pid = cursor.fetchone()
    assert taken
    LeaderTerm.objects.create(
        term_id=uuid.uuid4(), replica="first", host="h", process_id=1, backend_pid=pid, started_at=NOW
    )
    with machine.connect(application_name=f"{SESSION_NAME}second") as standby:
        yield standby


def test_all_is_well(browser: Client, led: Any) -> None:
    home = browser.get("/admin/")
    assert home.context["verdict"].level is Level.HEALTHY
    shown = home.content.decode()
    assert "Healthy: one leads, nothing is late, and the queue moves" in shown
    assert "Standing by: second" in shown
    assert "epoch" in shown


def test_nobody_leads(browser: Client) -> None:
    level, said = reasons(browser)
    assert level is Level.UNHEALTHY
    assert said.startswith("Nobody leads; no replica stands by. Nothing is dispatched meanwhile.")


def test_each_trouble_is_a_reason_the_worst_first(browser: Client, led: Any, rows: Any, acme: Any) -> None:
    now = datetime.now(UTC)
    with all_tenants_scope():
        Cursor.objects.filter(job=rows["acme"][Job]).update(
            next_run_at=now - timedelta(minutes=3, seconds=10)
        )
        Cursor.objects.filter(job=rows["bravo"][Job]).update(
            quarantined_at=now, quarantine_reason="no such zone"
        )
        Execution.objects.filter(tenant=acme).update(
            state="pending", lease_token=None, worker=None, run_at=now - timedelta(minutes=5, seconds=10)
        )
        Execution.objects.exclude(tenant=acme).update(lease_expires_at=now - timedelta(seconds=5))
        Counter.objects.filter(tenant=acme).update(n=20)
    level, said = reasons(browser)
    assert level is Level.UNHEALTHY
    for sentence in (
        "1 job is late, the first of them by 3 min 1",
        "1 execution waits for a worker, the first of them for 5 min 1",
        "27 of the last 27 executions failed.",
        "1 job is quarantined: the schedule cannot be worked out.",
        "1 lease has expired: workers are lost, or silent.",
    ):
        assert sentence in said
    assert said.index("late") < said.index("quarantined")
    shown = browser.get("/admin/").content.decode()
    assert "no such zone" in shown, "which jobs fail, and why"
    assert rows["acme"][Job].name in shown


def test_the_charts_and_their_table_say_the_same(browser: Client, acme: Any, bravo: Any, rows: Any) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with all_tenants_scope():
        Counter.objects.all().delete()
        Skip.objects.all().delete()
        for tenant, status, hours, n in (
            (acme, "success", 0, 5),
            (bravo, "success", 0, 6),
            (acme, "failed", 23, 2),
            (acme, "failed", 24, 100),  # too long ago
        ):
            Counter.objects.create(
                tenant=tenant,
                user_key="",
                task_type="t",
                status=status,
                hour=hour - timedelta(hours=hours),
                n=n,
            )
        job = rows["acme"][Job]
        for number, reason in enumerate(("overlap", "overlap", "quota")):
            at = hour - timedelta(hours=2, minutes=-number)
            Skip.objects.create(
                tenant=acme, job_id=job.id, first=at, last=at, count=3, reason=reason, created_at=at
            )
    home = browser.get("/admin/")
    data = home.context["charts"]
    assert len(data["hours"]) == 24
    assert (data["succeeded"][-1], data["failed"][0], sum(data["failed"])) == (11, 2, 2)
    assert (data["skipped"]["overlap"][-3], data["skipped"]["quota"][-3]) == (6, 3)
    table = home.context["day_table"]["rows"]
    assert table[0][1:4] == ["11", "0", "0"]
    assert table[2][3:] == ["9", "overlap 6, quota 3"]
    script = re.search(
        r'<script id="overview-data" type="application/json">(.*?)</script>', home.content.decode()
    )
    assert script is not None
    assert json.loads(script[1]) == data


def test_tenants_are_listed_with_what_they_use_in_one_query_more(
    browser: Client, acme: Any, rows: Any, plan: Any
) -> None:
    with all_tenants_scope():
        limited = Plan.objects.create(name="limited", max_jobs=4, max_concurrency=2, executions_per_day=10)
        Tenant.objects.filter(pk=acme.pk).update(plan=limited)
        day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for by, n in (("schedule", 3), ("request", 4)):
            Usage.objects.create(tenant=acme, period="day", begins=day, by=by, n=n)
        Cursor.objects.filter(job=rows["acme"][Job]).update(consecutive_failures=3)
    listed = browser.get(page(Tenant))
    by_name = {tenant.schema_name: tenant for tenant in listed.context["cl"].result_list}
    assert by_name["acme"].use == (1, 1, 7, 7, 1)
    assert by_name["bravo"].use[:3] == (1, 1, 0)
    shown = listed.content.decode()
    for text in ("1 of 4<", "1 of 2<", "7 of 10<", "1 of 20,000<"):
        assert text in shown

    with CaptureQueriesContext(connection) as before:
        browser.get(page(Tenant))
    with all_tenants_scope():
        for number in range(20):
            Tenant(schema_name=f"more{number}", name="More", plan=plan).save()
    with CaptureQueriesContext(connection) as after:
        browser.get(page(Tenant))
    assert len(after) == len(before)


# -- terms -------------------------------------------------------------------------------------------------------------


def term(
    epoch: int, replica: str, start: float, end: float | None, why: str = "", silent: float = 0.1
) -> TermLine:
    """Hours before NOW."""
    started = NOW - timedelta(hours=start)
    ended = None if end is None else NOW - timedelta(hours=end)
    lasted = ((ended or NOW) - started).total_seconds()
    return TermLine(epoch, replica, "h", 1, epoch, started, ended, why, "", silent, lasted)


def test_the_timeline_has_a_lane_for_each_replica() -> None:
    terms = [
        term(4, "a", 6, None),
        term(3, "b", 12, 6, "evicted by a: no heartbeat for 5.2 s", silent=6 * 3600 + 36),
        term(2, "a", 18, 12, "stepped down: deploy"),
        term(1, "b", 30, 18, "stopped"),
    ]
    seen = timeline(Report(terms, holders=[4]), now=NOW)
    assert [(lane.replica, lane.share) for lane in seen["lanes"]] == [("a", 50.0), ("b", 50.0)]
    ours, theirs = (lane.bars for lane in seen["lanes"])
    assert [(bar.left, bar.width, bar.how) for bar in ours] == [
        ("75.000%", "25.000%", "open"),
        ("25.000%", "25.000%", "ended"),
    ]
    assert [(bar.left, bar.width, bar.how) for bar in theirs] == [
        ("50.000%", "25.000%", "lost"),
        ("0.000%", "25.000%", "ended"),
    ]
    told = seen["takeovers"]["rows"]
    assert [row[5] for row in told] == [
        "leads now",
        "evicted by a: no heartbeat for 5.2 s",
        "stepped down: deploy",
        "stopped",
    ]
    assert [row[6] for row in told] == ["36.0 s", "0.0 s", "0.0 s", ""], (
        "a lost one led until its last heartbeat"
    )


def test_an_open_term_with_nobody_behind_it_does_not_lead() -> None:
    seen = timeline(Report([term(1, "a", 12, None, silent=6 * 3600)], holders=[]), now=NOW)
    (bar,) = seen["lanes"][0].bars
    assert (bar.left, bar.width, bar.how) == ("50.000%", "25.000%", "lost")
    assert seen["takeovers"]["rows"][0][5] == "open, but silent"


def test_the_terms_page_shows_it_above_the_list(browser: Client, rows: Any) -> None:
    shown = browser.get(page(LeaderTerm))
    assert {lane.replica for lane in shown.context["timeline"]["lanes"]} == {"replica-acme", "replica-bravo"}
    assert "Who led in the last 24 hours" in shown.content.decode()


def test_a_suspended_tenants_waiting_work_troubles_nobody(
    browser: Client, led: Any, rows: Any, acme: Any, bravo: Any
) -> None:
    with all_tenants_scope():
        Execution.objects.filter(tenant=bravo).delete()
        Execution.objects.filter(tenant=acme).update(
            state="pending", lease_token=None, worker=None, run_at=datetime.now(UTC) - timedelta(hours=1)
        )
    assert "waits for a worker" in reasons(browser)[1]
    with all_tenants_scope():
        Tenant.objects.filter(pk=acme.pk).update(status="suspended")
    assert "waits for a worker" not in reasons(browser)[1]
    assert browser.get("/admin/").context["counts"]["later"] == "1"
