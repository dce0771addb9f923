"""Messages: made of notices and sent by webhook and by mail, at least once, under an id that stays."""

from __future__ import annotations

import json
import logging
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from apps.jobs.models import Notice
from apps.operations.models import Delivery
from apps.operations.notifications import sending
from apps.operations.notifications.gathering import gather
from apps.operations.notifications.sending import NotificationChore
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import UserIdentity
from tests.factories import make_job
from tests.notifying import (
    REASON,
    Inbox,
    MailServer,
    by_mail,
    happened,
    later,
    of,
    run,
    states,
    webhook,
    webhook_inbox,
)
from tests.replicas import wait_for
from tests.test_outcomes import at
from tests.workers import workers

# -- what arrives ------------------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_with_the_channels_secret(live_db: str, acme: Any, inbox: Inbox) -> None:
    channel, secret = webhook(acme, inbox)
    happened(acme, 7)
    assert run() == {"made": 1, "sent": 1}
    [body] = inbox.verified(secret)
    assert body["type"] == "jobs.notification"
    assert body["data"]["tenant"] == "acme"
    assert body["data"]["events"] == [
        {
            "event": "failure",
            "at": at(0).isoformat(),
            "job_id": "7",
            "job_name": "job 7",
            "task_type": "report",
            "user_id": "u-1",
            "consecutive_failures": 1,
            "reason": REASON,
            "cool_off_until": None,
        }
    ]
    assert run() == {}
    with all_tenants_scope():
        [delivery] = Delivery.objects.all()
        assert not Notice.objects.exists()
    assert (inbox.ids(), delivery.content) == ([str(delivery.message_id)], {}), "nothing of it is kept"
    assert of(acme, channel).last_sent_at is not None


def test_what_fails_together_is_one_mail_of_twenty_jobs_and_the_count(
    live_db: str, acme: Any, mails: MailServer, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    by_mail(acme)
    for number in range(1, 26):
        happened(acme, number)
    happened(acme, 1, "cool_off", failures=5, cool_off_until=at(300))
    assert run() == {"made": 1, "sent": 1}
    [(recipients, mail)] = mails.got
    assert recipients == ["ops@acme.example"]
    assert mail["Subject"] == "[acme] 25 jobs: 25 failed, 1 cooling off"
    text = mail.get_content()
    assert [f"job {n} (job {n}, report) failed." in text for n in (1, 20, 21)] == [True, True, False]
    assert "… and 5 more jobs." in text
    assert (
        "job 1 (job 1, report) is left alone until 2026-06-01 12:05:00 UTC after 5 failures in a row." in text
    )
    assert REASON in text
    ours = [
        record.getMessage() for record in caplog.records if record.name != "mail.log"
    ]  # the test's server
    assert not [line for line in ours if REASON in line or "ops@acme.example" in line]
    with all_tenants_scope():
        assert mail["Message-ID"] == f"<{Delivery.objects.get().message_id}@scheduler>"


def test_notices_wait_for_others_and_messages_keep_apart(live_db: str, acme: Any, inbox: Inbox) -> None:
    _, secret = webhook(acme, inbox)
    happened(acme, 1)
    assert NotificationChore().run_once() == {}, "others may come in a moment"
    with all_tenants_scope():
        Notice.objects.update(created_at=F("created_at") - timedelta(seconds=11))
    happened(acme, 2)
    assert NotificationChore().run_once() == {"made": 1, "sent": 1}
    happened(acme, 3)
    with all_tenants_scope():
        Notice.objects.update(created_at=F("created_at") - timedelta(seconds=50))
    assert NotificationChore().run_once() == {}, "one message a minute"
    assert run() == {"made": 1, "sent": 1}
    assert [body["data"]["count"] for body in inbox.verified(secret)] == [2, 1]


def test_a_channel_gets_what_it_asked_for(live_db: str, acme: Any, inbox: Inbox) -> None:
    mine = make_job(acme)
    with all_tenants_scope():
        UserIdentity.objects.create(tenant=acme, legacy_user_id=17, user_id="alice")
    webhook(acme, inbox, name="recoveries", events=["recovery"])
    webhook(acme, inbox, name="one job", job_id=str(mine.pk))
    webhook(acme, inbox, name="checks", task_type="http_check")
    webhook(acme, inbox, name="alice", user_id="17")
    webhook(acme, inbox, name="off", enabled=False)
    others = [mine.pk + n for n in range(1, 6)]
    happened(acme, others[0], "recovery")
    happened(acme, mine.pk)
    happened(acme, others[1], task_type="http_check")
    happened(acme, others[2], user_id="alice")
    happened(acme, others[3], user_id=None, legacy_user_id=17)
    happened(acme, others[4])
    assert run() == {"made": 4, "sent": 4}
    got = {
        body["data"]["channel"]: [event["job_id"] for event in body["data"]["events"]]
        for body in (json.loads(raw) for _, raw in inbox.got)
    }
    first, second, third, fourth, _ = map(str, others)
    assert got == {
        "recoveries": [first],
        "one job": [str(mine.pk)],
        "checks": [second],
        "alice": [third, fourth],
    }


def test_a_tenants_channels_are_told_of_its_own_jobs_alone(
    live_db: str, acme: Any, bravo: Any, inbox: Inbox
) -> None:
    _, acmes = webhook(acme, inbox)
    happened(acme, 1)
    happened(bravo, 2, job_name="of Bravo")
    assert run() == {"made": 1, "sent": 1}
    with webhook_inbox() as other:
        webhook(bravo, other)
        assert run() == {"made": 1, "sent": 1}
    assert [event["job_id"] for event in inbox.verified(acmes)[0]["data"]["events"]] == ["1"]
    assert b"of Bravo" in other.got[0][1]
    assert b"job 1" not in other.got[0][1]
    with tenant_scope(bravo):
        assert Delivery.objects.count() == 1


def test_a_worker_sends_them_beside_its_work(live_db: str, acme: Any, inbox: Inbox, tmp_path: Path) -> None:
    webhook(acme, inbox)
    notice = happened(acme, 1)
    with all_tenants_scope():
        Notice.objects.filter(pk=notice.pk).update(created_at=at(0))
    with workers(live_db, tmp_path) as start:
        worker = start("w", NOTIFICATION_INTERVAL="0.1", LOG_LEVEL="INFO")
        wait_for(lambda: states() == ["sent"], "the message is sent")
        worker.process.terminate()
        assert worker.wait(20) == 0
        assert "notifications: 1 made, 1 sent" in worker.said()
    assert len(inbox.got) == 1


# -- once, and at least once -------------------------------------------------------------------------------------------


def test_two_senders_that_race_send_each_message_once(
    live_db: str, acme: Any, bravo: Any, inbox: Inbox
) -> None:
    for tenant in (acme, bravo):
        for n in range(10):
            webhook(tenant, inbox, name=f"hook {n}")
        for n in range(5):
            happened(tenant, n)
    start, counts = threading.Barrier(4), []

    def race() -> None:
        start.wait(10)
        try:
            counts.append(run())
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    run()  # what a racer that looked too early has left
    assert sum(each.get("made", 0) for each in counts) == 20
    assert len(inbox.got) == len(set(inbox.ids())) == 20
    assert states() == ["sent"] * 20


def test_a_crash_between_sending_and_saying_so_repeats_it_under_the_same_id(
    live_db: str, acme: Any, inbox: Inbox, monkeypatch: Any
) -> None:
    webhook(acme, inbox)
    happened(acme, 1)

    def crash(*_: Any) -> str:
        raise RuntimeError("the process died here")

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_settle", crash)
        with pytest.raises(RuntimeError):
            run()
    assert run() == {}, "the lease of the dead lasts"
    later()
    assert run() == {"sent": 1}
    first, second = inbox.ids()
    assert first == second
    assert inbox.got[0][1] == inbox.got[1][1]


def test_who_lost_the_lease_says_nothing(live_db: str, acme: Any, inbox: Inbox) -> None:
    webhook(acme, inbox)
    happened(acme, 1)
    gather(wait=0.0, apart=0.0)
    [late] = sending._claim()
    later()
    assert run() == {"sent": 1}
    assert sending._settle(acme, late, sending._UNREADABLE) == "lost"
    assert states() == ["sent"]
