"""Where notifications arrive: a receiver of webhooks and a mail server, both real."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.notifying import Inbox, MailServer, mail_server, webhook_inbox


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with webhook_inbox() as inbox:
        yield inbox


@pytest.fixture
def mails(settings: Any) -> Iterator[MailServer]:
    with mail_server() as mails:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mails.port
        yield mails
