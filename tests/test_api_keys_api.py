"""API keys over HTTP: what is shown, who may make which, rotation and revocation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.exceptions import AuthenticationFailed

from apps.tenants import keys, selectors, services
from apps.tenants.authentication import ApiKeyAuthentication
from apps.tenants.context import tenant_scope
from apps.tenants.models import ApiKey, AuditEntry
from tests.contract.client import MemberClient
from tests.factories import MembershipFactory, key_of

SHOWN = {
    "id",
    "name",
    "prefix",
    "user_id",
    "role",
    "scopes",
    "status",
    "created_at",
    "expires_at",
    "revoked_at",
    "replaced_by",
}
STATES = ("active", "expired", "revoked")


@pytest.fixture
def alice(db: None, cast: Any) -> MemberClient:
    return MemberClient(cast.alice)


@pytest.fixture
def ann(db: None, cast: Any) -> MemberClient:
    return MemberClient(cast.ann)


def made(client: MemberClient, **body: Any) -> Any:
    response = client.send("POST", "api-keys", {"name": "made", **body})
    assert response.status_code == 201, response.content
    return response.json()


def refused(client: MemberClient, status: int, **body: Any) -> Any:
    response = client.send("POST", "api-keys", {"name": "made", **body})
    assert response.status_code == status, response.content
    assert response.json()["detail"]
    return response.json()


def works(text: str, host: str = "acme.localhost") -> int:
    """The status that a key gets."""
    headers = {"Authorization": f"Bearer {text}", "Host": host}
    return Client().get("/api/scheduler/status", headers=headers).status_code


# -- made and shown ------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_works(alice, cast):
    answer = made(alice)
    assert answer.keys() == SHOWN | {"key"}
    assert works(answer["key"]) == 200
    again = alice.ok(f"api-keys/{answer['id']}")
    assert again == {name: answer[name] for name in SHOWN}
    listed = alice.get("api-keys")
    assert listed.json()["api_keys"][0]["id"] == answer["id"]
    parsed = keys.parse(answer["key"])
    for hidden in (answer["key"], parsed.secret, parsed.secret_hash):
        assert hidden not in listed.content.decode()


def test_what_is_left_out_is_ones_own_and_for_90_days(ann, cast):
    answer = made(ann)
    assert (answer["user_id"], answer["role"], answer["status"]) == (cast.ann.user_id, "admin", "active")
    assert answer["scopes"] == ["read", "write"]
    lives = datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < lives <= timedelta(days=90)


def test_a_key_of_another_member_with_all_that_can_be_said(alice, cast):
    until = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    answer = made(
        alice, user_id=cast.bob.user_id, role="viewer", scopes=["read"], expires_at=until.isoformat()
    )
    assert (answer["user_id"], answer["role"], answer["scopes"]) == (cast.bob.user_id, "viewer", ["read"])
    assert datetime.fromisoformat(answer["expires_at"]) == until


def test_the_member_may_be_named_by_an_older_systems_number(alice, acme):
    MembershipFactory(tenant=acme, username="gina", legacy_user_id=77)
    assert made(alice, user_id=77)["user_id"] == "gina"
    assert made(alice, user_id="77")["user_id"] == "gina"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"role": "god"}, "role"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["delete"]}, "scopes"),
        ({"scopes": "read"}, "scopes"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": None}, "expires_at"),
        ({"user_id": "nobody"}, "user_id"),
        ({"user_id": "a/b"}, "user_id"),
        ({"user_id": {}}, "user_id"),
        ({"secret_hash": "0" * 64}, "secret_hash"),
        ({"prefix": "mine"}, "prefix"),
    ],
)
def test_bad_input_is_named_by_field(alice, body, field):
    before = ApiKey.objects.count()
    assert field in refused(alice, 400, **body)["errors"]
    assert ApiKey.objects.count() == before


def test_another_tenants_member_is_no_member(alice, other_cast):
    assert "user_id" in refused(alice, 400, user_id=other_cast.bob.user_id)["errors"]


# -- no more than one has ------------------------------------------------------------------------------------------


def test_no_role_above_the_members(alice, cast):
    assert "role" in refused(alice, 400, user_id=cast.vic.user_id, role="member")["errors"]


def test_an_admin_makes_no_key_of_an_owner_in_any_role(ann, cast):
    for role in ("owner", "admin", "viewer"):
        refused(ann, 403, user_id=cast.alice.user_id, role=role)


def test_an_admins_key_of_an_owner_is_no_owners_key(db, cast):
    weak = MemberClient(cast.alice, role="admin")
    refused(weak, 403, role="owner")
    assert made(weak)["role"] == "admin"
    other_owner = MembershipFactory(tenant=cast.tenant, username="olga", role="owner")
    refused(weak, 403, user_id=other_owner.user_id, role="viewer")


def test_a_key_of_limited_scopes_mints_no_wider_one(db, cast):
    writer = MemberClient(cast.alice, scopes=["write"])
    refused(writer, 403, scopes=["read"])
    refused(writer, 403, scopes=["read", "write"])
    answer = made(writer)
    assert answer["scopes"] == ["write"]
    assert works(answer["key"]) == 403


def test_a_key_that_may_only_read_makes_none(db, cast):
    reader = MemberClient(cast.alice, scopes=["read"])
    refused(reader, 403)
    assert reader.get("api-keys").status_code == 200


def test_members_and_viewers_see_and_make_none(db, cast):
    own = key_of(cast.bob)[0].pk
    for client in (MemberClient(cast.bob), MemberClient(cast.vic), MemberClient(cast.ann, role="member")):
        for method, path in (
            ("GET", "api-keys"),
            ("GET", f"api-keys/{own}"),
            ("POST", "api-keys"),
            ("POST", f"api-keys/{own}/rotate"),
            ("DELETE", f"api-keys/{own}"),
        ):
            assert client.send(method, path, {}).status_code == 403, (method, path)


# -- lists ---------------------------------------------------------------------------------------------------------


def test_filters_and_paging(alice, cast, other_cast):
    key_of(cast.bob)
    gone, _ = key_of(cast.bob)
    services.api_key_revoke(key=gone, actor="tests")
    late, _ = key_of(cast.vic, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    key_of(other_cast.alice)
    ids = {
        status: [row["id"] for row in alice.ok("api-keys", status=status)["api_keys"]] for status in STATES
    }
    assert ids["revoked"] == [gone.pk]
    assert ids["expired"] == [late.pk]
    assert len(ids["active"]) == 2  # Alice's own and Bob's
    of_bob = alice.ok("api-keys", user_id=cast.bob.user_id)
    assert {row["user_id"] for row in of_bob["api_keys"]} == {cast.bob.user_id}
    assert of_bob["total_count"] == 2
    assert alice.ok("api-keys", user_id="nobody")["api_keys"] == []
    first = alice.ok("api-keys", limit=2)
    assert (first["total_count"], first["has_more"], first["limit"], first["offset"]) == (4, True, 2, 0)
    rest = alice.ok("api-keys", limit=2, cursor=first["next_cursor"])
    assert rest["api_keys"] == alice.ok("api-keys", limit=2, offset=2)["api_keys"]
    assert not rest["has_more"]
    for wrong in ({"status": "asleep"}, {"limit": 0}, {"user_id": "a\nb"}, {"cursor": "x"}):
        assert alice.get("api-keys", **wrong).status_code == 400, wrong


def test_a_list_costs_the_same_however_long(alice, cast):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            alice.ok("api-keys")
        return len(queries)

    first = cost()
    for member in (cast.bob, cast.vic, cast.ann):
        key_of(member)
    assert cost() == first


# -- rotation and revocation ---------------------------------------------------------------------------------------


def test_a_rotated_key_works_beside_its_successor_until_the_overlap_ends(alice, cast):
    old = made(alice, user_id=cast.bob.user_id, role="viewer", scopes=["read"])
    response = alice.send("POST", f"api-keys/{old['id']}/rotate", {"overlap_hours": 2})
    assert response.status_code == 201
    new = response.json()
    for same in ("name", "user_id", "role", "scopes"):
        assert new[same] == old[same]
    assert works(old["key"]) == works(new["key"]) == 200
    shown = alice.ok(f"api-keys/{old['id']}")
    assert shown["replaced_by"] == new["id"]
    ends = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < ends <= timedelta(hours=2)
    lives = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    lived = datetime.fromisoformat(old["expires_at"]) - datetime.fromisoformat(old["created_at"])
    assert abs(lives - lived) < timedelta(seconds=1)
    ApiKey.objects.filter(pk=old["id"]).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert (works(old["key"]), works(new["key"])) == (401, 200)


def test_without_an_overlap_the_old_key_ends_at_once(alice):
    old = made(alice)
    new = alice.send("POST", f"api-keys/{old['id']}/rotate", {"overlap_hours": 0}).json()
    assert (works(old["key"]), works(new["key"])) == (401, 200)


def test_the_overlap_is_a_day_unless_said_and_never_prolongs_a_key(alice):
    soon = datetime.now(UTC) + timedelta(hours=1)
    short, long = made(alice, expires_at=soon.isoformat()), made(alice)
    for key in (short, long):
        assert alice.send("POST", f"api-keys/{key['id']}/rotate", {}).status_code == 201
    assert datetime.fromisoformat(alice.ok(f"api-keys/{short['id']}")["expires_at"]) == soon
    ends = datetime.fromisoformat(alice.ok(f"api-keys/{long['id']}")["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < ends <= timedelta(hours=24)


def test_a_key_without_expiry_is_followed_by_one_without(alice, cast):
    eternal, _ = key_of(cast.bob)
    new = alice.send("POST", f"api-keys/{eternal.pk}/rotate", {}).json()
    assert new["expires_at"] is None
    assert alice.ok(f"api-keys/{eternal.pk}")["expires_at"] is not None


@pytest.mark.parametrize("hours", [-1, 169, "a day", None, 1.5])
def test_an_overlap_out_of_range_is_refused(alice, hours):
    key = made(alice)
    response = alice.send("POST", f"api-keys/{key['id']}/rotate", {"overlap_hours": hours})
    assert response.status_code == 400
    assert "overlap_hours" in response.json()["errors"]
    assert alice.ok(f"api-keys/{key['id']}")["replaced_by"] is None


def test_a_key_for_all_time_can_be_rotated(alice):
    old = made(alice, expires_at="9999-12-31T23:59:59Z")
    response = alice.send("POST", f"api-keys/{old['id']}/rotate", {})
    assert (response.status_code, response.json()["expires_at"][:4]) == (201, "9999")


def test_what_is_replaced_revoked_or_expired_is_not_rotated(alice, cast):
    replaced, revoked = made(alice), made(alice)
    alice.send("POST", f"api-keys/{replaced['id']}/rotate", {})
    alice.send("DELETE", f"api-keys/{revoked['id']}")
    expired, _ = key_of(cast.bob, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    before = ApiKey.objects.count()
    for key_id in (replaced["id"], revoked["id"], expired.pk):
        assert alice.send("POST", f"api-keys/{key_id}/rotate", {}).status_code == 409
    assert ApiKey.objects.count() == before


def test_rotation_gives_nobody_more_than_they_have(db, cast):
    owners, _ = key_of(cast.alice)
    readers_and_writers, _ = key_of(cast.bob)
    assert MemberClient(cast.ann).send("POST", f"api-keys/{owners.pk}/rotate", {}).status_code == 403
    weak = MemberClient(cast.alice, role="admin")
    assert weak.send("POST", f"api-keys/{owners.pk}/rotate", {}).status_code == 403
    writer = MemberClient(cast.alice, scopes=["write"])
    assert writer.send("POST", f"api-keys/{readers_and_writers.pk}/rotate", {}).status_code == 403


def test_a_key_rotates_itself(db, cast):
    client = MemberClient(cast.ann)
    own = ApiKey.objects.get(prefix=keys.parse(client.key).prefix)
    new = client.send("POST", f"api-keys/{own.pk}/rotate", {}).json()
    assert works(new["key"]) == 200


def test_the_successor_of_a_key_whose_member_was_demoted_has_the_new_role(alice, cast):
    key, _ = key_of(cast.ann)
    services.member_role_set(membership=cast.ann, role="member", actor="tests")
    assert alice.send("POST", f"api-keys/{key.pk}/rotate", {}).json()["role"] == "member"


def test_revoking_holds_at_once_and_twice_is_as_once(alice, acme):
    key = made(alice)
    first = alice.send("DELETE", f"api-keys/{key['id']}")
    assert (first.status_code, first.json()["status"]) == (200, "revoked")
    assert works(key["key"]) == 401
    second = alice.send("DELETE", f"api-keys/{key['id']}")
    assert second.status_code == 200
    assert second.json() == first.json()
    with tenant_scope(acme):
        assert AuditEntry.objects.filter(action="api_key.revoke", object_id=key["prefix"]).count() == 1


def test_an_admin_does_not_revoke_an_owners_key(ann, cast):
    key, text = key_of(cast.alice)
    assert ann.send("DELETE", f"api-keys/{key.pk}").status_code == 403
    assert works(text) == 200


def test_ids_that_are_none(alice, other_cast):
    foreign, text = key_of(other_cast.bob)
    for key_id in (foreign.pk, 10**17, "0", "x", "9" * 30):
        assert alice.get(f"api-keys/{key_id}").status_code == 404
        assert alice.send("POST", f"api-keys/{key_id}/rotate", {}).status_code == 404
        assert alice.send("DELETE", f"api-keys/{key_id}").status_code == 404
    assert works(text, other_cast.host) == 200


# -- the trail -----------------------------------------------------------------------------------------------------


def test_everything_is_audited_and_no_secret_is(alice, cast, acme):
    key = made(alice, user_id=cast.bob.user_id, role="viewer")
    new = alice.send("POST", f"api-keys/{key['id']}/rotate", {}).json()
    alice.send("DELETE", f"api-keys/{new['id']}")
    with tenant_scope(acme):
        entries = list(
            AuditEntry.objects.filter(object_id__in=[key["prefix"], new["prefix"]]).order_by("id").values()
        )
    assert [(entry["action"], entry["object_id"]) for entry in entries] == [
        ("api_key.create", key["prefix"]),
        ("api_key.rotate", key["prefix"]),
        ("api_key.create", new["prefix"]),
        ("api_key.revoke", new["prefix"]),
    ]
    assert all(entry["actor"].startswith(cast.alice.user_id) for entry in entries)
    assert entries[0]["data"]["before"] is None
    assert entries[0]["data"]["after"]["role"] == "viewer"
    assert entries[1]["data"]["before"]["expires_at"] != entries[1]["data"]["after"]["expires_at"]
    assert entries[3]["data"]["before"]["revoked_at"] is None
    assert entries[3]["data"]["after"]["revoked_at"]
    for text in (key["key"], new["key"]):
        parsed = keys.parse(text)
        assert parsed.secret not in str(entries)
        assert parsed.secret_hash not in str(entries)


# -- key texts -----------------------------------------------------------------------------------------------------


def test_a_mistyped_key_never_reaches_the_database(db, cast):
    text = key_of(cast.alice)[1]
    for position in range(len("sched_live_"), len(text)):
        typo = text[:position] + ("a" if text[position] != "a" else "b") + text[position + 1 :]
        with CaptureQueriesContext(connection) as queries:
            assert selectors.valid_key(typo) is None
        assert len(queries) == 0, typo
    with CaptureQueriesContext(connection) as queries:
        assert selectors.valid_key(text) is not None
    assert len(queries) == 1


def test_the_right_prefix_with_another_secret_is_no_key(db, cast):
    stored = keys.parse(key_of(cast.alice)[1])
    forged = keys.KeyText(stored.prefix, keys.generate().secret)
    assert keys.parse(str(forged)) == forged
    assert selectors.valid_key(str(forged)) is None


def test_a_key_expires_by_the_databases_clock(db, cast, monkeypatch):
    """The web server's clock may be wrong; the database has the word."""
    key, text = key_of(cast.alice)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tenants_apikey SET expires_at = clock_timestamp() + interval '1 hour' WHERE id = %s",
            [key.pk],
        )
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2999, 1, 1, tzinfo=UTC))
    assert selectors.valid_key(text) is not None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_apikey SET expires_at = clock_timestamp() WHERE id = %s", [key.pk])
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2000, 1, 1, tzinfo=UTC))
    assert selectors.valid_key(text) is None


def test_a_key_whose_member_is_removed_meanwhile_is_401(db, cast):
    """The middleware found the key, and then the member went."""
    key, text = key_of(cast.bob)
    services.member_remove(membership=cast.bob, actor="tests")

    class Http:
        tenant = cast.tenant
        api_key = key

    class Request:
        headers = {"Authorization": f"Bearer {text}"}
        _request = Http()

    with tenant_scope(cast.tenant), pytest.raises(AuthenticationFailed):
        ApiKeyAuthentication().authenticate(Request())
