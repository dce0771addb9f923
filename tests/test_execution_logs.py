"""Lists by page, filter and user, and what a log tells. Payload shapes are in `test_scheduler_p0b_guardrails`."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from apps.tenants.context import tenant_scope
from apps.tenants.models import UserIdentity
from tests.contract import records, schemas
from tests.contract.client import MemberClient
from tests.contract.endpoints import LISTS, Endpoint

pytestmark = pytest.mark.django_db


class TestQueries:
    @pytest.mark.parametrize("endpoint", LISTS, ids=str)
    @pytest.mark.parametrize(
        "wrong",
        [
            {"limit": "0"},
            {"limit": "501"},
            {"limit": "ten"},
            {"limit": "--5"},
            {"offset": "-1"},
            {"cursor": "x"},
            {"cursor": "W10"},
            {"cursor": base64.urlsafe_b64encode(b"[" * 5000).decode()},
        ],
        ids=lambda wrong: str(wrong)[:20],
    )
    def test_a_page_out_of_range_is_refused(
        self, cast: Any, endpoint: Endpoint, wrong: dict[str, str]
    ) -> None:
        response = MemberClient(cast.alice).get(endpoint.path, **endpoint.query | wrong)
        assert response.status_code == 400, response.content
        assert schemas.violations(schemas.FIELD_ERRORS, response.json()) == []
        assert list(response.json()["errors"]) == list(wrong)

    @pytest.mark.parametrize(
        ("path", "wrong"),
        [
            ("execution-logs", {"status": "finished"}),
            ("execution-logs", {"job_id": "x"}),
            ("execution-logs", {"job_id": "9" * 30}),
            ("execution-logs", {"since": "yesterday"}),
            ("execution-logs", {"until": "2026-13-01T00:00:00Z"}),
            ("execution-logs", {"user_id": "a\0b"}),
            ("execution-logs", {"search": "a\0b"}),
            ("execution-logs", {"search": "a" * 201}),
            ("event-history", {"days": "0"}),
            ("event-history", {"days": "91"}),
            ("event-history", {"event_type": "party"}),
            ("jobs", {"status": "lost"}),
        ],
        ids=str,
    )
    def test_a_filter_that_means_nothing_is_refused(
        self, cast: Any, path: str, wrong: dict[str, str]
    ) -> None:
        response = MemberClient(cast.alice).get(path, **wrong)
        assert response.status_code == 400, response.content
        assert list(response.json()["errors"]) == list(wrong)
        assert schemas.violations(schemas.FIELD_ERRORS, response.json()) == []

    def test_logs_by_status_job_and_time(self, cast: Any) -> None:
        made, at = records.Records(cast.alice), records.now()
        first, second = made.job(name="first"), made.job(name="second")
        good = made.finished(first, at - timedelta(hours=1))
        bad = made.finished(second, at - timedelta(hours=2), error_text="broken")
        run = made.live(first, at)
        skip = made.skip(second, at - timedelta(hours=5), at - timedelta(hours=3), 3)
        client = MemberClient(cast.alice)

        def found(**query: Any) -> list[int]:
            return [log["id"] for log in client.ok("execution-logs", **query)["logs"]]

        assert found() == [good.pk, bad.pk]
        assert found(status="success") == [good.pk]
        assert found(status="failed") == [bad.pk]
        assert found(status="running") == [run.pk]
        assert found(status="skipped") == [-skip.pk]
        assert found(job_id=second.pk) == [bad.pk]
        assert found(job_id=first.pk, status="skipped") == []
        edge = (at - timedelta(hours=1)).isoformat()
        assert found(since=edge) == [good.pk]
        assert found(until=edge) == [bad.pk]
        middle = (at - timedelta(hours=4)).isoformat()
        assert found(status="skipped", since=middle) == [-skip.pk]
        assert found(status="skipped", until=middle) == [-skip.pk]
        assert found(status="skipped", since=edge) == []
        assert found(status="", job_id="", since="") == [good.pk, bad.pk]
        assert found(search="IRS") == [good.pk]
        assert found(search="irs", status="running") == [run.pk]
        assert found(search="second", status="skipped") == [-skip.pk]
        assert found(search="second", job_id=first.pk) == []
        assert found(search="_", since=edge) == []

    def test_events_by_type_and_age(self, cast: Any) -> None:
        made, at = records.Records(cast.alice), records.now()
        recent = made.event("check_cycle", at - timedelta(days=2))
        old = made.event("check_cycle", at - timedelta(days=20))
        other = made.event("job_failed", at - timedelta(days=1))
        client = MemberClient(cast.alice)

        def found(**query: Any) -> list[int]:
            return [event["id"] for event in client.ok("event-history", **query)["events"]]

        assert found() == [other.pk, recent.pk]
        assert found(days=90) == [other.pk, recent.pk, old.pk]
        assert found(days=1, event_type="check_cycle") == []
        assert found(days=90, event_type="check_cycle") == [recent.pk, old.pk]
        assert client.ok("event-history", days=3)["date_filter"]["days"] == 3


class TestLogs:
    def test_a_failure_says_why_in_a_line_and_in_full(self, cast: Any) -> None:
        ids = records.small(cast.alice)
        client = MemberClient(cast.alice)
        [listed] = client.ok("execution-logs", status="failed")["logs"]
        assert listed["error_message"] == "HTTP 500 from the shop"
        assert listed["task"]["task_title"] == "failing"
        one = client.ok(f"execution-logs/{ids['failed']}")
        assert one["output"]["error_text"] == records.ERROR_TEXT
        assert [attempt["outcome"] for attempt in one["attempts"]] == ["failed"]
        assert one["attempts"][0]["error_message"] == "It failed."

    def test_a_result_is_shown(self, cast: Any) -> None:
        ids = records.small(cast.alice)
        one = MemberClient(cast.alice).ok(f"execution-logs/{ids['success']}")
        assert one["result_data"] == {"status": 200}
        assert one["output"]["result"] == {"status": 200}

    def test_live_executions_can_be_looked_at(self, cast: Any) -> None:
        ids = records.small(cast.alice)
        client = MemberClient(cast.alice)
        states = [client.ok(f"execution-logs/{ids[which]}")["state"] for which in ("pending", "running")]
        assert states == ["pending", "leased"]

    def test_a_skip_names_its_range_and_reason(self, cast: Any) -> None:
        records.small(cast.alice)
        skips = MemberClient(cast.alice).ok("execution-logs", status="skipped")["logs"]
        assert [(skip["reason"], skip["count"]) for skip in skips] == [("paused", 1), ("misfire", 61)]
        assert skips[1]["scheduled_for"] < skips[1]["scheduled_until"]
        assert skips[1]["error_message"] == "Too late."

    def test_a_deleted_job_is_still_named(self, cast: Any) -> None:
        records.small(cast.alice)
        logs = MemberClient(cast.alice).ok("execution-logs")["logs"]
        [retry] = [log for log in logs if log["kind"] == "retry"]
        assert retry["task"]["task_title"] == "deleted"
        assert retry["retry_of"] in [log["id"] for log in logs]

    def test_recent_scheduler_logs_are_the_last_five_job_events(self, cast: Any) -> None:
        made, at = records.Records(cast.alice), records.now() + timedelta(minutes=1)
        job = made.job()
        made.event("check_cycle", at + timedelta(hours=1))
        rows = [made.event("job_completed", at + timedelta(seconds=n), job) for n in range(4)]
        rows += [made.event("job_failed", at + timedelta(seconds=9), job, error_message="no")]
        page = MemberClient(cast.alice).ok("recent-scheduler-logs")
        assert [log["id"] for log in page["logs"]] == [f"scheduler_event_{r.pk}" for r in reversed(rows)]
        assert page["logs"][0]["status"] == "failed"
        assert (page["total_count"], page["limit"], page["has_more"]) == (5, 5, False)


class TestUsersOldAndNew:
    """Bob is `bob-acme` and was 7; Eve is 8 and mapped to nothing."""

    @pytest.fixture
    def rows(self, cast: Any) -> dict[str, int]:
        with tenant_scope(cast.tenant):
            UserIdentity.objects.create(tenant=cast.tenant, legacy_user_id=7, user_id=cast.bob.user_id)
        made, at = records.Records(cast.bob), records.now()
        job = made.job()
        forms = {
            "integer": (None, 7),
            "string": ("bob-acme", None),
            "both": ("bob-acme", 7),
            "text": ("7", None),
            "eve": (None, 8),
            "eve text": ("8", None),
            "nobody": (None, None),
        }
        return {
            name: made.finished(job, at - timedelta(minutes=n), user_id=text, legacy_user_id=number).pk
            for n, (name, (text, number)) in enumerate(forms.items())
        }

    @pytest.mark.parametrize("asked", ["bob-acme", "7"])
    def test_every_form_of_a_user_is_found_and_nobody_elses(
        self, cast: Any, rows: dict[str, int], asked: str
    ) -> None:
        expected = {rows[name] for name in ("integer", "string", "both", "text")}
        page = MemberClient(cast.ann).ok("execution-logs", user_id=asked)
        assert {log["id"] for log in page["logs"]} == expected
        assert {log["user_id"] for log in page["logs"]} == {"bob-acme"}
        assert page["total_count"] == 4
        own = MemberClient(cast.bob).ok("execution-logs", user_id=asked)
        assert {log["id"] for log in own["logs"]} == expected

    def test_an_integer_without_a_mapping_is_shown_as_text(self, cast: Any, rows: dict[str, int]) -> None:
        page = MemberClient(cast.ann).ok("execution-logs", user_id="8")
        assert {(log["id"], log["user_id"]) for log in page["logs"]} == {
            (rows["eve"], "8"),
            (rows["eve text"], "8"),
        }

    def test_members_list_their_own_and_may_not_ask_for_others(self, cast: Any, rows: dict[str, int]) -> None:
        bob, vic = MemberClient(cast.bob), MemberClient(cast.vic)
        assert bob.ok("execution-logs")["total_count"] == 4
        assert vic.ok("execution-logs")["total_count"] == 0
        for path in ("execution-logs", "event-history", "jobs"):
            for asked in ("bob-acme", "7", "nobody-at-all"):
                assert vic.get(path, user_id=asked).status_code == 403, (path, asked)
        for status in ("running", "skipped"):
            assert vic.get("execution-logs", user_id="7", status=status).status_code == 403
        assert vic.get(f"execution-logs/{rows['integer']}").status_code == 403
        assert bob.get(f"execution-logs/{rows['integer']}").status_code == 200
        assert bob.get(f"execution-logs/{rows['nobody']}").status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["execution-logs", "execution-logs.csv"])
@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("1970-01-01T00:00:00+23:59", 200),
        ("2020-01-01T00:00:00+23:59", 200),
        ("9999-12-31T23:59:59-23:59", 400),
    ],
)
def test_times_at_odd_offsets_and_at_the_ends_of_the_calendar(
    cast: Any, path: str, since: str, status: int
) -> None:
    response = MemberClient(cast.ann).get(path, since=since)
    assert response.status_code == status
    if getattr(response, "streaming", False):
        assert b"".join(response.streaming_content).startswith(b"id,")
