"""The ledger as a file: whole, one's own, inert in a spreadsheet, and leaving nothing behind."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.dashboard import csv_rows
from apps.dashboard.api import logs_csv
from apps.tenants.context import current_schema_name, tenant_scope
from apps.tenants.models import UserIdentity
from tests.contract.client import BASE, MemberClient
from tests.contract.records import Records, now, small

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


def table_of(client: MemberClient, **query: Any) -> list[dict[str, str]]:
    response = client.get("execution-logs.csv", **query)
    assert response.status_code == 200, response.content
    text = b"".join(response.streaming_content).decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert next(csv.reader(io.StringIO(text, newline=""))) == list(csv_rows.COLUMNS)
    return rows


def column(rows: list[dict[str, str]], name: str) -> list[str]:
    return [row[name] for row in rows]


@pytest.mark.django_db
class TestRows:
    def test_the_file_holds_what_the_list_holds(self, cast: Any) -> None:
        small(cast.alice)
        client = MemberClient(cast.alice)
        for query in ({}, {"status": "failed"}, {"status": "running"}, {"status": "skipped"}):
            logs = client.ok("execution-logs", **query)["logs"]
            rows = table_of(client, **query)
            assert logs
            assert column(rows, "id") == [str(log["id"]) for log in logs]
            assert column(rows, "status") == [log["status"] for log in logs]
            assert column(rows, "user_id") == [log["user_id"] or "" for log in logs]
            assert column(rows, "task_title") == [log["task"]["task_title"] for log in logs]
            assert column(rows, "error_message") == [log["error_message"] or "" for log in logs]

    def test_filters_are_those_of_the_list(self, cast: Any) -> None:
        made, at = Records(cast.alice), now()
        job, other = made.job(), made.job()
        rows = [made.finished(job, at - timedelta(hours=n)) for n in range(3)]
        made.finished(other, at)
        client = MemberClient(cast.alice)
        assert column(table_of(client, job_id=job.pk), "id") == [str(row.pk) for row in rows]
        edge = (at - timedelta(hours=1)).isoformat()
        assert column(table_of(client, job_id=job.pk, until=edge), "id") == [str(rows[2].pk)]
        for wrong in ({"status": "party"}, {"job_id": "x"}, {"since": "then"}):
            response = client.get("execution-logs.csv", **wrong)
            assert response.status_code == 400
            assert list(response.json()["errors"]) == list(wrong)

    @pytest.mark.parametrize("batch", [1, 2, 3, 7, 8])
    def test_batches_lose_and_repeat_nothing(
        self, cast: Any, monkeypatch: pytest.MonkeyPatch, batch: int
    ) -> None:
        monkeypatch.setattr(logs_csv, "BATCH", batch)
        made, at = Records(cast.alice), now()
        job = made.job()
        rows = [
            made.finished(job, at - timedelta(days=n // 2), kind="manual", error_text="no" if n % 3 else None)
            for n in range(7)
        ]
        keys = sorted(((row.scheduled_for, row.pk) for row in rows), reverse=True)
        found = table_of(MemberClient(cast.alice))
        assert column(found, "id") == [str(pk) for _, pk in keys]

    def test_members_get_their_own_rows_in_every_form(self, cast: Any) -> None:
        with tenant_scope(cast.tenant):
            UserIdentity.objects.create(tenant=cast.tenant, legacy_user_id=7, user_id=cast.bob.user_id)
        made, at = Records(cast.bob), now()
        job = made.job()
        forms = [(None, 7), (cast.bob.user_id, None), (cast.bob.user_id, 7), ("7", None)]
        own = [
            made.finished(job, at - timedelta(minutes=n), user_id=text, legacy_user_id=number).pk
            for n, (text, number) in enumerate(forms)
        ]
        made.finished(job, at - timedelta(hours=1), user_id="eve", legacy_user_id=7)
        made.finished(job, at - timedelta(hours=2), user_id=None, legacy_user_id=None)
        bob = MemberClient(cast.bob)
        assert column(table_of(bob), "id") == [str(pk) for pk in own]
        assert column(table_of(MemberClient(cast.ann), user_id="7"), "id") == [str(pk) for pk in own]
        assert len(table_of(MemberClient(cast.ann))) == 6
        assert table_of(MemberClient(cast.vic)) == []
        assert MemberClient(cast.vic).get("execution-logs.csv", user_id="7").status_code == 403

    def test_a_row_without_a_job(self, cast: Any) -> None:
        made = Records(cast.alice)
        made.finished(made.job(), now(), job_id=None, job_name="from elsewhere", kind="imported")
        [row] = table_of(MemberClient(cast.alice))
        assert (row["job_id"], row["task_title"], row["kind"]) == ("", "from elsewhere", "imported")


@pytest.mark.django_db
class TestFile:
    def test_a_spreadsheet_runs_nothing(self, cast: Any) -> None:
        made, at = Records(cast.alice), now()
        for number, formula in enumerate(FORMULAS):
            job = made.job()
            made.finished(
                job, at - timedelta(minutes=number), job_name=formula, error_text=formula, user_id=formula
            )
        made.finished(made.job(), at - timedelta(hours=1), result="=cmd()")
        rows = table_of(MemberClient(cast.alice))
        shown = [f"'{formula}" for formula in FORMULAS]
        assert column(rows, "task_title")[:6] == shown
        assert column(rows, "user_id")[:6] == shown
        assert column(rows, "error_message")[:6] == shown
        assert rows[6]["result_data"] == "'=cmd()"

    @pytest.mark.parametrize("formula", [*FORMULAS, "\n=1", " =1", "\ufeff=1", "\uff1d1", "\u200b@1"])
    def test_no_cell_begins_as_a_formula_and_no_header(self, formula: str) -> None:
        assert csv_rows.inert(formula) == f"'{formula}"
        assert csv_rows.inert({formula: 1}).startswith("{")
        assert not any(name.startswith(tuple("=+-@\t\r")) for name in next(csv.reader([csv_rows.header()])))

    def test_text_of_every_language_and_lines_within_a_cell(self, cast: Any) -> None:
        made = Records(cast.alice)
        name = 'Übersicht, "täglich" 日本語 🗓️\nzweite Zeile; fin'
        made.finished(made.job(), now(), job_name=name)
        [row] = table_of(MemberClient(cast.alice))
        assert row["task_title"] == name

    def test_how_it_is_sent(self, cast: Any) -> None:
        client = MemberClient(cast.alice)
        response = client.get("execution-logs.csv")
        assert response.streaming
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == 'attachment; filename="execution-logs.csv"'
        b"".join(response.streaming_content)
        headers = {"Authorization": f"Bearer {client.key}", "Host": client.host, "Accept": "text/csv"}
        assert Client().get(f"{BASE}execution-logs.csv/", headers=headers).status_code == 200
        refused = Client().get(f"{BASE}execution-logs.csv?limit=1&job_id=x", headers=headers)
        assert refused["Content-Type"] == "application/json"
        assert Client().get(f"{BASE}execution-logs.csv", headers={"Host": client.host}).status_code == 401
        head = Client().head(f"{BASE}execution-logs.csv", headers=headers)
        assert (head.status_code, b"".join(head.streaming_content)) == (200, b"")


class TestAbandonment:
    """With real transactions: what is open after a line was sent is open for as long as the client likes."""

    @pytest.fixture
    def response(self, live_db: str, cast: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(logs_csv, "BATCH", 2)
        made, at = Records(cast.alice), now()
        job = made.job()
        for n in range(7):
            made.finished(job, at - timedelta(minutes=n))
        response = MemberClient(cast.alice).get("execution-logs.csv")
        connection.close()  # as at the end of a request
        return response

    @pytest.fixture
    def body(self, response: Any) -> Any:
        return iter(response.streaming_content)

    @staticmethod
    def _is_outside() -> bool:
        wrapper: Any = connection
        idle = wrapper.connection is None or wrapper.connection.info.transaction_status.name == "IDLE"
        return bool(current_schema_name() == "public" and not wrapper.in_atomic_block and idle)

    def test_between_lines_nothing_is_open(self, body: Any) -> None:
        pieces = 0
        for _ in body:
            pieces += 1
            assert self._is_outside()
        assert pieces == 5
        assert self._is_outside()

    def test_a_client_that_goes_away_leaves_nothing_behind(self, response: Any, body: Any) -> None:
        next(body), next(body)
        response.close()
        assert self._is_outside()
        assert list(body) == []

    def test_a_statement_that_fails_leaves_nothing_behind(
        self, body: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*args: Any) -> Any:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")

        next(body), next(body)
        monkeypatch.setattr(csv_rows, "lines", fails)
        with pytest.raises(Exception, match="division by zero"):
            next(body)
        assert self._is_outside()

    def test_a_body_cannot_write(self, body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def writes(*args: Any) -> Any:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM executions_executionlog")

        next(body)
        monkeypatch.setattr(csv_rows, "lines", writes)
        with pytest.raises(Exception, match="read-only transaction"):
            next(body)
