"""Members over HTTP: invitations, roles, removal, and what none of them tells of other tenants."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.executions.models import Execution
from apps.tenants import services
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import ApiKey, AuditEntry, Membership, User, UserIdentity
from tests.contract.client import MemberClient
from tests.factories import MembershipFactory, key_of, make_job

SHOWN = {"id", "user_id", "legacy_user_id", "username", "role", "created_at"}


@pytest.fixture
def alice(db: None, cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


@pytest.fixture
def ann(db: None, cast: Any) -> MemberClient:
    return MemberClient(cast.ann)


def invite(client: MemberClient, status: int = 201, **body: Any) -> Any:
    response = client.send("POST", "members", body)
    assert response.status_code == status, response.content
    return response.json()


# -- invitations ---------------------------------------------------------------------------------------------------


def test_an_invited_person_is_a_member_without_a_password(alice, acme):
    answer = invite(alice, username="nora")
    assert answer.keys() == SHOWN
    assert (answer["user_id"], answer["role"], answer["legacy_user_id"]) == ("nora", "member", None)
    assert not User.objects.get(username="nora").has_usable_password()
    assert alice.ok(f"members/{answer['id']}") == answer
    key = alice.send("POST", "api-keys", {"name": "first", "user_id": "nora"}).json()["key"]
    headers = {"Authorization": f"Bearer {key}", "Host": "acme.localhost"}
    assert Client().get("/api/scheduler/jobs", headers=headers).status_code == 200


def test_an_account_of_another_tenant_is_taken_up_as_a_new_one_would_be(alice, cast, other_cast):
    """The answers differ in nothing but what was asked: nobody learns whether there was such an account."""
    known = other_cast.bob.account
    User.objects.filter(pk=known.pk).update(email="bob@bravo.example", first_name="Bobby")
    taken_up = alice.send("POST", "members", {"username": known.username})
    fresh = alice.send("POST", "members", {"username": "never-seen"})
    assert taken_up.status_code == fresh.status_code == 201
    said = [response.content.decode() for response in (taken_up, fresh)]
    for private in ("bravo.example", "Bobby", str(known.pk)):
        assert all(f'"{private}' not in text for text in said)
    bodies = [response.json() for response in (taken_up, fresh)]
    assert [body["username"] for body in bodies] == [body["user_id"] for body in bodies]
    own = {"id", "username", "user_id", "created_at"}
    first, second = ({name: body[name] for name in body.keys() - own} for body in bodies)
    assert first == second


def test_an_invitation_changes_nothing_of_an_account_that_exists(alice, other_cast):
    before = User.objects.filter(pk=other_cast.bob.account_id).values().get()
    invite(alice, username=before["username"])
    assert User.objects.filter(pk=other_cast.bob.account_id).values().get() == before


@pytest.mark.parametrize("field", ["password", "email", "is_staff", "account_id", "tenant_id"])
def test_a_tenant_sets_nothing_of_an_account(alice, field):
    assert field in invite(alice, 400, username="mallory", **{field: "x"})["errors"]
    assert not User.objects.filter(username="mallory").exists()


def test_an_address_is_one_account_and_its_own_mailbox(alice):
    assert invite(alice, username="Nora@Example.org")["username"] == "nora@example.org"
    assert User.objects.get(username="nora@example.org").email == "nora@example.org"
    assert "username" in invite(alice, 400, username="nora@EXAMPLE.org")["errors"]


def test_a_password_that_an_operator_sets_later_takes_hold(alice, bravo):
    """An account that an invitation left without a password is not lost to the operator's command."""
    invite(alice, username="nora")
    services.member_create(tenant=bravo, username="nora", role="member", password="long enough", actor="t")
    assert User.objects.get(username="nora").check_password("long enough")
    services.member_role_set(membership=_member(bravo, "nora"), role="viewer", actor="t")
    assert User.objects.get(username="nora").check_password("long enough")


def _member(tenant: Any, user_id: str) -> Membership:
    with tenant_scope(tenant):
        return Membership.objects.select_related("tenant").get(tenant=tenant, user_id=user_id)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "username"),
        ({"username": ""}, "username"),
        ({"username": "no spaces"}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"username": "n\x00"}, "username"),
        ({"username": ["n"]}, "username"),
        ({"username": "n", "role": "god"}, "role"),
        ({"username": "n", "role": None}, "role"),
        ({"username": "n", "user_id": "a/b"}, "user_id"),
        ({"username": "n", "user_id": " "}, "user_id"),
        ({"username": "n", "user_id": "x" * 201}, "user_id"),
        ({"username": "n", "legacy_user_id": "seven"}, "legacy_user_id"),
        ({"username": "n", "legacy_user_id": 2**63}, "legacy_user_id"),
    ],
)
def test_bad_input_is_named_by_field(alice, body, field):
    assert field in invite(alice, 400, **body)["errors"]


def test_a_place_that_is_taken(alice, cast):
    assert "username" in invite(alice, 400, username=cast.bob.account.username)["errors"]
    assert "username" in invite(alice, 400, username="another", user_id=cast.bob.user_id)["errors"]


# -- old and new user ids ------------------------------------------------------------------------------------------


def test_both_forms_of_a_user_id_are_recorded_as_one_identity(alice, acme):
    answer = invite(alice, username="nora", user_id="u-nora", legacy_user_id=71)
    assert (answer["user_id"], answer["legacy_user_id"]) == ("u-nora", 71)
    with tenant_scope(acme):
        assert UserIdentity.objects.get(legacy_user_id=71).user_id == "u-nora"
    for form in ("u-nora", "71"):
        assert [row["id"] for row in alice.ok("members", user_id=form)["members"]] == [answer["id"]]


def test_nobody_takes_anothers_number(alice, acme):
    invite(alice, username="nora", legacy_user_id=71)
    with tenant_scope(acme):
        UserIdentity.objects.create(tenant=acme, legacy_user_id=72, user_id="gone")
        UserIdentity.objects.create(tenant=acme, legacy_user_id=74, user_id="75")
    for body in (
        {"username": "eve", "legacy_user_id": 71},
        {"username": "eve", "user_id": "71"},
        {"username": "eve", "legacy_user_id": 72},
        {"username": "eve", "legacy_user_id": 75},
        {"username": "eve", "user_id": "72"},
        {"username": "eve", "user_id": "gone", "legacy_user_id": 73},
    ):
        assert set(invite(alice, 400, **body)["errors"]) & {"user_id", "legacy_user_id"}, body
    assert not User.objects.filter(username="eve").exists()


def test_who_comes_back_has_the_number_of_before(alice, acme):
    first = invite(alice, username="nora", legacy_user_id=71)
    assert alice.send("DELETE", f"members/{first['id']}").status_code == 200
    again = invite(alice, username="nora")
    assert again["legacy_user_id"] == 71
    assert again["id"] != first["id"]


# -- roles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "status"), [("owner", 403), ("admin", 201), ("viewer", 201)])
def test_an_admin_gives_roles_up_to_their_own(ann, cast, role, status):
    invite(ann, status, username="nora", role=role)
    change = ann.send("PATCH", f"members/{cast.bob.pk}", {"role": role})
    assert change.status_code == (200 if status == 201 else status)


def test_an_admin_does_not_touch_an_owner(ann, cast):
    MembershipFactory(tenant=cast.tenant, username="olga", role="owner")  # so that Alice is not the last
    for role in ("viewer", "admin", "owner"):
        assert ann.send("PATCH", f"members/{cast.alice.pk}", {"role": role}).status_code == 403
    assert ann.send("DELETE", f"members/{cast.alice.pk}").status_code == 403


def test_an_owner_with_an_admins_key_is_an_admin(db, cast):
    weak = MemberClient(cast.alice, role="admin")
    olga = MembershipFactory(tenant=cast.tenant, username="olga", role="owner")
    assert weak.send("PATCH", f"members/{olga.pk}", {"role": "viewer"}).status_code == 403
    assert weak.send("PATCH", f"members/{cast.bob.pk}", {"role": "owner"}).status_code == 403
    assert weak.send("DELETE", f"members/{olga.pk}").status_code == 403


def test_a_role_holds_at_once_for_sessions_and_keys(alice, cast):
    bob, ann = MemberClient(cast.bob), MemberClient(cast.ann)
    assert bob.get("members").status_code == 403
    assert ann.get("members").status_code == 200
    answer = alice.send("PATCH", f"members/{cast.ann.pk}", {"role": "viewer"})
    assert (answer.status_code, answer.json()["role"]) == (200, "viewer")
    assert ann.get("members").status_code == 403
    assert ann.send("POST", "jobs/preview", {}).status_code == 403
    alice.send("PATCH", f"members/{cast.ann.pk}", {"role": "admin"})
    assert ann.get("members").status_code == 200
    assert alice.send("PATCH", f"members/{cast.bob.pk}", {"role": "admin"}).status_code == 200
    assert bob.get("members").status_code == 403  # the key was made for a member


@pytest.mark.parametrize("body", [{}, {"role": "god"}, {"role": 1}, {"role": "admin", "user_id": "x"}, []])
def test_bad_changes(alice, cast, body):
    response = alice.send("PATCH", f"members/{cast.bob.pk}", body)
    assert response.status_code == 400
    assert response.json()["errors"]


def test_the_last_owner_stays_one(alice, cast):
    for method, body in (("PATCH", {"role": "admin"}), ("DELETE", None)):
        assert alice.send(method, f"members/{cast.alice.pk}", body).status_code == 409
    assert alice.send("PATCH", f"members/{cast.alice.pk}", {"role": "owner"}).status_code == 200
    invite(alice, username="olga", role="owner")
    assert alice.send("PATCH", f"members/{cast.alice.pk}", {"role": "admin"}).status_code == 200


def test_two_owners_who_demote_each_other_at_once_leave_one(live_db, cast):
    olga = MembershipFactory(tenant=cast.tenant, username="olga", role="owner")

    def demote(member: Membership) -> str:
        try:
            services.member_role_set(membership=member, role="admin", actor="tests")
            return "done"
        except services.NotAsItIs:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demote, [cast.alice, olga])) == ["done", "refused"]
    with tenant_scope(cast.tenant):
        assert Membership.objects.filter(role="owner").count() == 1


def test_two_invitations_of_one_person_at_once_make_one_member(live_db, cast):
    def call(_: int) -> int:
        try:
            services.member_create(tenant=cast.tenant, username="nora", role="member", actor="tests")
            return 201
        except services.Refused:
            return 400
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(call, range(4))) == [201, 400, 400, 400]


# -- removal -------------------------------------------------------------------------------------------------------


def test_a_removed_member_is_out_with_all_keys_and_sessions(alice, cast):
    bob = MemberClient(cast.bob)
    session = Client()
    session.force_login(cast.bob.account, backend="django.contrib.auth.backends.ModelBackend")
    assert session.get("/api/scheduler/jobs", headers={"Host": cast.host}).status_code == 200
    answer = alice.send("DELETE", f"members/{cast.bob.pk}")
    assert (answer.status_code, answer.json()["user_id"]) == (200, cast.bob.user_id)
    assert bob.get("jobs").status_code == 401
    assert session.get("/api/scheduler/jobs", headers={"Host": cast.host}).status_code == 403
    assert alice.send("DELETE", f"members/{cast.bob.pk}").status_code == 404
    assert ApiKey.objects.filter(prefix=bob.key.split("_")[2]).count() == 0


def test_jobs_and_history_of_a_removed_member_stay_theirs(alice, cast):
    job = make_job(cast.tenant, user_id=cast.bob.user_id)
    alice.send("DELETE", f"members/{cast.bob.pk}")
    shown = alice.ok(f"jobs/{job.id}")
    assert (shown["user_id"], shown["status"]) == (cast.bob.user_id, "active")
    assert [row["id"] for row in alice.ok("jobs", user_id=cast.bob.user_id)["jobs"]] == [str(job.id)]
    assert alice.send("POST", f"jobs/{job.id}/trigger", {}).status_code == 202
    with tenant_scope(cast.tenant):
        assert Execution.objects.get().user_id == cast.bob.user_id


def test_a_removed_account_keeps_its_other_tenants(alice, cast, other_cast):
    joined = invite(alice, username=other_cast.bob.account.username)
    theirs = MemberClient(other_cast.bob)
    alice.send("DELETE", f"members/{joined['id']}")
    assert theirs.get("jobs").status_code == 200


# -- reading -------------------------------------------------------------------------------------------------------


def test_lists_hold_the_tenants_members_alone(alice, cast, other_cast):
    page = alice.ok("members")
    assert page["total_count"] == 4
    assert [row["user_id"] for row in page["members"]] == [
        person.user_id for person in (cast.alice, cast.ann, cast.bob, cast.vic)
    ]
    assert all(row.keys() == SHOWN for row in page["members"])
    assert [row["role"] for row in alice.ok("members", role="viewer")["members"]] == ["viewer"]
    first = alice.ok("members", limit=3)
    assert first["has_more"]
    rest = alice.ok("members", limit=3, cursor=first["next_cursor"])["members"]
    assert [row["user_id"] for row in rest] == [cast.vic.user_id]
    for wrong in ({"role": "god"}, {"limit": 501}, {"user_id": "\x07"}):
        assert alice.get("members", **wrong).status_code == 400, wrong
    assert alice.ok("members", user_id=other_cast.bob.user_id)["members"] == []


def test_another_tenants_members_are_nowhere(alice, other_cast):
    for member_id in (other_cast.bob.pk, 10**17, "x"):
        assert alice.get(f"members/{member_id}").status_code == 404
        assert alice.send("PATCH", f"members/{member_id}", {"role": "viewer"}).status_code == 404
        assert alice.send("DELETE", f"members/{member_id}").status_code == 404
    with tenant_scope(other_cast.tenant):
        assert Membership.objects.get(pk=other_cast.bob.pk).role == "member"


def test_members_and_viewers_are_turned_away(db, cast):
    for client in (MemberClient(cast.bob), MemberClient(cast.vic)):
        for method, path in (
            ("GET", "members"),
            ("POST", "members"),
            ("GET", f"members/{cast.bob.pk}"),
            ("PATCH", f"members/{cast.bob.pk}"),
            ("DELETE", f"members/{cast.bob.pk}"),
        ):
            assert client.send(method, path, {}).status_code == 403, (method, path)


def test_a_list_costs_the_same_however_long(alice, cast):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            alice.ok("members")
        return len(queries)

    first = cost()
    for name in ("n1", "n2", "n3"):
        MembershipFactory(tenant=cast.tenant, username=name)
    assert cost() == first


# -- the trail -----------------------------------------------------------------------------------------------------


def test_everything_is_audited_with_before_and_after(alice, cast, acme):
    key, _ = key_of(cast.bob)
    nora = invite(alice, username="nora", legacy_user_id=71)
    alice.send("PATCH", f"members/{nora['id']}", {"role": "viewer"})
    alice.send("PATCH", f"members/{nora['id']}", {"role": "viewer"})  # changes nothing, and is not recorded
    alice.send("DELETE", f"members/{cast.bob.pk}")
    with all_tenants_scope():
        kept = AuditEntry.objects.filter(tenant=acme, actor__startswith=cast.alice.user_id)
        entries = list(kept.order_by("id").values_list("action", "object_id", "data"))
    assert entries == [
        (
            "member.create",
            str(nora["id"]),
            {
                "before": None,
                "after": {"user_id": "nora", "legacy_user_id": 71, "username": "nora", "role": "member"},
            },
        ),
        (
            "member.role",
            str(nora["id"]),
            {"before": {"role": "member"}, "after": {"role": "viewer"}},
        ),
        (
            "member.remove",
            str(cast.bob.pk),
            {
                "before": {
                    "user_id": cast.bob.user_id,
                    "legacy_user_id": None,
                    "username": cast.bob.account.username,
                    "role": "member",
                },
                "after": None,
                "revoked_keys": [key.prefix],
            },
        ),
    ]
