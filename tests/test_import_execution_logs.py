"""A legacy export becomes history: once, whole, of its tenant alone, and without anybody waiting for it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.executions import ledger
from apps.executions.importing.history import ensure_partitions
from apps.executions.importing.run import execution_logs_import
from apps.executions.models import (
    Delta,
    ExecutionLog,
    ExecutionOutput,
    ImportRun,
    TenantTotals,
)
from apps.executions.selectors import finished_count
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.identity import user_forms
from apps.tenants.models import AuditEntry
from scheduler_saas.checks import isolation_holds
from tests.contract.client import MemberClient
from tests.legacy import AT, history_partitions, history_removed, jsonl, ledger_row, rejected, run_import
from tests.replicas import running_command, wait_for

CSV = """\
id,user_id,legacy_user_id,task_id,task_type,task_title,status,execution_date,execution_time_ms,error_message,result_data
1,7,,55,gsc_insights,Search,success,2024-03-01T10:00:00Z,1500,,"{""clicks"": 3}"
2,alice,7,55,gsc_insights,Search,failed,2024-03-01T11:00:00+00:00,20,"HTTP 500
from the shop",
3,007,,,,,success,2024-02-29T23:59:59.5Z,,,
4,8,,55,gsc_insights,Search,skipped,2024-03-01T10:00:00Z,,,
5,8,,55,gsc_insights,Search,success,2024-03-01 10:00:00,,,
"""


@pytest.fixture
def live(live_db: str) -> Iterator[str]:
    with history_removed():
        yield live_db


def ledger_of(tenant: Any) -> list[ExecutionLog]:
    with tenant_scope(tenant):
        return list(ExecutionLog.objects.filter(tenant=tenant).order_by("id"))


def numbered(count: int, bad: int = 0) -> list[dict[str, Any]]:
    """`count` runs of users 0 to 9; each `bad`th has no status that there is."""
    return [
        {"id": n, "user_id": n % 10, "status": "lost" if bad and n % bad == 0 else "success"}
        for n in range(1, count + 1)
    ]


@pytest.mark.django_db
class TestOneFile:
    def test_csv(self, acme: Any, bravo: Any, tmp_path: Path) -> None:
        path = tmp_path / "export.csv"
        path.write_text(CSV)
        report = run_import(path)
        assert (report["accepted"], report["rejected"], report["repeated"]) == (3, 2, 0)
        assert [line for line, _ in rejected(path)] == [6, 7]
        first, second, third = ledger_of(acme)
        assert [(row.user_id, row.legacy_user_id) for row in (first, second, third)] == [
            (None, 7),
            ("alice", 7),
            ("007", None),
        ]
        assert {(row.kind, row.job_id, row.attempts) for row in (first, second, third)} == {
            ("imported", None, 1)
        }
        assert (first.source_id, first.job_name, first.task_type) == ("1", "Search", "gsc_insights")
        assert first.scheduled_for == first.started_at == AT
        assert first.finished_at == first.created_at == AT + timedelta(seconds=1.5)
        assert second.error_message == "it failed in the system it was imported from"
        with tenant_scope(acme):
            outputs = {row.pk: (row.result, row.error_text) for row in ExecutionOutput.objects.all()}
        assert outputs == {
            first.pk: ({"clicks": 3}, None),
            second.pk: (None, "HTTP 500\nfrom the shop"),
        }
        assert ledger_of(bravo) == []

    def test_ids_are_of_the_sequence_that_executions_use(self, acme: Any, tmp_path: Path) -> None:
        run_import(jsonl(tmp_path / "a.jsonl", numbered(3)))
        ids = [row.pk for row in ledger_of(acme)]
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('executions_execution', 'id'))")
            assert ids == sorted(set(ids))
            assert cursor.fetchone()[0] > ids[-1]

    def test_its_customers_text_is_for_the_tenant_alone(self, acme: Any, tmp_path: Path) -> None:
        run_import(
            jsonl(tmp_path / "a.jsonl", [{"status": "failed", "error_message": "canary", "result_data": 1}])
        )
        with all_tenants_scope():
            [row] = ExecutionLog.objects.filter(tenant=acme)
            assert "canary" not in str(vars(row))
            assert not ExecutionOutput.objects.exists()

    def test_it_is_shown_and_counted(self, acme: Any, cast: Any, tmp_path: Path) -> None:
        path = tmp_path / "export.csv"
        path.write_text(CSV)
        run_import(path)
        client = MemberClient(cast.alice)
        page = client.ok("execution-logs")
        assert (page["total_count"], len(page["logs"])) == (3, 3)
        failed = next(log for log in page["logs"] if log["status"] == "failed")
        assert (failed["task_id"], failed["job_id"]) == (None, None)
        assert failed["error_message"] == "HTTP 500"
        assert failed["task"]["task_title"] == "Search"
        assert client.ok("execution-logs", user_id="7")["total_count"] == 1
        assert client.ok("execution-logs", status="failed")["total_count"] == 1

    def test_it_counts_in_the_totals_but_is_no_work_of_the_leaders_term(
        self, acme: Any, tmp_path: Path
    ) -> None:
        run_import(jsonl(tmp_path / "a.jsonl", [{"id": 1}, {"id": 2}, {"id": 3, "status": "failed"}]))
        with all_tenants_scope(), connection.cursor() as cursor:
            ledger.fold_deltas(limit=100, epoch=1).on(cursor)
            totals = TenantTotals.objects.get(tenant=acme)
        assert (totals.tasks_executed, totals.tasks_failed) == (2, 1)
        assert (totals.term_executed, totals.term_failed) == (0, 0)
        with tenant_scope(acme):
            assert finished_count(tenant_id=acme.pk, status="success") == 2

    def test_a_dry_run_judges_and_writes_nothing(self, acme: Any, tmp_path: Path) -> None:
        path = jsonl(tmp_path / "a.jsonl", numbered(30, bad=10))
        report = run_import(path, dry_run=True, batch=7)
        assert (report["accepted"], report["rejected"], report["dry_run"]) == (27, 3, True)
        assert ledger_of(acme) == []
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]
        with all_tenants_scope():
            assert not ImportRun.objects.exists()
            assert not AuditEntry.objects.filter(action__startswith="execution_logs").exists()

    def test_it_leaves_an_audit_entry_at_each_end(self, acme: Any, tmp_path: Path) -> None:
        run_import(jsonl(tmp_path / "a.jsonl", numbered(3)), actor="olga")
        with all_tenants_scope():
            entries = AuditEntry.objects.filter(action__startswith="execution_logs", tenant=acme)
            found = [(entry.action, entry.actor) for entry in entries.order_by("id")]
            last = entries.latest("id")
        assert found == [("execution_logs.import_begin", "olga"), ("execution_logs.import_finish", "olga")]
        assert last.data["accepted"] == 3

    @pytest.mark.parametrize(
        ("name", "text", "sentence"),
        [
            ("a.csv", "status,user_id\n", "no column execution_date"),
            ("a.csv", "", "no column status"),
            ("a.txt", "{}", "--format"),
        ],
    )
    def test_a_file_that_is_no_export(
        self, acme: Any, tmp_path: Path, name: str, text: str, sentence: str
    ) -> None:
        (tmp_path / name).write_text(text)
        with pytest.raises(CommandError, match=sentence):
            run_import(tmp_path / name)

    def test_arguments_that_mean_nothing(self, acme: Any, tmp_path: Path) -> None:
        path = jsonl(tmp_path / "a.jsonl", [{}])
        for wrong in ({"tenant": "nobody"}, {"timezone": "Mars/Base"}, {"batch": 0}):
            with pytest.raises(CommandError):
                run_import(path, **wrong)
        with pytest.raises(CommandError, match="No such file"):
            run_import(tmp_path / "missing.jsonl")


@pytest.mark.django_db
class TestTheSameAgain:
    def test_a_finished_file_is_not_imported_again_whatever_it_is_called(
        self, acme: Any, bravo: Any, tmp_path: Path
    ) -> None:
        path = jsonl(tmp_path / "a.jsonl", [{}, {}, {"status": "lost"}])
        run_import(path)
        again = run_import(path.rename(tmp_path / "b.jsonl"))
        assert (again["nothing_to_do"], again["accepted"], again["rejected"]) == (True, 2, 1)
        assert len(ledger_of(acme)) == 2
        run_import(tmp_path / "b.jsonl", "bravo", rejects=tmp_path / "r")
        assert len(ledger_of(bravo)) == 2

    def test_a_longer_export_brings_what_is_new(self, acme: Any, tmp_path: Path) -> None:
        run_import(jsonl(tmp_path / "a.jsonl", numbered(10)))
        report = run_import(jsonl(tmp_path / "b.jsonl", numbered(15)))
        assert (report["accepted"], report["repeated"]) == (5, 10)
        assert len(ledger_of(acme)) == 15
        with tenant_scope(acme):
            assert finished_count(tenant_id=acme.pk) == 15


class TestPartitions:
    def test_whole_months_of_the_past_get_one_and_nothing_lies_in_the_default(
        self, acme: Any, live: str, tmp_path: Path
    ) -> None:
        days = [
            "2023-12-31T23:59:59Z",
            "2024-01-01T00:00:00Z",
            "2024-01-31T12:00:00Z",
            "2024-02-29T12:00:00Z",
        ]
        run_import(jsonl(tmp_path / "a.jsonl", [{"execution_date": day, "result_data": 1} for day in days]))
        assert history_partitions() >= {"202312", "202401", "202402"}
        with all_tenants_scope(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM executions_executionlog WHERE tableoid = "
                "'executions_executionlog_default'::regclass"
            )
            assert cursor.fetchone() == (0,)
        with connection.cursor() as cursor:  # by name and without a policy they show nothing
            cursor.execute("SELECT count(*) FROM executions_executionlog_202401")
            assert cursor.fetchone() == (0,)
        assert isolation_holds(databases=["default"]) == []

    def test_the_month_that_is_not_over_gets_days(self, acme: Any, live: str, tmp_path: Path) -> None:
        today = datetime.now(UTC)
        long_ago = today - timedelta(days=400)
        run_import(
            jsonl(tmp_path / "a.jsonl", [{"execution_date": t.isoformat()} for t in (today, long_ago)])
        )
        made = history_partitions()
        assert f"{long_ago:%Y%m}" in made
        assert f"{today:%Y%m}" not in made
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT executions_create_partitions(%s, %s)",
                [today.date(), today.date() + timedelta(days=1)],
            )
            assert cursor.fetchone() == (0,)

    def test_a_day_that_lies_in_the_default_already_is_left_there(
        self, acme: Any, live: str, tmp_path: Path
    ) -> None:
        with all_tenants_scope():
            ledger_row(acme, "alice", None).save(force_insert=True)
        other = AT + timedelta(days=3)
        run_import(jsonl(tmp_path / "a.jsonl", [{}, {"execution_date": other.isoformat()}]))
        assert len(ledger_of(acme)) == 3
        assert f"{other:%Y%m%d}" in history_partitions()
        assert f"{AT:%Y%m%d}" not in history_partitions()

    def test_nobody_waits_for_long_while_it_waits_for_a_long_reader(
        self, acme: Any, live: str, tmp_path: Path
    ) -> None:
        path = jsonl(tmp_path / "a.jsonl", [{}])
        with (
            machine.connect(application_name="reader") as reader,
            machine.connect(application_name="writer") as writer,
        ):
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM executions_executionlog")
            with running_command(
                live, tmp_path / "log", "import_execution_logs", str(path), "--tenant", "acme"
            ) as process:
                waiting = (
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                wait_for(
                    lambda: writer.execute(waiting).fetchone() == (1,), "the import waits for the reader"
                )
                writer.execute("SET lock_timeout = '100ms'")
                writer.execute(
                    "INSERT INTO executions_executionlog (id, tenant_id, job_name, kind, scheduled_for, run_at,"
                    " task_type, target, status, attempts, finished_at) VALUES"
                    " (1, %s, 'j', 'manual', now(), now(), 't', 't', 'success', 1, now())",
                    [acme.pk],
                )
                # A reader does wait behind the import, which then lets it pass and tries again.
                writer.execute("SET lock_timeout = '10s'")
                writer.execute("SELECT count(*) FROM executions_executionlog")
                assert process.poll() is None
                reader.execute("ROLLBACK")
                assert process.wait(60) == 0, (tmp_path / "log").read_text()
        assert len(ledger_of(acme)) == 2

    def test_asking_again_locks_nothing(self, live: str) -> None:
        days = [AT.date(), AT.date() + timedelta(days=40)]
        assert ensure_partitions(days) == 6
        with machine.connect(application_name="tests") as other, other.transaction():
            other.execute(
                "LOCK TABLE executions_attempt, executions_executionlog, executions_executionoutput"
                " IN ACCESS EXCLUSIVE MODE"
            )
            assert ensure_partitions(days) == 0


STOP_BEFORE_COMMIT = """
CREATE FUNCTION test_wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.accepted >= 200 THEN PERFORM pg_advisory_xact_lock(4711); END IF;
    RETURN new;
END $$;
CREATE TRIGGER test_wait BEFORE UPDATE ON executions_importrun FOR EACH ROW EXECUTE FUNCTION test_wait();
"""

HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"


@pytest.fixture
def stopped(live: str) -> Iterator[Any]:
    """Imports stop after 200 lines, between writing all that a batch writes and its commit."""
    with machine.connect(application_name="tests") as session:
        session.execute(STOP_BEFORE_COMMIT)
        session.execute("SELECT pg_advisory_lock(4711)")
        try:
            yield session
        finally:
            session.execute("SELECT pg_advisory_unlock_all()")
            session.execute("DROP FUNCTION test_wait CASCADE")


class TestKilled:
    def test_between_writing_and_committing_loses_nothing_and_doubles_nothing(
        self, acme: Any, live: str, stopped: Any, tmp_path: Path
    ) -> None:
        path = jsonl(tmp_path / "a.jsonl", [row | {"id": None} for row in numbered(1000, bad=10)])
        command = ("import_execution_logs", str(path), "--tenant", "acme", "--batch", "50")
        with running_command(live, tmp_path / "log", *command) as process:
            wait_for(lambda: stopped.execute(HELD).fetchone() == (1,), "a batch is about to commit")
            with all_tenants_scope():
                before = ImportRun.objects.get()
            assert (before.accepted, before.rejected) == (180, 20)
            assert len(rejected(path)) == 25  # of the batch that will not be committed, too
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        stopped.execute("SELECT pg_advisory_unlock_all()")
        assert len(ledger_of(acme)) == 180
        report = run_import(path, batch=300)
        assert (report["resumed"], report["accepted"], report["rejected"]) == (True, 900, 100)
        assert len(ledger_of(acme)) == 900
        assert [line for line, _ in rejected(path)] == list(range(10, 1001, 10))
        with tenant_scope(acme):
            assert finished_count(tenant_id=acme.pk) == 900
            assert finished_count(tenant_id=acme.pk, user=user_forms(acme.pk, "3")) == 100
        assert run_import(path)["nothing_to_do"]

    def test_again_and_again_at_any_moment(self, acme: Any, live: str, tmp_path: Path) -> None:
        path = jsonl(tmp_path / "a.jsonl", [row | {"id": None} for row in numbered(4000, bad=7)])
        command = ("import_execution_logs", str(path), "--tenant", "acme", "--batch", "20")

        def offset() -> int:
            with all_tenants_scope():
                run = ImportRun.objects.first()
            return run.offset if run else 0

        for _ in range(3):
            start = offset()
            with running_command(live, tmp_path / "log", *command) as process:
                wait_for(lambda: offset() > start or process.poll() is not None, "a batch is committed")  # noqa: B023
                process.kill()
        report = run_import(path)
        bad = 4000 // 7
        assert (report["accepted"], report["rejected"]) == (4000 - bad, bad)
        assert len(ledger_of(acme)) == 4000 - bad
        assert [line for line, _ in rejected(path)] == list(range(7, 4001, 7))
        with all_tenants_scope():
            assert sum(delta.n for delta in Delta.objects.filter(tenant=acme)) == 4000 - bad

    def test_it_is_not_resumed_beside_another_rejects_file(
        self, acme: Any, live: str, stopped: Any, tmp_path: Path
    ) -> None:
        path = jsonl(tmp_path / "a.jsonl", numbered(400, bad=10))
        command = ("import_execution_logs", str(path), "--tenant", "acme", "--batch", "50")
        with running_command(live, tmp_path / "log", *command) as process:
            wait_for(lambda: stopped.execute(HELD).fetchone() == (1,), "a batch is about to commit")
            with pytest.raises(CommandError, match="Another import is writing"):
                run_import(path)
            process.kill()
            process.wait(10)
        stopped.execute("SELECT pg_advisory_unlock_all()")
        with pytest.raises(CommandError, match="Name the same file"):
            run_import(path, rejects=tmp_path / "other")
        assert run_import(path)["accepted"] == 360

    def test_two_at_once_import_once(self, acme: Any, live: str, tmp_path: Path) -> None:
        """The second runs to the end while the first is between two batches."""
        path = jsonl(tmp_path / "a.jsonl", [row | {"id": None} for row in numbered(100)])
        options: dict[str, Any] = {"tenant": acme, "path": path, "file_format": "jsonl", "actor": "tests"}

        def overtake(report: Any) -> None:
            if report.accepted == 30:
                execution_logs_import(**options, rejects=tmp_path / "r2")

        with pytest.raises(Exception, match="Another process is importing the same file"):
            execution_logs_import(**options, rejects=tmp_path / "r1", batch=30, progress=overtake)
        assert len(ledger_of(acme)) == 100
        with all_tenants_scope():
            run = ImportRun.objects.get()
        assert (run.accepted, run.finished_at is None) == (100, False)


def test_plain_lines_say_how_far_it_is(
    acme: Any, live: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.tenants.progress.LINE_EVERY", 0.0)
    err, out = StringIO(), StringIO()
    path = jsonl(tmp_path / "a.jsonl", numbered(40, bad=20))
    call_command("import_execution_logs", str(path), tenant="acme", batch=20, stdout=out, stderr=err)
    assert err.getvalue().splitlines()[-1] == "Importing: 100 %, 38 accepted, 0 repeated, 2 rejected"
    assert str(json.dumps(str(path)))[1:-1] in out.getvalue()
