"""Our signatures against the reference library, and receivers' checks against tampering."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from apps.executions.targets import webhooks
from apps.executions.targets.context import ExecutionContext

pytestmark = pytest.mark.same_on_every_postgres

OLD, NEW = webhooks.generate_secret(), webhooks.generate_secret()
BODIES = [b"", b"{}", b'{"a": "b.c"}', "größe ☃".encode(), b"x" * 100_000]


def now() -> int:
    return int(time.time())


@pytest.mark.parametrize("body", BODIES)
def test_the_reference_library_accepts_what_we_sign(body: bytes) -> None:
    headers = webhooks.sign([NEW], "exec_7", now(), body)
    Webhook(NEW).verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(body, headers, json_parse=False)


@pytest.mark.parametrize("body", BODIES)
def test_we_accept_and_equal_what_the_reference_library_signs(body: bytes) -> None:
    stamp = now()
    signature = Webhook(NEW).sign("exec_7", datetime.fromtimestamp(stamp, UTC), body.decode())
    headers = {"Webhook-Id": "exec_7", "Webhook-Timestamp": str(stamp), "Webhook-Signature": signature}
    webhooks.verify([NEW], headers, body)
    assert webhooks.sign([NEW], "exec_7", stamp, body)["webhook-signature"] == signature


def test_during_a_rotation_either_secret_verifies() -> None:
    headers = webhooks.sign([NEW, OLD], "exec_7", now(), b"body")
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (NEW, OLD):
        Webhook(secret).verify(b"body", headers, json_parse=False)
        webhooks.verify([secret], headers, b"body")
    webhooks.verify([webhooks.generate_secret(), OLD], headers, b"body")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "exec_8"),
        ("webhook-id", ""),
        pytest.param("webhook-timestamp", str(now() - 1), id="a second earlier"),
        ("webhook-timestamp", ""),
        ("webhook-timestamp", "nan"),
        ("webhook-timestamp", "1" * 30),
        ("webhook-timestamp", "-1"),
        ("webhook-signature", ""),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,größe☃ v1a,AAAA"),
    ],
)
def test_a_changed_header_is_refused(name: str, value: str) -> None:
    stamp = now()
    headers = {**webhooks.sign([NEW], "exec_7", stamp, b"body"), name: value}
    with pytest.raises(webhooks.SignatureError):
        webhooks.verify([NEW], headers, b"body", now=stamp)


def test_a_changed_body_a_missing_header_and_no_secret_are_refused() -> None:
    headers = webhooks.sign([NEW], "exec_7", now(), b"body")
    with pytest.raises(webhooks.SignatureError):
        webhooks.verify([NEW], headers, b"bodz")
    with pytest.raises(webhooks.SignatureError):
        webhooks.verify([], headers, b"body")
    for name in headers:
        with pytest.raises(webhooks.SignatureError):
            webhooks.verify([NEW], {k: v for k, v in headers.items() if k != name}, b"body")


def test_v1_is_named_and_other_versions_do_not_count() -> None:
    headers = webhooks.sign([NEW], "exec_7", now(), b"body")
    other = headers["webhook-signature"].replace("v1,", "v2,")
    with pytest.raises(webhooks.SignatureError):
        webhooks.verify([NEW], {**headers, "webhook-signature": other}, b"body")
    both = f"{other} {headers['webhook-signature']}"
    webhooks.verify([NEW], {**headers, "webhook-signature": both}, b"body")


@pytest.mark.parametrize(
    ("offset", "accepted"), [(-301, False), (-299, True), (0, True), (299, True), (301, False)]
)
def test_messages_of_five_minutes_either_way_are_accepted(offset: int, accepted: bool) -> None:
    headers = webhooks.sign([NEW], "exec_7", 1_800_000_000, b"body")
    if accepted:
        webhooks.verify([NEW], headers, b"body", now=1_800_000_000 + offset)
    else:
        with pytest.raises(webhooks.SignatureError, match="five minutes"):
            webhooks.verify([NEW], headers, b"body", now=1_800_000_000 + offset)


def test_secrets_are_of_the_right_form_and_never_in_the_message() -> None:
    assert webhooks.generate_secret() != webhooks.generate_secret()
    assert len(webhooks.secret_key(NEW)) == 32
    unpadded = "whsec_" + base64.b64encode(b"k" * 25).decode().rstrip("=")
    assert webhooks.secret_key(unpadded) == b"k" * 25
    for bad in (
        "",
        "whsec_",
        "whsec_!!!",
        "whsec_" + base64.b64encode(b"k" * 23).decode(),
        "whsec_größe",
        "c2hvcnQ=",
    ):
        with pytest.raises(webhooks.SecretError) as refusal:
            webhooks.secret_key(bad)
        assert not bad or bad not in str(refusal.value)
    with pytest.raises(webhooks.SecretError):
        webhooks.secret_key("whsec_" + base64.b64encode(b"k" * 65).decode())


def test_the_id_is_the_jobs_at_its_time_and_the_rest_is_the_attempts() -> None:
    def context(attempt: int, number: int = 42, job: int = 1, kind: str = "scheduled") -> ExecutionContext:
        moment = datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=UTC)
        return ExecutionContext(number, "acme", job, "nightly", attempt, 9, moment, moment, 30.0, kind=kind)

    first, second = context(1), context(2)
    assert first.message_id == second.message_id == "exec_1_1774747800000001"
    assert context(1, number=43).message_id == first.message_id, "run again by a database that had lost it"
    assert context(1, job=2).message_id != first.message_id, "the number was handed out again"
    assert context(1, kind="backfill").message_id == first.message_id
    assert context(1, kind="retry").message_id == "exec_1_1774747800000001_42", (
        "of the bulk that was asked for at once"
    )
    assert webhooks.delivery_headers(second) == {
        "scheduler-execution-id": "42",
        "scheduler-epoch": "9",
        "scheduler-attempt": "2",
        "scheduler-scheduled-for": "2026-03-29T01:30:00.000001+00:00",
    }
