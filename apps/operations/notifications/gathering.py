"""Making messages of notices: one for each channel that asked, of all that happened in the same moment.

Notices wait for a few seconds for others, and a tenant's channels get one message a minute at most: what happens
meanwhile goes together. The notices go and the messages come in one transaction, under a lock of the tenant's, so that
however many workers gather, each notice is told once to each channel.
"""

from __future__ import annotations

import logging

from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.jobs.models import Notice, NoticeWanted
from apps.operations.models import Delivery
from apps.operations.notifications import statements
from apps.operations.notifications.channels import channels_of
from apps.operations.notifications.messages import content_of
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.identity import user_rows
from apps.tenants.models import Tenant
from apps.vault.models import NotificationChannel

logger = logging.getLogger(__name__)
WAIT = 10.0  # seconds that a notice waits for others
APART = 60.0  # seconds between two messages to a channel
MOST = 500  # notices in one message
TENANTS = 100  # looked at in one run


def gather(*, wait: float = WAIT, apart: float = APART) -> int:
    """How many messages were made."""
    with all_tenants_scope():
        ids = statements.read_gatherable(wait=wait, apart=apart, limit=TENANTS)
        tenants = list(Tenant.objects.filter(pk__in=ids))
    made = 0
    for tenant in tenants:
        try:
            made += _of_tenant(tenant, apart)
        except DatabaseError:
            if connection.connection is None or connection.connection.closed:
                raise
            logger.exception("no messages could be made for %s", tenant.schema_name)
    return made


def _of_tenant(tenant: Tenant, apart: float) -> int:
    with tenant_scope(tenant), transaction.atomic():
        if not statements.hold_gathering(tenant_id=tenant.pk, apart=apart):
            return 0
        mine = Notice.objects.filter(tenant=tenant)
        taken = list(mine.order_by("id")[:MOST])
        ids = [notice.pk for notice in taken]
        made = []
        for channel in channels_of(tenant).filter(enabled=True).order_by("id"):
            rows = list(mine.filter(_asked_of(tenant, channel), pk__in=ids).order_by("id"))
            if rows:
                made.append(Delivery(tenant=tenant, channel_id=channel.pk, content=content_of(rows)))
        Delivery.objects.bulk_create(made)
        mine.filter(pk__in=ids).delete()
        if made:
            NoticeWanted.objects.filter(tenant=tenant).update(gathered_at=Now())
    return len(made)


def _asked_of(tenant: Tenant, channel: NotificationChannel) -> Q:
    asked = Q(event__in=channel.events)
    if channel.job_id is not None:
        asked &= Q(job_id=channel.job_id)
    if channel.task_type is not None:
        asked &= Q(task_type=channel.task_type)
    if channel.user_id is not None:
        asked &= user_rows(tenant.pk, channel.user_id)
    return asked
