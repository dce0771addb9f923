"""Notification channels over the API: what is shown, what is refused, and what a test does."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection

from apps.jobs.models import NoticeWanted
from apps.operations.models import Delivery
from apps.operations.notifications import channels
from apps.operations.notifications.sending import NotificationChore
from apps.tenants.context import tenant_scope
from apps.tenants.crypto import open_sealed
from apps.tenants.models import AuditEntry
from apps.tenants.services import Refused
from apps.vault.labels import channel_label
from apps.vault.models import NotificationChannel
from tests.factories import make_job
from tests.isolation.callers import by_key
from tests.notifying import webhook_inbox

HOOK = {"name": "hook", "kind": "webhook", "address": "https://hooks.example.com/in?token=confidential"}
PATH = "notification-channels"

pytestmark = pytest.mark.same_on_every_postgres


@pytest.fixture
def send(db: None, cast: Any) -> Any:
    return by_key(cast.alice, cast.host)


def wanted(tenant: Any) -> list[str]:
    with tenant_scope(tenant):
        return NoticeWanted.objects.get(tenant=tenant).events


def test_the_secret_is_shown_once_and_the_address_by_its_host(send: Any, acme: Any) -> None:
    made = send("POST", PATH, HOOK)
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    assert made.json()["events"] == ["failure", "recovery", "cool_off"]
    one = f"{PATH}/{made.json()['id']}"
    for answer in (
        send("GET", PATH),
        send("GET", one),
        send("PATCH", one, {"enabled": False}),
        send("DELETE", one),
    ):
        text = answer.content.decode()
        assert answer.status_code == 200
        assert "https://hooks.example.com/…" in text
        assert "confidential" not in text
        assert secret not in text
    assert send("GET", one).status_code == 404
    with tenant_scope(acme):
        assert not NotificationChannel.objects.exists()


def test_the_address_lies_sealed_and_a_change_keeps_the_secret(send: Any, acme: Any) -> None:
    made = send("POST", PATH, HOOK).json()
    send("PATCH", f"{PATH}/{made['id']}", {"address": "https://elsewhere.example.com/"})
    with tenant_scope(acme):
        row = NotificationChannel.objects.get()
        held = open_sealed("acme", channel_label(row.pk), row.sealed or b"")
    assert held == {"address": "https://elsewhere.example.com/", "secret": made["secret"]}
    assert b"elsewhere" not in bytes(row.sealed or b"")


def test_an_email_channel_has_no_secret(send: Any) -> None:
    made = send("POST", PATH, {"name": "mail", "kind": "email", "address": "ops@acme.example"}).json()
    assert (made["secret"], made["address"]) == (None, "ops@acme.example")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": "ftp://example.com/"}, "address"),
        ({"address": "http://169.254.169.254/latest"}, "address"),
        ({"address": "https://user:secret@example.com/"}, "address"),
        ({"kind": "email", "address": "nobody"}, "address"),
        ({"kind": "email", "address": "a@example.com\nBcc: b@example.com"}, "address"),
        ({"kind": "pigeon"}, "kind"),
        ({"events": []}, "events"),
        ({"events": ["success"]}, "events"),
        ({"job_id": "999999"}, "job_id"),
        ({"job_id": "x"}, "job_id"),
        ({"name": "taken"}, "name"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_what_cannot_be_is_refused_by_field(send: Any, changes: dict[str, Any], field: str) -> None:
    send("POST", PATH, {**HOOK, "name": "taken"})
    refused = send("POST", PATH, {**HOOK, **changes})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, [field])


def test_where_no_mail_is_sent_a_channel_by_mail_is_refused(send: Any, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    refused = send("POST", PATH, {"name": "mail", "kind": "email", "address": "ops@acme.example"})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["kind"])


def test_a_job_of_another_tenant_is_none(send: Any, bravo: Any) -> None:
    job = make_job(bravo)
    assert send("POST", PATH, {**HOOK, "job_id": str(job.pk)}).status_code == 400


def test_the_fold_knows_what_any_channel_asks_for(send: Any, acme: Any) -> None:
    ids = [
        send("POST", PATH, {**HOOK, "name": event, "events": [event]}).json()["id"]
        for event in ("failure", "cool_off")
    ]
    assert wanted(acme) == ["cool_off", "failure"]
    send("PATCH", f"{PATH}/{ids[0]}", {"events": ["recovery"]})
    assert wanted(acme) == ["cool_off", "recovery"]
    send("PATCH", f"{PATH}/{ids[0]}", {"enabled": False})
    assert wanted(acme) == ["cool_off"]
    send("DELETE", f"{PATH}/{ids[1]}")
    assert wanted(acme) == []


def test_a_change_that_changes_nothing_is_none(send: Any, acme: Any) -> None:
    made = send("POST", PATH, HOOK).json()
    again = send("PATCH", f"{PATH}/{made['id']}", {"name": "hook", "address": HOOK["address"]}).json()
    assert again["updated_at"] == made["updated_at"]
    with tenant_scope(acme):
        assert AuditEntry.objects.filter(action__startswith="notification_channel.").count() == 1


def test_a_tenant_has_a_bounded_number_of_them(send: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(channels, "MAX_CHANNELS", 1)
    assert send("POST", PATH, HOOK).status_code == 201
    assert send("POST", PATH, {**HOOK, "name": "another"}).status_code == 400


def test_channels_that_are_made_at_once_are_both_known_to_the_fold(live_db: str, acme: Any) -> None:
    start, refused = threading.Barrier(4), []

    def make(number: int, event: str) -> None:
        start.wait(10)
        fields = {"name": f"hook {number % 2}", "address": HOOK["address"], "events": [event]}
        try:
            channels.channel_create(tenant=acme, kind="webhook", fields=fields, actor="tests")
        except Refused as error:
            refused.append(error.field)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=make, args=(n, event)) for n, event in enumerate(["failure", "recovery"] * 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert refused == ["name", "name"]
    assert wanted(acme) == ["failure", "recovery"]


# -- the test ----------------------------------------------------------------------------------------------------------


def test_a_test_arrives_also_where_the_channel_is_off(live_db: str, cast: Any, acme: Any) -> None:
    send = by_key(cast.alice, cast.host)
    with webhook_inbox() as inbox:
        made = send("POST", PATH, {**HOOK, "address": inbox.url, "enabled": False}).json()
        one = f"{PATH}/{made['id']}"
        asked = send("POST", f"{one}/test")
        assert asked.status_code == 202
        assert send("POST", f"{one}/test").status_code == 409
        assert inbox.got == [], "a web process sends nothing"
        assert NotificationChore().run_once() == {"sent": 1}
        [body] = inbox.verified(made["secret"])
    assert (body["type"], body["data"]["events"]) == ("jobs.notification.test", [])
    assert inbox.ids() == [asked.json()["message_id"]]
    shown = send("GET", one).json()
    assert (shown["last_error"], shown["last_sent_at"] is not None) == (None, True)
    assert send("POST", f"{one}/test").status_code == 409, "once a minute"
    assert wanted(acme) == []


def test_a_test_by_mail_and_the_command_for_cron(send: Any, acme: Any, capsys: Any) -> None:
    made = send("POST", PATH, {"name": "mail", "kind": "email", "address": "ops@acme.example"}).json()
    send("POST", f"{PATH}/{made['id']}/test")
    call_command("send_notifications")
    assert capsys.readouterr().out == "1 sent\n"
    [message] = mail.outbox
    assert (message.to, message.subject) == (["ops@acme.example"], "[acme] a test of your notifications")
    with tenant_scope(acme):
        assert Delivery.objects.get().state == "sent"
