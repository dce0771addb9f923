"""The two ways out. Neither touches the database, and what goes wrong is a sentence of ours that holds no content."""

from __future__ import annotations

import asyncio
import smtplib
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage

from apps.executions.targets.http import HttpClient, HttpError
from apps.executions.targets.webhooks import sign
from apps.operations.notifications.messages import Mail

WEBHOOK_SECONDS = 10.0  # all in all
GONE = 410


@dataclass(frozen=True, slots=True)
class SentMail:
    """An email that is to be sent."""

    to: str = field(repr=False)
    message_id: str
    mail: Mail = field(repr=False)


@dataclass(frozen=True, slots=True)
class SentWebhook:
    """A webhook that is to be sent."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    message_id: str
    body: bytes = field(repr=False)
    at: datetime  # by the database's clock


@dataclass(frozen=True, slots=True)
class Failed:
    """Why it did not arrive; `for_good` where another try cannot help."""

    sentence: str
    for_good: bool = False


Message = SentMail | SentWebhook


async def send_all(messages: list[Message]) -> list[Failed | None]:
    """All at the same time, so that one receiver that hangs holds up no other. None: it arrived."""
    async with HttpClient() as client:
        return list(await asyncio.gather(*(_send(client, message) for message in messages)))


async def _send(client: HttpClient, message: Message) -> Failed | None:
    if isinstance(message, SentMail):
        return await asyncio.to_thread(_mail, message)
    return await _post(client, message)


async def _post(client: HttpClient, message: SentWebhook) -> Failed | None:
    signed = sign([message.secret], message.message_id, int(message.at.timestamp()), message.body)
    try:
        response = await client.request(
            "POST",
            message.url,
            timeout=WEBHOOK_SECONDS,
            own_headers={"content-type": "application/json", **signed},
            body=message.body,
        )
    except HttpError as error:
        return Failed(f"Not sent: {error}.", for_good=error.permanent)
    except TimeoutError:
        return Failed(f"The receiver did not answer within {WEBHOOK_SECONDS:.0f} s.")
    if 200 <= response.status < 300:
        return None
    return Failed(f"The receiver answered {response.status}.", for_good=response.status == GONE)


def _mail(message: SentMail) -> Failed | None:
    email = EmailMessage(
        message.mail.subject,
        message.mail.body,
        settings.DEFAULT_FROM_EMAIL,
        [message.to],
        headers={
            "Message-ID": f"<{message.message_id}@scheduler>",
            "Auto-Submitted": "auto-generated",
        },
    )
    try:
        email.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        return Failed("The mail server refused the address.", for_good=all(code >= 500 for code in codes))
    except smtplib.SMTPResponseException as error:
        return Failed(f"The mail server refused the message ({error.smtp_code}).")
    except (smtplib.SMTPException, OSError):
        return Failed("The mail server could not be reached, or broke off.")
    return None
