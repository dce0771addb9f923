"""Calendars over HTTP: what goes in, whose it is, and what a job's coming times show of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from apps.jobs.api.calendars_schema import CalendarShape
from apps.jobs.calendars.entries import MAX_ENTRIES, blackouts_of, covering, reaching
from apps.jobs.calendars.services import MAX_CALENDARS
from apps.jobs.models import Calendar, Job
from apps.jobs.recurrence.errors import ScheduleError
from apps.tenants.context import tenant_scope
from apps.tenants.models import AuditEntry
from tests.contract.client import MemberClient
from tests.factories import make_job

BODY = {
    "name": "Holidays",
    "timezone": "Europe/Berlin",
    "blackouts": [{"from": "2026-12-24T12:00", "to": "2026-12-27", "reason": " Christmas. "}],
}


@pytest.fixture
def alice(db: None, cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


@pytest.fixture
def bob(db: None, cast: Any) -> MemberClient:
    return MemberClient(cast.bob)


def made(client: MemberClient, **fields: Any) -> dict[str, Any]:
    answer = client.send("POST", "calendars", BODY | fields)
    assert answer.status_code == 201, answer.content
    shown: dict[str, Any] = answer.json()
    return shown


def errors(answer: Any) -> dict[str, str]:
    assert answer.status_code == 400, answer.content
    return {field: sentences[0] for field, sentences in answer.json()["errors"].items()}


class TestWriting:
    def test_a_calendar_is_made_read_and_listed_in_canonical_form(self, alice: MemberClient) -> None:
        shown = made(alice)

        assert shown["blackouts"] == [
            {"from": "2026-12-24T12:00:00", "to": "2026-12-27", "reason": "Christmas."}
        ]
        assert (shown["name"], shown["timezone"], shown["jobs"], shown["version"]) == (
            "Holidays",
            "Europe/Berlin",
            0,
            1,
        )
        assert set(shown) == set(CalendarShape().fields)
        read = alice.send("GET", f"calendars/{shown['id']}")
        assert (read.json(), read.headers["ETag"]) == (shown, '"1"')
        assert alice.ok("calendars")["calendars"] == [shown]

    def test_members_read_and_do_not_write(self, alice: MemberClient, bob: MemberClient) -> None:
        shown = made(alice)
        path = f"calendars/{shown['id']}"

        assert bob.ok(path) == shown
        for method, where in (("POST", "calendars"), ("PUT", path), ("PATCH", path), ("DELETE", path)):
            assert bob.send(method, where, BODY).status_code == 403
        assert alice.ok(path) == shown

    def test_another_tenants_calendar_is_not_there(
        self, alice: MemberClient, cast: Any, other_cast: Any
    ) -> None:
        theirs = made(MemberClient(other_cast.alice))

        for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
            assert alice.send(method, f"calendars/{theirs['id']}", body).status_code == 404
        job = make_job(cast.alice.tenant, user_id=cast.alice.user_id)
        said = errors(alice.send("PATCH", f"jobs/{job.pk}", {"calendar": theirs["id"]}))
        assert said == {"calendar": "There is no such calendar."}
        assert errors(alice.send("POST", "jobs/preview", preview_of(theirs["id"]))) == said

    def test_patch_changes_what_it_names_and_put_the_rest_to_its_default(self, alice: MemberClient) -> None:
        path = f"calendars/{made(alice)['id']}"

        patched = alice.send("PATCH", path, {"name": "Closed"}).json()
        assert (patched["name"], patched["timezone"], patched["version"]) == ("Closed", "Europe/Berlin", 2)
        assert alice.send("PATCH", path, {"name": "Closed"}).json() == patched
        put = alice.send("PUT", path, {"name": "Closed"}).json()
        assert (put["timezone"], put["blackouts"], put["version"]) == ("UTC", [], 3)
        assert set(errors(alice.send("PUT", path, {}))) == {"name"}

    def test_an_old_version_is_refused(self, alice: MemberClient) -> None:
        path = f"calendars/{made(alice)['id']}"
        assert alice.send("PATCH", path, {"name": "a"}, **{"If-Match": '"1"'}).status_code == 200

        for method in ("PATCH", "PUT", "DELETE"):
            assert alice.send(method, path, {"name": "b"}, **{"If-Match": '"1"'}).status_code == 412
        assert alice.ok(path)["name"] == "a"
        assert alice.send("DELETE", path, **{"If-Match": '"2"'}).status_code == 200

    def test_one_that_jobs_use_stays_until_they_let_go(self, alice: MemberClient, cast: Any) -> None:
        shown = made(alice)
        path = f"calendars/{shown['id']}"
        job = make_job(cast.alice.tenant, calendar_id=int(shown["id"]))
        gone = make_job(cast.alice.tenant, calendar_id=int(shown["id"]))
        alice.send("DELETE", f"jobs/{gone.pk}")

        refused = alice.send("DELETE", path)
        assert refused.status_code == 409
        assert refused.json()["detail"] == "1 jobs use this calendar; take it out of them first."
        assert alice.ok(path)["jobs"] == 1
        assert alice.send("PATCH", f"jobs/{job.pk}", {"calendar": None}).json()["calendar"] is None
        assert alice.send("DELETE", path).status_code == 200
        assert alice.send("GET", path).status_code == 404

    def test_every_change_is_in_the_audit_trail_with_the_entries_that_came_and_went(
        self, alice: MemberClient, cast: Any
    ) -> None:
        path = f"calendars/{made(alice)['id']}"
        new = {"from": "2027-01-01", "to": "2027-01-02", "reason": ""}
        alice.send("PATCH", path, {"blackouts": [new]})
        alice.send("DELETE", path)

        with tenant_scope(cast.alice.tenant):
            trail = list(AuditEntry.objects.filter(object_type="calendar").order_by("id"))
        assert [entry.action for entry in trail] == [
            "calendar.create",
            "calendar.update",
            "calendar.delete",
        ]
        old = {"from": "2026-12-24T12:00:00", "to": "2026-12-27", "reason": "Christmas."}
        assert trail[1].data["blackouts"] == {"removed": [old], "added": [new]}
        assert trail[2].data["before"] == {"name": "Holidays", "timezone": "Europe/Berlin"}

    def test_there_are_only_so_many(self, alice: MemberClient, cast: Any) -> None:
        with tenant_scope(cast.alice.tenant):
            Calendar.objects.bulk_create(
                Calendar(tenant=cast.alice.tenant, name=f"c{number}") for number in range(MAX_CALENDARS)
            )
        said = errors(alice.send("POST", "calendars", BODY))
        assert said == {"non_field_errors": f"A tenant has at most {MAX_CALENDARS} calendars; you have 50."}

    @pytest.mark.parametrize(
        ("fields", "field", "fragment"),
        [
            ({"name": ""}, "name", "cannot be empty"),
            ({"name": "two\nlines"}, "name", "cannot be shown"),
            ({"timezone": "Mars/Olympus"}, "timezone", "no time zone"),
            ({"timezone": 7}, "timezone", "time zone is needed"),
            ({"blackouts": {}}, "blackouts", "has to be a list"),
            ({"blackouts": None}, "blackouts", "has to be a list"),
            ({"blackouts": [7]}, "blackouts.0", "has to be an object"),
            (
                {"blackouts": [{"from": "2026-12-24", "to": "2026-12-25", "x": 1}]},
                "blackouts.0",
                "nothing else",
            ),
            ({"blackouts": [{"from": "2026-12-24"}]}, "blackouts.0.to", "local date or time"),
            ({"blackouts": [{"from": "24.12.2026", "to": "2026-12-25"}]}, "blackouts.0.from", "local date"),
            ({"blackouts": [{"from": "2026-02-30", "to": "2026-12-25"}]}, "blackouts.0.from", "local date"),
            (
                {"blackouts": [{"from": "0001-01-01", "to": "2026-12-25"}]},
                "blackouts.0.from",
                "year from 1970",
            ),
            (
                {"blackouts": [{"from": "2026-12-25", "to": "2026-12-25"}]},
                "blackouts.0.to",
                "after it begins",
            ),
            (
                {"blackouts": [{"from": "2026-12-25T00:00Z", "to": "2026-12-26"}]},
                "blackouts.0.from",
                "Leave out the offset",
            ),
            (
                {"blackouts": [{"from": "2026-12-25", "to": "2026-12-26", "reason": "r" * 201}]},
                "blackouts.0.reason",
                "200 printable",
            ),
            (
                {"blackouts": [{"from": "2026-12-25", "to": "2026-12-26"}] * (MAX_ENTRIES + 1)},
                "blackouts",
                "At most 1,000 entries; this has 1,001",
            ),
            ({"colour": "red"}, "colour", "no such field"),
        ],
    )
    def test_what_is_wrong_is_said_where_it_is(
        self, alice: MemberClient, fields: dict[str, Any], field: str, fragment: str
    ) -> None:
        said = errors(alice.send("POST", "calendars", BODY | fields))
        assert list(said) == [field]
        assert fragment in said[field]

    def test_a_thousand_entries_are_taken_and_a_taken_name_is_not(self, alice: MemberClient) -> None:
        many = [{"from": "2026-12-25", "to": "2026-12-26"}] * MAX_ENTRIES
        assert len(made(alice, blackouts=many)["blackouts"]) == MAX_ENTRIES
        assert errors(alice.send("POST", "calendars", BODY)) == {
            "name": "Another calendar of yours has this name."
        }


def preview_of(calendar: str | None, **trigger: Any) -> dict[str, Any]:
    return {
        "trigger": {"type": "cron", "cron_expression": "0 12 24-28 12 *", **trigger},
        "timezone": "Europe/Berlin",
        "calendar": calendar,
        "count": 5,
    }


class TestComing:
    def test_times_in_a_blackout_are_marked_with_the_calendar_and_its_reason(
        self, alice: MemberClient, cast: Any
    ) -> None:
        year = datetime.now(ZoneInfo("Europe/Berlin")).year + 1
        entry = {"from": f"{year}-12-24T12:00", "to": f"{year}-12-27T12:00", "reason": "Christmas."}
        shown = made(alice, blackouts=[entry])
        starts = f"{year}-12-01T00:00:00Z"

        marks = [
            run["blackout"]
            for run in alice.send("POST", "jobs/preview", preview_of(shown["id"], starts_at=starts)).json()[
                "next_runs"
            ]
        ]
        said = "Calendar “Holidays”: Christmas."
        assert marks == [said, said, said, None, None]  # the end is not part of it

        body = preview_of(shown["id"], starts_at=starts)
        del body["count"]
        job = alice.send("POST", "jobs", {**body, "name": "j", "target": "http_check", "payload": PAGE})
        assert job.status_code == 201, job.content
        assert job.json()["calendar"] == shown["id"]
        path = f"jobs/{job.json()['id']}/next-runs?count=5"
        assert [run["blackout"] for run in alice.send("GET", path).json()["next_runs"]] == marks
        alice.send("PATCH", f"calendars/{shown['id']}", {"blackouts": []})
        assert [run["blackout"] for run in alice.send("GET", path).json()["next_runs"]] == [None] * 5

    @pytest.mark.parametrize("given", ["x", "-1", 2**70, [], "9" * 30])
    def test_what_is_no_calendar_is_refused(self, alice: MemberClient, given: Any) -> None:
        assert set(errors(alice.send("POST", "jobs/preview", preview_of(given)))) == {"calendar"}

    def test_an_edit_of_a_job_that_keeps_its_calendar_leaves_it(self, alice: MemberClient, cast: Any) -> None:
        shown = made(alice)
        job = make_job(cast.alice.tenant, calendar_id=int(shown["id"]))

        assert alice.send("PATCH", f"jobs/{job.pk}", {"name": "b"}).json()["calendar"] == shown["id"]
        body = {"name": "b", "trigger": {"type": "manual"}, "target": "http_check", "payload": PAGE}
        assert alice.send("PUT", f"jobs/{job.pk}", body).json()["calendar"] is None
        with tenant_scope(cast.alice.tenant):
            assert Job.objects.get(pk=job.pk).calendar_id is None


PAGE = {"url": "https://example.com/"}


def instants(zone: str, *entries: tuple[str, str]) -> list[tuple[str, str]]:
    rows = [{"from": start, "to": end, "reason": start} for start, end in entries]
    return [
        (f"{blackout.start:%m-%dT%H:%M}", f"{blackout.end:%m-%dT%H:%M}")
        for blackout in blackouts_of("c", zone, rows)
    ]


class TestInstants:
    """Berlin leaves out 02:00 to 03:00 on 29 March 2026, at 01:00 UTC, and repeats it on 25 October, from 00:00."""

    def test_a_date_is_its_first_moment_on_the_local_clock(self) -> None:
        assert instants("Europe/Berlin", ("2026-03-29", "2026-03-30")) == [("03-28T23:00", "03-29T22:00")]

    @pytest.mark.parametrize(
        ("start", "end", "covered"),
        [
            ("2026-03-29T02:30", "2026-03-29T05:00", ("03-29T01:00", "03-29T03:00")),
            ("2026-03-29T01:00", "2026-03-29T02:30", ("03-29T00:00", "03-29T01:00")),
            ("2026-10-25T02:30", "2026-10-25T04:00", ("10-25T00:30", "10-25T03:00")),
            ("2026-10-25T01:00", "2026-10-25T02:30", ("10-24T23:00", "10-25T01:30")),
        ],
    )
    def test_ends_at_a_clock_change(self, start: str, end: str, covered: tuple[str, str]) -> None:
        assert instants("Europe/Berlin", (start, end)) == [covered]

    def test_what_lies_wholly_in_the_gap_covers_nothing(self) -> None:
        assert instants("Europe/Berlin", ("2026-03-29T02:10", "2026-03-29T02:50")) == []

    def test_entries_that_overlap_come_out_apart_and_in_order(self) -> None:
        rows = [
            ("2026-05-03", "2026-05-06"),
            ("2026-05-01", "2026-05-04"),
            ("2026-05-01", "2026-05-02"),
            ("2026-05-05", "2026-05-08"),
        ]
        found = blackouts_of("c", "UTC", [{"from": a, "to": b, "reason": f"{a} {b}"} for a, b in rows])

        assert all(one.end <= other.start for one, other in pairwise(found))
        covered = {day for day in range(1, 12) if covering(found, datetime(2026, 5, day, tzinfo=UTC))}
        assert covered == set(range(1, 8))
        at = covering(found, datetime(2026, 5, 3, 12, tzinfo=UTC))
        assert at is not None
        assert at.detail == "Calendar “c”: 2026-05-01 2026-05-04."

    def test_those_that_reach_into_a_span_and_no_others(self) -> None:
        found = blackouts_of(
            "c", "UTC", [{"from": f"2026-05-{day:02}", "to": f"2026-05-{day + 1:02}"} for day in (1, 3, 5, 7)]
        )
        third = datetime(2026, 5, 3, tzinfo=UTC)

        assert reaching(found, third, third) == found[1:2]
        assert reaching(found, third - timedelta(days=1), third - timedelta(microseconds=1)) == ()
        assert reaching(found, third + timedelta(days=1), third + timedelta(days=2)) == found[2:3]

    def test_a_zone_that_is_gone_is_an_error_of_the_schedule(self) -> None:
        with pytest.raises(ScheduleError):
            blackouts_of("c", "Mars/Olympus", [])
