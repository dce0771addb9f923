"""The stage gates: GO on a system that is well, and NO-GO with the right sentence for each thing that is not."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from apps.dashboard.api import overview
from apps.dashboard.overview import dashboard_payload
from apps.executions.models import Delta, TenantTotals
from apps.jobs.models import Cursor, Job
from apps.leadership.models import LeaderTerm
from apps.leadership.session import LeaderSession
from apps.operations.runbooks import acknowledge, runbooks
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import User
from scheduler_saas.gates import asking, contract
from tests.dispatching import stand
from tests.factories import make_job
from tests.gates import history_of, passed_matrix, refusals, replicas_connected, repository
from tests.ledgers import finished, midnight

pytestmark = pytest.mark.same_on_every_postgres


@pytest.fixture
def books(settings: Any, tmp_path: Path) -> Path:
    """The directory of the runbooks."""
    settings.RUNBOOKS_DIRECTORY = tmp_path / "books"
    settings.RUNBOOKS_DIRECTORY.mkdir()
    for slug in ("late", "no_leader"):
        (settings.RUNBOOKS_DIRECTORY / f"{slug}.md").write_text(f"# {slug}")
    return tmp_path / "books"


@pytest.fixture
def release(settings: Any, tmp_path: Path) -> str:
    """The commit that runs, all of whose rows have passed."""
    commit = repository(tmp_path / "checkout")
    settings.BASE_DIR = tmp_path / "checkout"
    settings.EVIDENCE_DIR = tmp_path / "evidence"
    passed_matrix(settings.EVIDENCE_DIR, commit)
    return commit


@pytest.fixture
def healthy(live_db: str, acme: Any, bravo: Any, release: str, books: Path) -> Iterator[LeaderSession]:
    history_of(acme, bravo)
    for book in runbooks():
        acknowledge(slug=book.slug, sha256=book.sha256, actor="tests")
    with replicas_connected() as leader:
        yield leader


def gate(name: str) -> Any:
    """What `gate NAME --json` says, and its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("gate", name, "--json", stdout=out)
    except SystemExit as left:
        code = int(left.code or 0)
    return json.loads(out.getvalue()), code


def test_go_on_a_system_that_is_well(healthy: LeaderSession) -> None:
    reports, code = gate("all")
    assert [
        (report["gate"], check["name"], check["evidence"])
        for report in reports
        for check in report["checks"]
        if not check["ok"]
    ] == []
    assert ([report["verdict"] for report in reports], code) == (["GO"] * 3, 0)


# -- gate 1 ----------------------------------------------------------------------------------------------------------


_FAULTS = (
    ("CREATE POLICY leak ON jobs_job USING (true)", "DROP POLICY leak ON jobs_job"),
    (
        "CREATE POLICY leak ON executions_executionlog FOR SELECT USING (true)",
        "DROP POLICY leak ON executions_executionlog",
    ),
    (
        "ALTER TABLE executions_skip NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE executions_skip FORCE ROW LEVEL SECURITY",
    ),
    ("CREATE TABLE public.vault_secret (id bigint)", "DROP TABLE public.vault_secret"),
)


@contextmanager
def planted() -> Iterator[None]:
    with connection.cursor() as cursor:
        for deed, _ in _FAULTS:
            cursor.execute(deed)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for _, undo in _FAULTS:
                cursor.execute(undo)


def test_tenants_that_are_not_kept_apart(healthy: LeaderSession) -> None:
    with planted():
        wrong = refusals(1)
    seen, written = "no tenant sees another's rows", "no tenant writes another's rows"
    assert sorted(wrong) == sorted([seen, written, "row security is forced", "vaults are apart"])
    assert "executions_executionlog in acme, executions_executionlog in bravo" in wrong[seen]
    assert "jobs_job in acme: another rule refused it (23502)" in wrong[written]
    assert "executions_skip is without forced row security" in wrong["row security is forced"]
    assert "vault_secret outside every tenant is in public" in wrong["vaults are apart"]


def test_contract_drift(healthy: LeaderSession, monkeypatch: Any, tmp_path: Path) -> None:
    def without_a_key(member: Any) -> dict[str, Any]:
        payload = dashboard_payload(member)
        del payload["user_isolation"]
        return payload

    monkeypatch.setattr(overview, "dashboard_payload", without_a_key)
    changed = tmp_path / "openapi.yaml"
    changed.write_text(
        contract.COMMITTED.read_text().replace("  title: Scheduler SaaS", "  title: Something else")
    )
    monkeypatch.setattr(contract, "COMMITTED", changed)
    wrong = refusals(1)
    assert "Undo the change, or describe it" in wrong["the description is the committed one"]
    payloads = wrong["payloads keep their keys and types"]
    assert "dashboard of acme: $: 'user_isolation' is a required property" in payloads
    assert "1 more payloads are wrong" in payloads


# -- gate 2 ----------------------------------------------------------------------------------------------------------


def test_nobody_leads(live_db: str, acme: Any, release: str) -> None:
    wrong = refusals(2)
    assert wrong == {
        "exactly one leader": "Nobody leads; no replica stands by.",
        "a standby is present": "Replicas with a session: none. Start another with `manage.py run_scheduler`.",
    }


def test_terms_that_overlap(healthy: LeaderSession) -> None:
    now = datetime.now(UTC)
    for number, (start, end) in enumerate(((60, 30), (40, 20))):
        LeaderTerm.objects.create(
            epoch=healthy.epoch - 2 + number,
            term_id=uuid.uuid4(),
            replica="r",
            host="h",
            process_id=1,
            backend_pid=1,
            started_at=now - timedelta(minutes=start),
            ended_at=now - timedelta(minutes=end),
        )
    wrong = refusals(2)
    assert list(wrong) == ["terms one after the other"]
    epochs = f"Epochs {healthy.epoch - 2} and {healthy.epoch - 1} overlap"
    assert wrong["terms one after the other"].startswith(epochs)


def test_a_duplicate_in_the_ledger(healthy: LeaderSession, acme: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef('executionlog_one_per_tick'::regclass)")
        (index,) = cursor.fetchone()
    try:
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX executionlog_one_per_tick")
        for _ in range(2):
            finished(acme, 0, job_id=5, kind="scheduled", epoch=None)
        wrong = refusals(2)
        names = ["one row a tick is a rule of the database", "no tick was run twice"]
        assert list(wrong) == names
        assert "executions_executionlog, executions_executionlog_2" in wrong[names[0]]
        assert wrong[names[1]].startswith("Job 5 has 2 executions of ")
    finally:
        with all_tenants_scope(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM executions_executionlog")
            cursor.execute(index.replace(" ON ONLY ", " ON "))


def test_a_row_from_outside_its_term(healthy: LeaderSession, acme: Any) -> None:
    early = {"scheduled_for": midnight(0), "created_at": midnight(1)}
    row = finished(acme, 0, job_id=6, kind="scheduled", epoch=healthy.epoch)[0]
    with all_tenants_scope():
        type(row).objects.filter(pk=row.pk).update(**early)
    wrong = refusals(2)
    assert list(wrong) == ["each row is of its epoch's term"]
    assert (
        f"says epoch {healthy.epoch}, and was not made in that term"
        in wrong["each row is of its epoch's term"]
    )


def test_ticks_that_nothing_records(healthy: LeaderSession, acme: Any) -> None:
    now = datetime.now(UTC)
    start = now - timedelta(minutes=30)
    with all_tenants_scope():
        job = stand(acme, now + timedelta(hours=1), interval_seconds=600, anchor_at=start)
        Job.objects.filter(pk=job.pk).update(created_at=start, schedule_since=start)
        Cursor.objects.filter(job=job).update(last_scheduled_for=now)
    wrong = refusals(2)
    assert list(wrong) == ["no tick is lost"]
    assert f"of job {job.pk} from " in wrong["no tick is lost"]


# -- gate 3 ----------------------------------------------------------------------------------------------------------


def test_drift_and_a_missing_acknowledgement(healthy: LeaderSession, acme: Any, books: Path) -> None:
    with all_tenants_scope():
        TenantTotals.objects.create(tenant=acme, tasks_executed=5, retired_executed=-3)
        Delta.objects.filter(tenant=acme, user_key="99").delete()
    (books / "no_leader.md").write_text("# Something else to do")
    report, code = gate("3")
    assert (report["gate"], report["verdict"], code) == (3, "NO-GO", 1)
    users, totals, books = (
        "users are found by old and new ids",
        "totals agree with the history",
        "runbooks and thresholds are acknowledged",
    )
    wrong = {check["name"]: check["evidence"] for check in report["checks"] if not check["ok"]}
    assert list(wrong) == [users, totals, books]
    assert "user 99 of acme: 0 of its rows are not found" in wrong[users]
    assert "0 of 3 are counted" in wrong[users]
    assert "tasks_executed by +5" in wrong[totals]
    assert "Not acknowledged as they are now: no_leader." in wrong[books]


@pytest.mark.parametrize("guarded", [True, False])
def test_a_get_that_writes(guarded: bool, healthy: LeaderSession, acme: Any, settings: Any) -> None:
    make_job(acme)
    settings.ROOT_URLCONF = "tests.contract.writing_urls"
    if not guarded:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "ReadOnly" not in name]
    asking._handler.cache_clear()
    try:
        wrong = refusals(3)
    finally:
        asking._handler.cache_clear()
    assert list(wrong) == ["no GET of the API writes"]
    said = wrong["no GET of the API writes"]
    assert ("writing is answered 500" if guarded else "counts 1 rows written") in said


# -- the page --------------------------------------------------------------------------------------------------------


def test_the_page_shows_what_the_command_says(
    healthy: LeaderSession, live_browser: Client, books: Path
) -> None:
    (books / "late.md").write_text("# Something else to do")
    page = live_browser.get("/admin/gates/")
    assert page.status_code == 200
    assert [report.verdict for report, _ in page.context["reports"]] == ["GO", "GO", "NO-GO"]
    text = page.content.decode()
    assert "Not acknowledged as they are now: late." in text
    assert "None is seen: " in text
    assert live_browser.post("/admin/gates/").status_code == 404
    nina = User.objects.create_user("nina", password="correct horse battery", is_staff=True)
    newcomer = Client(headers={"Host": "localhost"})
    newcomer.force_login(nina, backend="django.contrib.auth.backends.ModelBackend")
    assert newcomer.get("/admin/gates/").status_code == 403
