"""Invitations: mailed, taken once, by whoever reads that mail; given by admins and owners, no higher than they are."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.test import Client

from apps.tenants import invitation_tokens
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Invitation, Membership, User
from apps.tenants.services import member_role_set
from tests.contract.client import MemberClient
from tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _mailed_at_once(monkeypatch: Any) -> None:
    """A test's transaction never commits."""
    monkeypatch.setattr("apps.tenants.api.invitations.transaction.on_commit", lambda deed: deed())


def invite(member: Membership, email: str = "Dan@Example.com", **body: Any) -> dict[str, Any]:
    answer = MemberClient(member).send("POST", "invitations", {"email": email, **body})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def deleted(member: Membership, path: str) -> Any:
    answer = MemberClient(member).send("DELETE", path)
    assert answer.status_code == 200, answer.content
    return answer.json()


def mailed_path() -> str:
    """Of the link in the last mail."""
    found = re.search(r"https?://[^/\s]+(/join/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def path_of(link: str) -> str:
    return "/join/" + link.partition("/join/")[2]


def page(cast: Any, path: str, password: str | None = None) -> Any:
    client = Client(headers={"Host": cast.host})
    return client.get(path) if password is None else client.post(path, {"password": password})


def member_of(cast: Any, username: str = "dan@example.com") -> Membership | None:
    with tenant_scope(cast.tenant):
        return Membership.objects.filter(tenant=cast.tenant, account__username=username).first()


def test_the_mailed_link_makes_an_account_with_a_password_and_a_member(cast: Any) -> None:
    answer = invite(cast.ann, role="member")
    assert (answer["email"], answer["status"], answer["invited_by"]) == (
        "dan@example.com",
        "open",
        cast.ann.user_id,
    )
    [letter] = mail.outbox
    assert letter.to == ["dan@example.com"]
    assert cast.host in letter.body
    shown = page(cast, mailed_path())
    assert (shown.status_code, shown["Cache-Control"].count("no-store")) == (200, 1)
    assert b"dan@example.com" in shown.content
    assert member_of(cast) is None  # a GET takes nothing
    assert b"Choose a password" in page(cast, mailed_path(), "").content
    assert page(cast, mailed_path(), "short").status_code == 400
    assert member_of(cast) is None
    assert page(cast, mailed_path(), PASSWORD).status_code == 200
    made = member_of(cast)
    assert made is not None
    assert (made.role, made.user_id) == ("member", "dan@example.com")
    assert made.account.check_password(PASSWORD)
    listed = MemberClient(cast.ann).ok("invitations", status="accepted")["invitations"]
    assert [each["id"] for each in listed] == [answer["id"]]


def test_once(cast: Any) -> None:
    invite(cast.ann)
    assert page(cast, mailed_path(), PASSWORD).status_code == 200
    for again in (page(cast, mailed_path()), page(cast, mailed_path(), PASSWORD)):
        assert again.status_code == 404


def test_the_copy_makes_a_member_but_sets_no_password(cast: Any) -> None:
    """Who invites could else take an account that other tenants will trust."""
    link = path_of(invite(cast.ann)["link"])
    assert link != mailed_path()
    assert page(cast, link, PASSWORD).status_code == 400
    assert page(cast, link, "").status_code == 200
    made = member_of(cast)
    assert made is not None
    assert not made.account.has_usable_password()


def test_a_password_that_there_is_stays(cast: Any, other_cast: Any) -> None:
    dan = MembershipFactory(tenant=other_cast.tenant, username="dan@example.com", password="his own words")
    invite(cast.ann)
    assert page(cast, mailed_path(), PASSWORD).status_code == 200
    made = member_of(cast)
    assert made is not None
    assert made.account_id == dan.account_id
    assert User.objects.get(pk=dan.account_id).check_password("his own words")


def test_forged_and_foreign_tokens_are_refused_without_a_word(cast: Any, other_cast: Any) -> None:
    invite(cast.ann)
    good = mailed_path()
    copied = str(invitation_tokens.generate()._replace(mailed=False))
    for bad in (
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good + "A",
        f"/join/{copied}",
        "/join/x",
        "/join/%00",
    ):
        answer = page(cast, bad, PASSWORD)
        assert answer.status_code == 404
        assert b"dan@example.com" not in answer.content
    assert page(other_cast, good, PASSWORD).status_code == 404  # another tenant's host
    assert page(cast, good, PASSWORD).status_code == 200


def test_late_revoked_and_replaced_ones_are_refused(cast: Any) -> None:
    first = invite(cast.ann)
    replaced = mailed_path()
    second = invite(cast.ann)
    assert page(cast, replaced, PASSWORD).status_code == 404
    client = MemberClient(cast.ann)
    revoked = deleted(cast.ann, f"invitations/{second['id']}")
    assert revoked["status"] == "revoked"
    assert deleted(cast.ann, f"invitations/{second['id']}") == revoked
    assert page(cast, mailed_path(), PASSWORD).status_code == 404
    third = invite(cast.ann)
    with tenant_scope(cast.tenant):
        Invitation.objects.filter(pk=third["id"]).update(expires_at=Now())
    assert page(cast, mailed_path(), PASSWORD).status_code == 404
    states = {each["id"]: each["status"] for each in client.ok("invitations")["invitations"]}
    assert states == {first["id"]: "revoked", second["id"]: "revoked", third["id"]: "expired"}
    assert member_of(cast) is None


def test_no_higher_than_who_gives_it_then_and_when_it_is_taken(cast: Any) -> None:
    ann, bob = MemberClient(cast.ann), MemberClient(cast.bob)
    body = {"email": "dan@example.com", "role": "owner"}
    assert ann.send("POST", "invitations", body).status_code == 403
    assert bob.send("POST", "invitations", {**body, "role": "viewer"}).status_code == 403
    invite(cast.ann, role="admin")
    member_role_set(membership=cast.ann, role="member", actor="tests")
    assert page(cast, mailed_path(), PASSWORD).status_code == 404


def test_it_goes_with_the_membership_of_who_gave_it(cast: Any) -> None:
    made = invite(cast.ann)
    deleted(cast.alice, f"members/{cast.ann.pk}")
    assert page(cast, mailed_path(), PASSWORD).status_code == 404
    with tenant_scope(cast.tenant):
        assert not Invitation.objects.filter(pk=made["id"]).exists()


def test_addresses_that_are_members_or_none(cast: Any) -> None:
    invite(cast.ann)
    assert page(cast, mailed_path(), PASSWORD).status_code == 200
    client = MemberClient(cast.ann)
    for email in ("dan@example.com", "dan", "dan@example.com\nBcc: eve@example.com", "a b@example.com"):
        answer = client.send("POST", "invitations", {"email": email})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["email"]), email
    taken = client.ok("invitations")["invitations"][0]
    assert client.send("DELETE", f"invitations/{taken['id']}").status_code == 409


def test_the_token_is_kept_nowhere_and_the_trail_says_who(cast: Any) -> None:
    answer = invite(cast.ann)
    token = invitation_tokens.parse(mailed_path().removeprefix("/join/"))
    assert token is not None
    page(cast, mailed_path(), PASSWORD)
    with all_tenants_scope():
        entries = list(AuditEntry.objects.filter(object_type="invitation").order_by("pk"))
        kept = Invitation.objects.get(pk=answer["id"])
    assert [entry.action for entry in entries] == ["invitation.create", "invitation.accept"]
    assert entries[0].actor.startswith(cast.ann.user_id)
    assert entries[1].actor == "dan@example.com (invitation)"
    everything = f"{[entry.data for entry in entries]} {vars(kept)}"
    assert token.secret not in everything
    assert kept.token_hash == token.secret_hash


def test_a_mail_server_that_is_away_costs_nobody_the_link(cast: Any, settings: Any, caplog: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    assert invite(cast.ann)["link"]
    assert "could not be mailed" in caplog.text
