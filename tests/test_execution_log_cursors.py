"""Walking lists by cursor: every row once, and a cursor is good for its own list alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.contract.client import MemberClient
from tests.contract.records import Records, now

pytestmark = pytest.mark.django_db


def test_a_walk_sees_every_row_once_while_rows_arrive(cast: Any) -> None:
    made, at = Records(cast.alice), now()
    job = made.job()
    there = {made.finished(job, at - timedelta(minutes=n // 4), kind="manual").pk for n in range(60)}
    client, seen, cursor = MemberClient(cast.alice), [], None
    while True:
        page = client.ok("execution-logs", limit=7, **({"cursor": cursor} if cursor else {}))
        seen += [log["id"] for log in page["logs"]]
        made.finished(job, at + timedelta(minutes=1 + len(seen)))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == there


def test_lists_with_many_rows_at_one_instant_are_walked_whole(cast: Any) -> None:
    made, at = Records(cast.alice), now()
    job = made.job(name="same")
    for n in range(7):
        made.finished(job, at, kind="manual")
        made.live(made.job(name="same"), at)
        made.skip(made.job(name="same"), at - timedelta(hours=1), at, n + 1)
        made.event("check_cycle", at)
    client = MemberClient(cast.alice)
    for path, key, query in (
        ("execution-logs", "logs", {"job_id": job.pk}),
        ("execution-logs", "logs", {"search": "same"}),
        ("execution-logs", "logs", {"status": "running"}),
        ("execution-logs", "logs", {"status": "skipped"}),
        ("event-history", "events", {"event_type": "check_cycle"}),
        ("jobs", "jobs", {"ordering": "name"}),
        ("jobs", "jobs", {"ordering": "-name"}),
    ):
        whole = [row["id"] for row in client.ok(path, limit=500, **query)[key]]
        walked: list[Any] = []
        position: dict[str, str] = {}
        while True:
            page = client.ok(path, limit=3, **query, **position)
            walked += [row["id"] for row in page[key]]
            assert len(walked) <= len(whole)
            if not page["has_more"]:
                break
            position = {"cursor": page["next_cursor"]}
        assert walked == whole, (path, query)
        assert len(whole) >= 7


def test_a_cursor_is_good_for_its_list_and_ordering_alone(cast: Any) -> None:
    made, at = Records(cast.alice), now()
    job = made.job()
    for n in range(3):
        made.job(name=f"job {n}")
        made.finished(job, at - timedelta(minutes=n))
        made.live(job, at - timedelta(minutes=n))
        made.skip(job, at - timedelta(hours=n + 1), at - timedelta(hours=n + 1), 1)
    client = MemberClient(cast.alice)
    lists: list[tuple[str, dict[str, str]]] = [
        ("execution-logs", {}),
        ("execution-logs", {"status": "running"}),
        ("execution-logs", {"status": "skipped"}),
        ("event-history", {}),
        ("jobs", {}),
        ("jobs", {"ordering": "id"}),
        ("jobs", {"ordering": "name"}),
        ("jobs", {"ordering": "-name"}),
        ("jobs", {"ordering": "next_run_time"}),
    ]
    cursors = [client.ok(path, limit=1, **query)["next_cursor"] for path, query in lists]
    for number, (path, query) in enumerate(lists):
        for other, cursor in enumerate(cursors):
            response = client.get(path, cursor=cursor, **query)
            assert response.status_code == (200 if number == other else 400), (path, query, lists[other])
            if number != other:
                assert list(response.json()["errors"]) == ["cursor"]


def test_a_cursor_that_was_tampered_with_is_refused(cast: Any) -> None:
    made, at = Records(cast.alice), now()
    job = made.job()
    for n in range(2):
        made.finished(job, at - timedelta(minutes=n))
    client = MemberClient(cast.alice)
    cursor = client.ok("execution-logs", limit=1)["next_cursor"]
    assert client.get("execution-logs", cursor=cursor).status_code == 200
    body, signature = cursor.split("~")
    for wrong in (
        "A" + cursor[1:],
        cursor[:-1] + ("A" if cursor[-1] != "A" else "B"),
        cursor + "x",
        body,
        f"{body}~",
        f"~{signature}",
        f"{body}~{body}",
        "",
        "\x00",
        "é~é",
        "x" * 10_000,
    ):
        assert client.get("execution-logs", cursor=wrong).status_code == 400, wrong


def test_names_that_look_like_times_stay_names(cast: Any) -> None:
    made = Records(cast.alice)
    names = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "20260101", "plain"]
    for name in names:
        made.job(name=name)
    client, seen, cursor = MemberClient(cast.alice), [], None
    while True:
        page = client.ok("jobs", ordering="name", limit=1, **({"cursor": cursor} if cursor else {}))
        seen += [job["name"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(names)
