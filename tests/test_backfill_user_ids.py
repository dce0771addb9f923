"""Filling the empty user id: whose rows they are never changes, nobody waits, and it may die at any moment."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.executions.models import ExecutionLog
from apps.executions.sql import statement
from apps.executions.user_id_report import user_id_report
from apps.jobs.models import PLATFORM_CATEGORY, Job
from apps.leadership.models import SchedulerEvent
from apps.operations.reconcilers import user_ids as reconciler
from apps.operations.user_ids.backfill import user_ids_backfill
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.identity import user_rows
from apps.tenants.models import AuditEntry, UserIdentity
from apps.vault.models import Connection
from tests.contract.client import MemberClient
from tests.contract.records import count_finished
from tests.drift import run as reconcile
from tests.legacy import AT, ledger_row
from tests.replicas import running_command, wait_for

LOGS = "execution logs"


def put(tenant: Any, *ids: tuple[str | None, int | None], **columns: Any) -> list[int]:
    """Rows of the ledger with such ids, and what counts them."""
    rows = [
        ledger_row(tenant, text, number, scheduled_for=AT + timedelta(hours=n), **columns)
        for n, (text, number) in enumerate(ids)
    ]
    with all_tenants_scope():
        ExecutionLog.objects.bulk_create(rows)
        count_finished(rows)
    return [row.pk for row in rows]


def identity(tenant: Any, legacy_user_id: int, user_id: str) -> UserIdentity:
    with all_tenants_scope():
        return UserIdentity.objects.create(tenant=tenant, legacy_user_id=legacy_user_id, user_id=user_id)


def ids_of(tenant: Any, pks: list[int]) -> list[tuple[str | None, int | None]]:
    with all_tenants_scope():
        rows = ExecutionLog.objects.filter(tenant=tenant, pk__in=pks).order_by("pk")
        return [(row.user_id, row.legacy_user_id) for row in rows]


def backfill(tenant: Any, **options: Any) -> Any:
    return user_ids_backfill(tenant=tenant, actor="tests", **options)


def command(name: str, *args: str) -> str:
    out = StringIO()
    call_command(name, *args, stdout=out)
    return out.getvalue()


MIXED = [
    (None, 7),
    ("alice", None),
    ("alice", 7),
    ("7", None),
    (None, 8),
    ("8", None),
    ("bob", 7),
    (None, None),
    ("007", None),
    ("bob", None),
]
FILLED = [
    ("alice", 7),
    ("alice", 7),
    ("alice", 7),
    ("7", 7),
    (None, 8),
    ("8", None),
    ("bob", 7),
    (None, None),
    ("007", None),
    ("bob", None),
]


@pytest.mark.django_db
class TestWhatIsFilled:
    @pytest.mark.parametrize("batch", [1, 2, 1000])
    def test_only_what_is_empty_and_mapped(self, acme: Any, bravo: Any, batch: int) -> None:
        identity(acme, 7, "alice")
        rows = put(acme, *MIXED)
        failed = put(acme, (None, 7), status="failed")
        theirs = put(bravo, (None, 7), ("alice", None))
        report = backfill(acme, batch=batch)
        assert ids_of(acme, rows) == FILLED
        assert ids_of(acme, failed) == [("alice", 7)]
        assert ids_of(bravo, theirs) == [(None, 7), ("alice", None)]
        assert report.payload["tables"][LOGS] == {
            "strings": 2,
            "integers": 2,
            "conflicts": 0,
            "left": 0,
            "unresolved": 1,
        }

    def test_a_pass_goes_on_until_nothing_is_left(self, acme: Any) -> None:
        identity(acme, 7, "alice")
        identity(acme, 9, "carol")
        rows = put(acme, *[(None, 7), ("carol", None)] * 60)
        counts = backfill(acme, batch=7).tables[LOGS]
        assert (counts.strings, counts.integers, counts.left) == (60, 60, 0)
        assert set(ids_of(acme, rows)) == {("alice", 7), ("carol", 9)}

    def test_the_same_integer_is_another_person_in_another_tenant(self, acme: Any, bravo: Any) -> None:
        identity(acme, 7, "alice")
        identity(bravo, 7, "boris")
        ours, theirs = put(acme, (None, 7)), put(bravo, (None, 7))
        command("backfill_user_ids")
        assert ids_of(acme, ours) == [("alice", 7)]
        assert ids_of(bravo, theirs) == [("boris", 7)]

    def test_a_string_that_reads_as_a_number_means_the_user_of_that_number(self, acme: Any) -> None:
        identity(acme, 7, "8")
        identity(acme, 9, "alice")
        rows = put(acme, ("8", None), ("7", None), (None, 7), (None, 8), ("9", None))
        backfill(acme)
        assert ids_of(acme, rows) == [("8", None), ("7", 7), ("8", 7), (None, 8), ("9", 9)]

    def test_a_mapping_that_comes_later(self, acme: Any) -> None:
        rows = put(acme, (None, 8), ("8", None))
        assert backfill(acme).tables[LOGS].unresolved == 1
        identity(acme, 8, "carol")
        assert backfill(acme).tables[LOGS].unresolved == 0
        assert ids_of(acme, rows) == [("carol", 8), ("8", 8)]

    def test_every_table_with_both_columns(self, acme: Any) -> None:
        identity(acme, 7, "alice")
        with tenant_scope(acme):
            for text, number in ((None, 7), ("alice", None)):
                Job.objects.create(
                    tenant=acme, name="j", user_id=text, legacy_user_id=number, target="t", task_type="t"
                )
                SchedulerEvent.objects.create(
                    tenant=acme, event_type="job_failed", user_id=text, legacy_user_id=number
                )
                Connection.objects.create(
                    user_id=text, legacy_user_id=number, platform="gsc" if text else "bing"
                )
            report = backfill(acme)
            for model in (Job, SchedulerEvent, Connection):
                assert list(model.objects.values_list("user_id", "legacy_user_id")) == [("alice", 7)] * 2
            assert not Job.objects.exclude(version=1).exists()
        assert [(counts.strings, counts.integers) for counts in report.tables.values()] == [
            (0, 0),
            (1, 1),
            (1, 1),
            (1, 1),
        ]

    def test_two_rows_of_which_one_may_stay_are_left_to_a_person(self, acme: Any) -> None:
        """The old platform job knows the integer, the new one the string: they are one user's."""
        identity(acme, 7, "alice")
        with tenant_scope(acme):
            for text, number, platform in ((None, 7, "gsc"), ("alice", 7, "gsc"), (None, 7, "bing")):
                Job.objects.create(
                    tenant=acme,
                    name=platform,
                    user_id=text,
                    legacy_user_id=number,
                    target="t",
                    task_type="t",
                    task_category=PLATFORM_CATEGORY,
                    platform=platform,
                )
            counts = backfill(acme).tables["jobs"]
            assert (counts.strings, counts.conflicts, counts.left) == (1, 1, 1)
            found = set(Job.objects.values_list("name", "user_id"))
        assert found == {("gsc", None), ("gsc", "alice"), ("bing", "alice")}

    def test_a_dry_run_counts_and_a_real_one_is_audited(self, acme: Any) -> None:
        identity(acme, 7, "alice")
        rows = put(acme, *MIXED)
        dry = json.loads(command("backfill_user_ids", "--tenant", "acme", "--dry-run", "--json"))
        assert dry["tables"][LOGS]["left"] == 3
        assert ids_of(acme, rows) == MIXED
        with all_tenants_scope():
            audited = AuditEntry.objects.filter(action__startswith="user_ids.backfill", tenant=acme)
            assert not audited.exists()
            command("backfill_user_ids", "--tenant", "acme", "--actor", "olga")
            assert [(entry.action, entry.actor) for entry in audited.order_by("id")] == [
                ("user_ids.backfill_begin", "olga"),
                ("user_ids.backfill_finish", "olga"),
            ]
            command("backfill_user_ids", "--tenant", "acme")
            assert audited.count() == 2  # there was nothing to do

    def test_arguments_that_mean_nothing(self, acme: Any) -> None:
        for wrong in (["--batch", "0"], ["--pause", "-1"], ["--tenant", "nobody"]):
            with pytest.raises(CommandError):
                command("backfill_user_ids", *wrong)

    def test_totals_by_user_are_exact_before_during_and_after(self, acme: Any, cast: Any) -> None:
        identity(acme, 7, "bert")
        put(acme, *[(None, 7), ("bert", None), ("7", None), ("bert", 7)] * 5, ("eve", 7), (None, 8))
        client = MemberClient(cast.alice)

        def totals(*_: Any) -> None:
            with tenant_scope(acme):  # restored behind the requests, which end outside every tenant
                for user, count in (("bert", 20), ("7", 20), ("eve", 1), ("8", 1)):
                    page = client.ok("execution-logs", user_id=user)
                    assert (page["total_count"], len(page["logs"])) == (count, count), user
                seen.append(client.ok("execution-logs", user_id="bert")["logs"])

        seen: list[Any] = []
        totals()
        backfill(acme, batch=3, progress=totals)
        totals()
        assert len(seen) > 4
        assert all(logs == seen[0] for logs in seen)
        assert {log["user_id"] for log in seen[0]} == {"bert"}


@pytest.mark.django_db
class TestReport:
    def test_it_agrees_with_plain_counting(self, acme: Any, bravo: Any) -> None:
        identity(acme, 7, "alice")
        put(acme, *MIXED)
        put(bravo, (None, 7), (None, 7), ("alice", None))
        with all_tenants_scope():
            rows = list(ExecutionLog.objects.values_list("tenant_id", "user_id", "legacy_user_id"))
        mapped = {(acme.pk, 7)}
        for row in user_id_report(tenant=None):
            tenant_id = {"acme": acme.pk, "bravo": bravo.pk}[row.tenant]
            mine = [(text, number) for owner, text, number in rows if owner == tenant_id]
            alone = [number for text, number in mine if text is None and number is not None]
            assert row[1:] == (
                len(mine),
                sum(text is not None for text, _ in mine),
                len(alone),
                sum(None not in pair for pair in mine),
                sum((tenant_id, number) not in mapped for number in alone),
            )
        assert user_id_report(tenant=acme) == [("acme", 10, 7, 2, 2, 1)]

    def test_the_command(self, acme: Any, bravo: Any) -> None:
        identity(acme, 7, "alice")
        put(acme, *MIXED)
        put(bravo, (None, 7))
        text = command("user_id_backfill_report")
        assert [line.split() for line in text.splitlines()] == [
            ["tenant", "total", "with_string", "legacy", "backfilled", "unresolved"],
            ["acme", "10", "7", "2", "2", "1"],
            ["bravo", "1", "0", "1", "0", "1"],
            ["all", "11", "7", "3", "2", "2"],
        ]
        one = json.loads(command("user_id_backfill_report", "--tenant", "bravo", "--json"))
        assert [row["tenant"] for row in one["tenants"]] == ["bravo"]
        assert one["all"]["unresolved"] == 1
        with pytest.raises(CommandError, match="no tenant"):
            command("user_id_backfill_report", "--tenant", "nobody")


def test_the_report_in_psql_says_what_the_command_says(acme: Any, bravo: Any, live_db: str) -> None:
    """As the application's role, with no Django in between."""
    identity(acme, 7, "alice")
    put(acme, *MIXED)
    put(bravo, (None, 7))
    report = statement("task_execution_log_user_id_backfill_report")
    with psycopg.connect(live_db, autocommit=True) as session:
        session.execute("SET scheduler.all_tenants = 'on'")
        assert session.execute(report).fetchall() == user_id_report(tenant=None)
        session.execute("SET scheduler.all_tenants = 'off'")
        session.execute("SET search_path = bravo, public")
        assert session.execute(report).fetchall() == user_id_report(tenant=bravo)
        session.execute("SET search_path = public")
        assert session.execute(report).fetchall() == []


class TestUnderLoad:
    def test_killed_it_goes_on_where_it_was(self, acme: Any, live_db: str, tmp_path: Path) -> None:
        identity(acme, 7, "alice")
        rows = put(acme, *[(None, 7), ("alice", None)] * 200)
        arguments = ("backfill_user_ids", "--tenant", "acme", "--batch", "5", "--pause", "0.02")
        with running_command(live_db, tmp_path / "log", *arguments) as process:
            wait_for(lambda: ids_of(acme, rows).count(("alice", 7)) >= 20, "some are filled")
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        killed = ids_of(acme, rows).count(("alice", 7))
        assert 20 <= killed < 400
        counts = backfill(acme).tables[LOGS]
        assert counts.strings + counts.integers == 400 - killed
        assert ids_of(acme, rows) == [("alice", 7)] * 400

    def test_reads_by_user_never_miss_while_writers_write(
        self, acme: Any, live_db: str, tmp_path: Path
    ) -> None:
        """The old release goes on inserting integers alone; what it inserted is found at every moment."""
        identity(acme, 7, "alice")
        rows = put(acme, *[(None, 7), ("alice", None), ("7", None)] * 60)
        arguments = ("backfill_user_ids", "--tenant", "acme", "--batch", "5", "--pause", "0.01")
        with running_command(live_db, tmp_path / "log", *arguments) as process:
            while process.poll() is None:
                rows += put(acme, (None, 7))
                with tenant_scope(acme):
                    found = user_rows_of(acme, "alice")
                assert found == set(rows)
        assert process.wait(10) == 0, (tmp_path / "log").read_text()
        assert set(ids_of(acme, rows[:180])) == {("alice", 7), ("7", 7)}  # what was there before it began
        backfill(acme)
        assert set(ids_of(acme, rows)) == {("alice", 7), ("7", 7)}

    def test_a_row_that_somebody_holds_is_passed_over(self, acme: Any, live_db: str) -> None:
        identity(acme, 7, "alice")
        rows = put(acme, *[(None, 7)] * 5)
        with machine_session() as session, session.transaction():
            session.execute("SELECT id FROM executions_executionlog WHERE id = %s FOR UPDATE", [rows[2]])
            assert backfill(acme, batch=2).tables[LOGS].left == 1
        assert ids_of(acme, rows).count((None, 7)) == 1
        assert backfill(acme).tables[LOGS].left == 0

    def test_it_waits_for_a_table_that_is_locked(self, acme: Any, live_db: str, tmp_path: Path) -> None:
        identity(acme, 7, "alice")
        rows = put(acme, (None, 7))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        log = tmp_path / "log"
        with (
            ExitStack() as stack,
            machine_session() as watch,
            machine_session() as session,
        ):
            session.execute("BEGIN")
            session.execute("LOCK TABLE executions_executionlog IN EXCLUSIVE MODE")
            process = stack.enter_context(
                running_command(live_db, log, "backfill_user_ids", "--tenant", "acme")
            )
            wait_for(lambda: watch.execute(waits).fetchone() == (1,), "it waits")
            wait_for(lambda: watch.execute(waits).fetchone() == (0,), "it lets go")
            assert process.poll() is None
            wait_for(lambda: watch.execute(waits).fetchone() == (1,), "it comes back")
            session.execute("COMMIT")
            assert process.wait(30) == 0, log.read_text()
        assert ids_of(acme, rows) == [("alice", 7)]


@contextmanager
def machine_session() -> Iterator[Any]:
    with machine.connect(application_name="tests") as session:
        yield session


def user_rows_of(tenant: Any, user_id: str) -> set[int]:
    rows = ExecutionLog.objects.filter(user_rows(tenant.pk, user_id), tenant=tenant)
    return set(rows.values_list("pk", flat=True))


@pytest.mark.django_db
class TestReconcile:
    @pytest.fixture
    def rows(self, acme: Any, bravo: Any) -> list[int]:
        identity(acme, 7, "bert")
        identity(acme, 9, "carol")
        identity(bravo, 7, "boris")
        put(bravo, (None, 7))
        return put(acme, (None, 7), ("bert", None), (None, 7), (None, 8), (None, 9), ("bert", 7))

    def test_one_drift_a_user(self, rows: list[int], acme: Any, bravo: Any) -> None:
        report = reconcile(kinds=["user_ids"], dry_run=True)
        assert [
            (item.drift.tenant_id, item.drift.object_type, item.drift.object_id, dict(item.drift.found))
            for item in report.items
        ] == [
            (acme.pk, "user", 7, {LOGS: 3}),
            (acme.pk, "user", 9, {LOGS: 1}),
            (bravo.pk, "user", 7, {LOGS: 1}),
        ]
        assert ids_of(acme, rows)[0] == (None, 7)

    def test_repair_is_audited_and_happens_once(self, rows: list[int], acme: Any) -> None:
        report = reconcile(kinds=["user_ids"], tenant=acme, object_ids=[7], reason="runbook")
        assert report.counts["repaired"] == 1
        assert ids_of(acme, rows) == [("bert", 7)] * 3 + [(None, 8), (None, 9), ("bert", 7)]
        with all_tenants_scope():
            entry = AuditEntry.objects.get(action="reconcile.user_ids")
        assert (entry.tenant_id, entry.object_type, entry.object_id, entry.reason) == (
            acme.pk,
            "user",
            "7",
            "runbook",
        )
        assert entry.data["wanted"] == {
            "user_id": "bert",
            "legacy_user_id": 7,
            "strings_filled": 2,
            "integers_filled": 1,
        }
        assert reconcile(kinds=["user_ids"], tenant=acme, object_ids=[7]).counts["found"] == 0
        [late] = reconcile(kinds=["user_ids"], tenant=acme, dry_run=True).items
        reconcile(kinds=["user_ids"], tenant=acme)
        with all_tenants_scope():
            again = reconciler.UserIdReconciler().repair(late.drift)
        assert again.result == "skipped"

    def test_a_repair_is_one_transaction_and_so_limited(
        self, rows: list[int], acme: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reconciler, "MAX_ROWS", 1)
        monkeypatch.setattr(reconciler, "BATCH", 1)
        for left in (2, 1):
            assert reconcile(kinds=["user_ids"], tenant=acme, object_ids=[7]).counts["repaired"] == 1
            report = reconcile(kinds=["user_ids"], tenant=acme, object_ids=[7], dry_run=True)
            assert report.items[0].drift.found == {LOGS: left}

    def test_twins_are_a_failure_that_says_so(self, acme: Any) -> None:
        identity(acme, 7, "bert")
        with tenant_scope(acme):
            for text in (None, "bert"):
                Connection.objects.create(user_id=text, legacy_user_id=7, platform="gsc")
        report = reconcile(kinds=["user_ids"], tenant=acme)
        assert report.failures == 1
        assert "twin" in report.items[0].detail

    def test_by_post_for_the_tenant_alone(self, rows: list[int], acme: Any, bravo: Any, cast: Any) -> None:
        body = {"reason": "moving"}
        assert MemberClient(cast.bob).send("POST", "reconcile/user_ids", body).status_code == 403
        dry = MemberClient(cast.ann).send("POST", "reconcile/user_ids", {"dry_run": True}).json()
        assert [(item["object_type"], item["object_id"], item["name"]) for item in dry["items"]] == [
            ("user", 7, "bert"),
            ("user", 9, "carol"),
        ]
        done = MemberClient(cast.ann).send("POST", "reconcile/user_ids", body).json()
        assert (done["success"], done["repaired"]) == (True, 2)
        with all_tenants_scope():
            assert ExecutionLog.objects.get(tenant=bravo).user_id is None

    def test_on_the_operators_page(self, rows: list[int], acme: Any, browser: Client) -> None:
        page = browser.get("/admin/reconcile/", {"kind": "user_ids", "tenant": "acme"})
        assert page.status_code == 200
        text = page.content.decode()
        assert "user 7 " in text
        assert ">bert<" in text
        assert f"{LOGS}: 3" in text
        assert "misfire" not in text
