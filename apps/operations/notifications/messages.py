"""What a message says: its content as it is kept, and as an email or a webhook has it. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from apps.jobs.models import Notice

Content = dict[str, Any]
Event = Notice.Event
TYPE, TEST_TYPE = "jobs.notification", "jobs.notification.test"
IN_MAIL = 20  # jobs that an email names
MAX_SUBJECT = 200
_HAPPENED = {Event.FAILURE: "failed", Event.RECOVERY: "recovered", Event.COOL_OFF: "cooling off"}


class Mail(NamedTuple):
    subject: str
    body: str


def content_of(notices: Sequence[Notice]) -> Content:
    return {
        "events": [
            {
                "event": notice.event,
                "at": notice.at.isoformat(),
                "job_id": str(notice.job_id),
                "job_name": notice.job_name,
                "task_type": notice.task_type,
                "user_id": notice.user_id or (notice.legacy_user_id and str(notice.legacy_user_id)),
                "consecutive_failures": notice.failures,
                "reason": notice.reason,
                "cool_off_until": notice.cool_off_until and notice.cool_off_until.isoformat(),
            }
            for notice in notices
        ]
    }


def test_content() -> Content:
    return {"events": []}


def webhook_body(
    content: Content, *, tenant: str, channel: str, created_at: datetime, is_test: bool
) -> bytes:
    """The same bytes at every attempt."""
    events = content["events"]
    body = {
        "type": TEST_TYPE if is_test else TYPE,
        "timestamp": created_at.isoformat(),
        "data": {"tenant": tenant, "channel": channel, "count": len(events), "events": events},
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def mail(content: Content, *, tenant: str, channel: str, is_test: bool) -> Mail:
    """At most IN_MAIL jobs by name, and how many there are."""
    if is_test:
        text = (
            f'This is a test of the channel "{channel}" of {tenant}. Messages about jobs will arrive here.\n'
        )
        return Mail(_subject(tenant, "a test of your notifications"), text)
    events = content["events"]
    jobs = len({event["job_id"] for event in events})
    if jobs == 1:
        said = f"{events[0]['job_name']}: " + ", ".join(_HAPPENED[event["event"]] for event in events[-3:])
    else:
        counts = Counter(_HAPPENED[event["event"]] for event in events)
        said = f"{jobs} jobs: " + ", ".join(f"{n} {happened}" for happened, n in counts.items())
    shown = list({event["job_id"]: None for event in events})[:IN_MAIL]
    lines = [line for event in events if event["job_id"] in shown for line in _lines(event)]
    if jobs > len(shown):
        lines += ["", f"… and {jobs - len(shown):,} more jobs."]
    foot = f'\n-- \nSent because the notification channel "{channel}" of {tenant} asks for it.\n'
    return Mail(_subject(tenant, said), f"{said}\n" + "\n".join(lines) + "\n" + foot)


def _subject(tenant: str, said: str) -> str:
    line = " ".join(f"[{tenant}] {said}".split())
    return line if len(line) <= MAX_SUBJECT else line[: MAX_SUBJECT - 1] + "…"


def _lines(event: dict[str, Any]) -> list[str]:
    failures = event["consecutive_failures"]
    in_a_row = "1 failure" if failures == 1 else f"{failures:,} failures in a row"
    match event["event"]:
        case Event.FAILURE:
            said = "failed" if failures == 1 else f"failed, {in_a_row} by now"
        case Event.RECOVERY:
            said = f"recovered after {in_a_row}"
        case _:
            said = f"is left alone until {_time(event['cool_off_until'])} after {in_a_row}"
    lines = [
        "",
        f"{event['job_name']} (job {event['job_id']}, {event['task_type']}) {said}.",
        f"  at {_time(event['at'])}",
    ]
    if event["reason"] and event["event"] != Event.RECOVERY:
        lines.append(f"  {event['reason']}")
    return lines


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
