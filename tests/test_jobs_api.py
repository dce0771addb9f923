"""Jobs over HTTP. Alice owns acme, Bob is a member, Vic may only look; Charlie's side is bravo."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.executions.models import Execution, Skip
from apps.jobs import services
from apps.jobs.api.schema import JobListShape, JobShape
from apps.jobs.models import Cursor, Job
from apps.jobs.specs import JobSpec, TriggerSpec
from apps.tenants.context import tenant_scope
from tests.factories import key_of

pytestmark = pytest.mark.django_db
CRON = {"type": "cron", "cron_expression": "30 2 * * *"}
BODY = {"name": "nightly report", "trigger": CRON, "timezone": "Europe/Berlin", "payload": {"json": {"a": 1}}}


@dataclass
class Caller:
    """Somebody with a key on a tenant's host."""

    host: str
    key: str

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return Client().generic(
            method,
            f"/api/scheduler/{path}",
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
            content_type="application/json",
            headers={"Host": self.host, "Authorization": f"Bearer {self.key}", **headers},
        )


@pytest.fixture
def alice(cast: Any) -> Caller:
    return Caller(cast.host, key_of(cast.alice)[1])


@pytest.fixture
def bob(cast: Any) -> Caller:
    return Caller(cast.host, key_of(cast.bob)[1])


@pytest.fixture
def vic(cast: Any) -> Caller:
    return Caller(cast.host, key_of(cast.vic)[1])


@pytest.fixture
def charlie(other_cast: Any) -> Caller:
    return Caller(other_cast.host, key_of(other_cast.alice)[1])


def make(tenant: Any, owner: Any = None, name: str = "report", **fields: Any) -> Job:
    trigger = fields.pop("trigger", TriggerSpec.cron("*/5 * * * *"))
    user_id = owner.user_id if owner else None
    spec = JobSpec(name=name, trigger=trigger, user_id=user_id, **fields)
    return services.job_create(tenant=tenant, spec=spec, actor="tests")


def names(answer: Any) -> list[str]:
    return [job["name"] for job in answer.json()["jobs"]]


# -- create and read ------------------------------------------------------------------------------------------------


def test_a_job_is_created_and_read_back(bob: Caller, cast: Any) -> None:
    answer = bob("POST", "jobs", BODY)
    assert answer.status_code == 201, answer.content
    job = answer.json()
    assert answer["ETag"] == '"1"'
    assert set(job) == set(JobShape().fields)
    assert job["id"] == str(job["task_id"])
    assert job["name"] == "nightly report"
    assert job["trigger_type"] == "CronTrigger"
    assert job["user_id"] == cast.bob.user_id
    assert job["function_name"] == job["target"] == job["task_type"] == "http_request"
    assert job["is_database_task"] is True
    assert job["frequency"] == "Every day at 02:30 (Europe/Berlin)"
    assert (job["status"], job["website_url"], job["version"]) == ("active", None, 1)
    assert job["payload"] == {"json": {"a": 1}}
    assert job["trigger"] == {**CRON, "dst_gap": "next_valid", "dst_overlap": "first"}
    assert job["policies"]["misfire"] == "fire_once"
    assert datetime.fromisoformat(job["next_run_time"]) > datetime.now(UTC)
    for path in (f"jobs/{job['id']}", f"jobs/{job['id']}/"):
        again = bob("GET", path)
        assert again.status_code == 200
        assert again.json() == job


@pytest.mark.parametrize(
    ("trigger", "name"),
    [
        ({"type": "interval", "interval_seconds": 90}, "IntervalTrigger"),
        ({"type": "date", "run_date": "2090-05-01T09:00:00+02:00"}, "DateTrigger"),
        ({"type": "manual"}, "DateTrigger"),
    ],
)
def test_every_kind_of_trigger(bob: Caller, trigger: dict[str, Any], name: str) -> None:
    job = bob("POST", "jobs/", {"name": "x", "trigger": trigger}).json()
    assert job["trigger_type"] == name
    assert (job["next_run_time"] is None) is (trigger["type"] == "manual")
    assert job["trigger"]["type"] == trigger["type"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**BODY, "trigger": {"type": "cron", "cron_expression": "0 0 30 2 *"}}, "trigger.cron_expression"),
        ({**BODY, "trigger": {"type": "cron", "cron_expression": "* * * * * *"}}, "trigger.cron_expression"),
        (
            {**BODY, "trigger": {"type": "cron", "cron_expression": "*" * 1_000_000}},
            "trigger.cron_expression",
        ),
        ({**BODY, "trigger": {"type": "cron", "cron_expression": "R * * * *"}}, "trigger.cron_expression"),
        ({**BODY, "trigger": {"type": "interval", "interval_seconds": 0}}, "trigger.interval_seconds"),
        ({**BODY, "trigger": {"type": "interval", "interval_seconds": "\ud800"}}, "trigger.interval_seconds"),
        ({**BODY, "trigger": {"type": "date", "run_date": "yesterday"}}, "trigger.run_date"),
        ({**BODY, "trigger": {"type": "lunar"}}, "trigger.type"),
        ({**BODY, "trigger": {**CRON, "tz": "UTC"}}, "trigger.tz"),
        ({**BODY, "trigger": "30 2 * * *"}, "trigger"),
        ({**BODY, "timezone": "Mars/Olympus"}, "timezone"),
        ({**BODY, "timezone": 7}, "timezone"),
        ({**BODY, "name": "a\0b"}, "name"),
        ({**BODY, "name": {"$gt": ""}}, "name"),
        ({**BODY, "payload": {"url": "http://169.254.169.254/"}}, "payload.url"),
        ({**BODY, "payload": {"json": "\ud800"}}, "payload"),
        ({**BODY, "payload": {"\ud800": 1}}, "payload"),
        ({**BODY, "policies": {"max_attempts": 0}}, "policies.max_attempts"),
        ({**BODY, "policies": {"retries": 3}}, "policies.retries"),
        ({**BODY, "state": "leased"}, "state"),
        ({**BODY, "tenant_id": 1, "version": 7}, "tenant_id"),
        ({**BODY, "version": 7}, "version"),
        ({**BODY, "\ud800": 1}, "?"),
        ({"trigger": CRON}, "name"),
        ({"name": "x"}, "trigger.type"),
        ([], "non_field_errors"),
        ("text", "non_field_errors"),
    ],
)
def test_a_body_that_is_refused_names_the_field(bob: Caller, acme: Any, body: Any, field: str) -> None:
    answer = bob("POST", "jobs", body)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    assert answer.json()["detail"]
    assert len(answer.content) < 1000
    with tenant_scope(acme):
        assert not Job.objects.exists()


@pytest.mark.parametrize("body", [b"{", b'{"name": NaN}', b"\xff", b"[" * 100_000, b"9" * 10_000])
def test_what_is_no_json_is_a_bad_request(bob: Caller, body: bytes) -> None:
    answer = bob("POST", "jobs", body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


# -- whose ----------------------------------------------------------------------------------------------------------


def test_a_member_sees_their_own_and_an_owner_the_tenants(
    alice: Caller, bob: Caller, cast: Any, acme: Any
) -> None:
    make(acme, cast.alice, "of alice")
    make(acme, cast.bob, "of bob")
    make(acme, None, "of nobody")
    assert names(bob("GET", "jobs")) == ["of bob"]
    assert names(alice("GET", "jobs")) == ["of nobody", "of bob", "of alice"]
    assert names(alice("GET", f"jobs?user_id={cast.bob.user_id}")) == ["of bob"]
    assert names(bob("GET", f"jobs?user_id={cast.bob.user_id}")) == ["of bob"]
    for user_id in (cast.alice.user_id, "who-is-not-there"):
        assert bob("GET", f"jobs?user_id={user_id}").status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/trigger"),
        ("GET", "/next-runs"),
    ],
)
def test_someone_elses_job_is_403_another_tenants_404(
    alice: Caller, bob: Caller, charlie: Caller, cast: Any, acme: Any, method: str, path: str
) -> None:
    job = make(acme, cast.alice)
    body = (
        {} if method == "POST" else {"name": "x"} if method == "PATCH" else BODY if method == "PUT" else None
    )
    assert charlie(method, f"jobs/{job.id}{path}", body).status_code == 404
    assert bob(method, f"jobs/{job.id}{path}", body).status_code == 403
    with tenant_scope(acme):
        assert Job.objects.get(id=job.id).version == 1
    assert alice(method, f"jobs/{job.id}{path}", body).status_code in (200, 202)


def test_a_key_on_another_tenants_host(alice: Caller, charlie: Caller) -> None:
    assert Caller(charlie.host, alice.key)("GET", "jobs").status_code == 403
    assert Caller(charlie.host, "nonsense")("GET", "jobs").status_code == 401


def test_a_viewer_reads_their_own_and_writes_nothing(vic: Caller, cast: Any, acme: Any) -> None:
    job = make(acme, cast.vic)
    assert names(vic("GET", "jobs")) == ["report"]
    assert vic("GET", f"jobs/{job.id}").status_code == 200
    for method, path, body in [
        ("POST", "jobs", BODY),
        ("PATCH", f"jobs/{job.id}", {"name": "x"}),
        ("DELETE", f"jobs/{job.id}", None),
        ("POST", f"jobs/{job.id}/pause", {}),
        ("POST", f"jobs/{job.id}/trigger", {}),
    ]:
        assert vic(method, path, body).status_code == 403
    with tenant_scope(acme):
        assert Job.objects.get().version == 1
        assert not Execution.objects.exists()


def test_members_act_for_themselves_and_owners_for_anybody(alice: Caller, bob: Caller, cast: Any) -> None:
    assert bob("POST", "jobs", {**BODY, "user_id": cast.alice.user_id}).status_code == 403
    mine = bob("POST", "jobs", {**BODY, "user_id": cast.bob.user_id}).json()
    assert bob("PATCH", f"jobs/{mine['id']}", {"user_id": cast.alice.user_id}).status_code == 403
    assert bob("PATCH", f"jobs/{mine['id']}", {"user_id": None}).status_code == 403
    assert [bob("POST", "jobs", {**BODY, "user_id": wrong}).status_code for wrong in ([], {}, False)] == [
        400
    ] * 3
    assert alice("POST", "jobs", {**BODY, "user_id": 41}).json()["user_id"] == "41"
    moved = alice("PATCH", f"jobs/{mine['id']}", {"user_id": cast.alice.user_id})
    assert moved.json()["user_id"] == cast.alice.user_id
    assert bob("GET", f"jobs/{mine['id']}").status_code == 403


@pytest.mark.parametrize(
    "job_id", ["0", "999999999", "-1", "x", "1.5", "9" * 19, "9" * 400, "%00", "\N{FULLWIDTH DIGIT ONE}"]
)
def test_an_id_that_is_no_job(alice: Caller, job_id: str) -> None:
    answer = alice("GET", f"jobs/{job_id}")
    assert answer.status_code == 404
    assert "detail" in answer.json()


# -- change ---------------------------------------------------------------------------------------------------------


def test_patch_changes_what_it_names(bob: Caller) -> None:
    job = bob("POST", "jobs", BODY).json()
    answer = bob(
        "PATCH",
        f"jobs/{job['id']}",
        {"trigger": {"cron_expression": "0 4 * * *"}, "policies": {"priority": 3}},
    )
    assert answer.status_code == 200, answer.content
    changed = answer.json()
    assert changed["trigger"]["cron_expression"] == "0 4 * * *"
    assert changed["policies"] == {**job["policies"], "priority": 3}
    assert (changed["timezone"], changed["payload"]) == (job["timezone"], job["payload"])
    assert changed["next_run_time"] != job["next_run_time"]
    assert answer["ETag"] == '"2"'


def test_put_replaces_all_but_the_owner(bob: Caller, cast: Any) -> None:
    job = bob(
        "POST", "jobs", {**BODY, "policies": {"priority": 3}, "website_url": "https://example.com"}
    ).json()
    answer = bob(
        "PUT", f"jobs/{job['id']}", {"name": "new", "trigger": {"type": "interval", "interval_seconds": 60}}
    )
    assert answer.status_code == 200, answer.content
    replaced = answer.json()
    assert (replaced["name"], replaced["payload"], replaced["website_url"]) == ("new", {}, None)
    assert (replaced["timezone"], replaced["policies"]["priority"]) == ("UTC", 0)
    assert replaced["user_id"] == cast.bob.user_id
    same = bob(
        "PUT", f"jobs/{job['id']}", {"name": "new", "trigger": {"type": "interval", "interval_seconds": 60}}
    )
    assert same.json() == replaced  # and so neither its version nor its beat has moved
    assert bob("PUT", f"jobs/{job['id']}", {"name": "no trigger"}).status_code == 400


def test_if_match(bob: Caller) -> None:
    job = bob("POST", "jobs", BODY)
    path = f"jobs/{job.json()['id']}"
    assert bob("PATCH", path, {"name": "b"}, **{"If-Match": job["ETag"]}).status_code == 200
    stale = bob("PATCH", path, {"name": "c"}, **{"If-Match": job["ETag"]})
    assert stale.status_code == 412
    assert "Read it again" in stale.json()["detail"]
    assert bob("DELETE", path, **{"If-Match": job["ETag"]}).status_code == 412
    assert bob("PUT", path, BODY, **{"If-Match": '"1"'}).status_code == 412
    assert bob("POST", f"{path}/pause", {}, **{"If-Match": '"1"'}).status_code == 412
    assert bob("PATCH", path, {"name": "d"}, **{"If-Match": "soup"}).status_code == 400
    assert bob("PATCH", path, {"name": "d"}, **{"If-Match": "*"}).json()["name"] == "d"
    assert bob("DELETE", path, **{"If-Match": 'W/"3"'}).status_code == 200


def test_delete_answers_the_job_and_then_it_is_gone(bob: Caller) -> None:
    job = bob("POST", "jobs", BODY).json()
    answer = bob("DELETE", f"jobs/{job['id']}")
    assert (answer.status_code, answer.json()["id"], answer.json()["next_run_time"]) == (200, job["id"], None)
    assert bob("GET", f"jobs/{job['id']}").status_code == 404
    assert bob("DELETE", f"jobs/{job['id']}").status_code == 404
    assert names(bob("GET", "jobs")) == []


# -- actions --------------------------------------------------------------------------------------------------------


def test_pause_and_resume(bob: Caller, acme: Any) -> None:
    job = bob("POST", "jobs", {**BODY, "trigger": {"type": "cron", "cron_expression": "* * * * *"}}).json()
    paused = bob("POST", f"jobs/{job['id']}/pause", {"reason": "moving house"}).json()
    assert (paused["status"], paused["pause_reason"], paused["next_run_time"]) == (
        "paused",
        "moving house",
        None,
    )
    with tenant_scope(acme):
        Cursor.objects.filter(job_id=job["task_id"]).update(
            paused_from=datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=4)
        )
    resumed = bob("POST", f"jobs/{job['id']}/resume").json()
    assert (resumed["status"], resumed["pause_reason"]) == ("active", None)
    assert resumed["next_run_time"] is not None
    with tenant_scope(acme):
        assert Skip.objects.get().reason == "paused"
        assert Skip.objects.get().count >= 5
    assert bob("POST", f"jobs/{job['id']}/pause", {"because": "x"}).status_code == 400
    assert "reason" in bob("POST", f"jobs/{job['id']}/pause", {"reason": "r" * 501}).json()["errors"]


def test_trigger(bob: Caller, acme: Any) -> None:
    job = bob("POST", "jobs", {"name": "by hand", "trigger": {"type": "manual"}}).json()
    answer = bob("POST", f"jobs/{job['id']}/trigger")
    assert answer.status_code == 202
    assert (answer.json()["success"], answer.json()["job_id"]) == (True, job["id"])
    with tenant_scope(acme):
        assert Execution.objects.get().pk == answer.json()["execution_id"]


def test_next_runs(bob: Caller) -> None:
    job = bob("POST", "jobs", BODY).json()
    answer = bob("GET", f"jobs/{job['id']}/next-runs?count=400")
    assert answer.status_code == 400
    runs = bob("GET", f"jobs/{job['id']}/next-runs?count=3").json()
    assert (runs["job_id"], runs["timezone"], len(runs["next_runs"])) == (job["id"], "Europe/Berlin", 3)
    assert runs["next_runs"][0]["run_time"] == job["next_run_time"]
    assert runs["next_runs"][0]["local_time"][11:16] == "02:30"
    assert len(bob("GET", f"jobs/{job['id']}/next-runs").json()["next_runs"]) == 10


def test_preview_saves_nothing_and_marks_the_missing_hour(bob: Caller, acme: Any) -> None:
    body = {"trigger": CRON, "timezone": "Europe/Berlin", "count": 100}
    runs = [
        run
        for month in range(1, 13, 3)
        for run in bob(
            "POST",
            "jobs/preview",
            {**body, "trigger": {**CRON, "cron_expression": f"30 2 * {month}-{month + 2} *"}},
        ).json()["next_runs"]
    ]
    marked = [run for run in runs if run["transition"] == "gap"]
    assert marked
    assert all("does not exist" in run["note"] for run in marked)
    refused = bob("POST", "jobs/preview", {"trigger": {"type": "cron", "cron_expression": "0 0 30 2 *"}})
    assert "never run" in refused.json()["errors"]["trigger.cron_expression"][0]
    assert bob("POST", "jobs/preview", {**body, "count": 0}).status_code == 400
    assert bob("POST", "jobs/preview", {**body, "name": "x"}).status_code == 400
    with tenant_scope(acme):
        assert not Job.objects.exists()


# -- the list -------------------------------------------------------------------------------------------------------


def test_the_list_has_its_counts_and_its_envelope(alice: Caller, acme: Any) -> None:
    for number in range(3):
        make(acme, name=f"job {number}")
    make(acme, name="once", trigger=TriggerSpec.once(datetime.now(UTC) + timedelta(days=1)))
    for path in ("jobs?limit=2", "jobs/?limit=2"):
        page = alice("GET", path).json()
        assert set(page) == set(JobListShape().fields)
        assert (page["total_jobs"], page["recurring_jobs"], page["one_time_jobs"]) == (4, 3, 1)
        assert (page["total_count"], page["limit"], page["offset"], page["has_more"]) == (4, 2, 0, True)
    rest = alice("GET", f"jobs?limit=2&cursor={page['next_cursor']}")
    assert names(rest) == ["job 1", "job 0"]
    for query in (
        "limit=0",
        "limit=501",
        "limit=x",
        "offset=-1",
        "cursor=!",
        "status=asleep",
        "ordering=payload",
    ):
        assert alice("GET", f"jobs?{query}").status_code == 400, query


def test_the_list_is_filtered_and_ordered(alice: Caller, acme: Any) -> None:
    make(acme, name="Alpha report", task_type="reports")
    beta = make(acme, name="beta 100%", trigger=TriggerSpec.cron("0 0 1 1 *"))
    make(acme, name="gamma", trigger=TriggerSpec.manual())
    services.job_pause(tenant=acme, job_id=beta.id, actor="tests")
    assert names(alice("GET", "jobs?status=paused")) == ["beta 100%"]
    assert names(alice("GET", "jobs?status=active&ordering=name")) == ["Alpha report", "gamma"]
    assert names(alice("GET", "jobs?task_type=reports")) == ["Alpha report"]
    assert names(alice("GET", "jobs?search=REPORT")) == ["Alpha report"]
    assert names(alice("GET", "jobs?search=0%25")) == ["beta 100%"]
    assert names(alice("GET", "jobs?search=%25")) == ["beta 100%"]
    assert names(alice("GET", "jobs?ordering=-name")) == ["gamma", "beta 100%", "Alpha report"]
    services.job_resume(tenant=acme, job_id=beta.id, actor="tests")
    assert names(alice("GET", "jobs?ordering=next_run_time")) == ["Alpha report", "beta 100%", "gamma"]
    seen, query = [], "jobs?ordering=next_run_time&limit=1"
    for _ in range(3):
        page = alice("GET", query)
        seen += names(page)
        query = f"jobs?ordering=next_run_time&limit=1&cursor={page.json()['next_cursor']}"
    assert seen == ["Alpha report", "beta 100%", "gamma"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=asleep", "status"),
        ("ordering=payload", "ordering"),
        ("ordering=name,id", "ordering"),
        ("ordering=--id", "ordering"),
        ("search=%00", "search"),
        ("search=a%0ab", "search"),
        (f"search={'x' * 201}", "search"),
        (f"task_type={'x' * 201}", "task_type"),
        (f"user_id={'x' * 201}", "user_id"),
        ("user_id=%00", "user_id"),
    ],
)
def test_a_filter_that_is_refused_names_the_field(alice: Caller, bob: Caller, query: str, field: str) -> None:
    for caller in (alice, bob):
        answer = caller("GET", f"jobs?{query}")
        assert answer.status_code == 400
        assert set(answer.json()["errors"]) == {field}
        assert answer.json()["detail"].startswith(f"{field}: ")
    both = alice("GET", f"jobs?{query}&limit=5&status=paused-ish").json()["errors"]
    assert field in both


def test_an_empty_filter_is_none_and_spaces_count(alice: Caller, acme: Any) -> None:
    make(acme, name="a b")
    make(acme, name="ab")
    assert names(alice("GET", "jobs?status=&task_type=&user_id=&search=&ordering=")) == ["ab", "a b"]
    assert names(alice("GET", "jobs?search=%20")) == ["a b"]


@pytest.mark.parametrize("column", ["id", "name", "created_at", "updated_at", "next_run_time"])
def test_every_ordering_and_its_reverse(alice: Caller, acme: Any, column: str) -> None:
    for number in (2, 1, 3):
        trigger = TriggerSpec.once(datetime.now(UTC) + timedelta(days=number))
        services.job_pause(
            tenant=acme, job_id=make(acme, name=f"job {number}", trigger=trigger).id, actor="tests"
        )
    with tenant_scope(acme):
        for cursor in Cursor.objects.all():
            Cursor.objects.filter(pk=cursor.pk).update(next_run_at=cursor.paused_from)
    forward = alice("GET", f"jobs?ordering={column}").json()["jobs"]
    assert [job[column] for job in forward] == sorted(job[column] for job in forward)
    assert names(alice("GET", f"jobs?ordering=-{column}")) == [job["name"] for job in reversed(forward)]


# -- queries --------------------------------------------------------------------------------------------------------


def queries(caller: Caller, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert caller("GET", path).status_code == 200
    return len(captured)


def test_a_list_costs_the_same_whatever_its_length(alice: Caller, bob: Caller, cast: Any, acme: Any) -> None:
    make(acme, cast.bob)
    one, one_of_bob = queries(alice, "jobs"), queries(bob, "jobs")
    for number in range(8):
        make(acme, cast.bob, f"job {number}", payload={"json": number})
    assert queries(alice, "jobs") == one
    assert queries(bob, "jobs") == one_of_bob


def test_query_counts(alice: Caller, bob: Caller, cast: Any, acme: Any) -> None:
    job = make(acme, cast.bob)
    assert queries(alice, "jobs") == LIST_QUERIES
    assert queries(bob, "jobs") == LIST_QUERIES + 1  # who Bob is, in all forms
    assert queries(alice, f"jobs/{job.id}") == DETAIL_QUERIES
    assert queries(bob, f"jobs/{job.id}") == DETAIL_QUERIES + 1


EVERY_REQUEST = 6  # key, host, the READ ONLY transaction's three, membership
LIST_QUERIES = EVERY_REQUEST + 4  # count, page, contents, counts by kind
DETAIL_QUERIES = EVERY_REQUEST + 2  # job with cursor, content
