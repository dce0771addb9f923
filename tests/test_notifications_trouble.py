"""Receivers that fail, are gone or may not be called; and tenants and channels that get nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from apps.jobs.models import Notice
from apps.operations.models import Delivery
from apps.operations.notifications import channels
from apps.operations.notifications.gathering import gather
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Tenant
from tests.notifying import (
    Inbox,
    MailServer,
    by_mail,
    happened,
    later,
    mail_server,
    of,
    run,
    states,
    webhook,
)
from tests.test_outcomes import at

pytestmark = pytest.mark.same_on_every_postgres


def test_a_receiver_that_fails_is_tried_again_and_given_up_after_a_day(
    live_db: str, acme: Any, inbox: Inbox, caplog: Any
) -> None:
    channel, _ = webhook(acme, inbox)
    happened(acme, 1)
    inbox.answers = [500, 302, 204]
    assert run() == {"made": 1, "put_off": 1}
    assert of(acme, channel).last_error == "The receiver answered 500."
    assert run() == {}, "not at once"
    later()
    assert run() == {"put_off": 1}
    assert of(acme, channel).last_error == "The receiver answered 302.", "redirects are not followed"
    later()
    assert run() == {"sent": 1}
    assert of(acme, channel).last_error is None
    assert len(set(inbox.ids())) == 1

    happened(acme, 2)
    inbox.answers = [503]
    run()
    later(created_at=at(0))
    inbox.answers = [503]
    assert run()["given_up"] == 1
    assert "given up after 2 tries: The receiver answered 503." in caplog.text
    assert "confidential" not in caplog.text


def test_a_receiver_that_is_gone_is_not_tried_again(live_db: str, acme: Any, inbox: Inbox) -> None:
    webhook(acme, inbox)
    happened(acme, 1)
    inbox.answers = [410]
    assert run() == {"made": 1, "given_up": 1}


def test_the_mail_servers_refusals(live_db: str, acme: Any, mails: MailServer) -> None:
    channel = by_mail(acme)
    happened(acme, 1)
    mails.refuse = "451 Try again later"
    assert run() == {"made": 1, "put_off": 1}
    mails.refuse = "550 No such user"
    later()
    assert run() == {"given_up": 1}
    assert of(acme, channel).last_error == "The mail server refused the address."


def test_no_mail_server(live_db: str, acme: Any, settings: Any) -> None:
    with mail_server() as gone:
        port = gone.port
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    channel = by_mail(acme)
    happened(acme, 1)
    assert run() == {"made": 1, "put_off": 1}
    assert of(acme, channel).last_error == "The mail server could not be reached, or broke off."


def test_an_address_that_may_not_be_called_is_not(
    live_db: str, acme: Any, inbox: Inbox, settings: Any
) -> None:
    channel, _ = webhook(acme, inbox)
    settings.EGRESS_ALLOWED_NETWORKS = []
    happened(acme, 1)
    assert run() == {"made": 1, "given_up": 1}
    assert inbox.got == []
    assert of(acme, channel).last_error == "Not sent: the request may not be sent as it is."


# -- who gets none -----------------------------------------------------------------------------------------------------


def test_a_suspended_tenant_gets_none_and_others_do(
    live_db: str, acme: Any, bravo: Any, inbox: Inbox
) -> None:
    for tenant in (acme, bravo):
        webhook(tenant, inbox, name=tenant.schema_name)
        happened(tenant, 1)
    assert gather(wait=0.0, apart=0.0) == 2
    happened(acme, 2)
    with all_tenants_scope():
        Tenant.objects.filter(pk=acme.pk).update(status="suspended")
    assert run() == {"sent": 1}
    assert b'"channel":"bravo"' in inbox.got[0][1]
    with all_tenants_scope():
        Delivery.objects.filter(tenant=acme).update(created_at=at(0))
        Notice.objects.update(created_at=at(0))
    later()
    assert run() == {"expired": 1, "untold": 1}


def test_a_channel_that_is_gone_or_off_gets_none(live_db: str, acme: Any, inbox: Inbox) -> None:
    gone, _ = webhook(acme, inbox, name="gone")
    off, _ = webhook(acme, inbox, name="off")
    happened(acme, 1)
    inbox.answers = [500, 500]
    assert run() == {"made": 2, "put_off": 2}
    channels.channel_delete(tenant=acme, channel_id=gone.pk, actor="tests")
    channels.channel_update(tenant=acme, channel_id=off.pk, changes={"enabled": False}, actor="tests")
    later()
    assert run() == {"dropped": 1}
    assert (len(inbox.got), states()) == (2, [])


def test_a_tenant_whose_vault_is_broken_holds_up_no_other(
    live_db: str, acme: Any, bravo: Any, inbox: Inbox, session: Any
) -> None:
    for tenant in (acme, bravo):
        webhook(tenant, inbox)
        happened(tenant, 1)
    session.execute('ALTER TABLE "acme".vault_notificationchannel RENAME TO elsewhere')
    try:
        assert run() == {"made": 1, "sent": 1}
    finally:
        session.execute('ALTER TABLE "acme".elsewhere RENAME TO vault_notificationchannel')
    assert run() == {"made": 1, "sent": 1}


def test_what_is_finished_is_forgotten_after_a_week(live_db: str, acme: Any, inbox: Inbox) -> None:
    webhook(acme, inbox)
    for number in (1, 2):
        happened(acme, number)
        run()
    with all_tenants_scope():
        old = Delivery.objects.earliest("id")
        Delivery.objects.filter(pk=old.pk).update(finished_at=F("finished_at") - timedelta(days=8))
    assert run() == {"forgotten": 1}
    assert len(states()) == 1
