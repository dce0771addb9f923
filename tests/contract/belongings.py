"""What a member has beside jobs, for the API to show: connected platforms, keys and colleagues, made by services."""

from __future__ import annotations

from itertools import count
from typing import Any

from apps.jobs.calendars.services import calendar_create
from apps.jobs.models import Job
from apps.jobs.platforms import services as platforms
from apps.operations.notifications.channels import channel_create
from apps.tenants.authentication import Member
from apps.tenants.context import tenant_scope
from apps.tenants.models import Membership, Role
from apps.tenants.services import invitation_create
from tests.factories import MembershipFactory, key_of

_numbers = count(1)


def belongings(owner: Membership) -> dict[str, Any]:
    """Ids by name. `gsc` has its monitoring job (`monitor`), `bing` waits for it."""
    tenant, user_id = owner.tenant, owner.user_id
    for platform in ("gsc", "bing"):
        platforms.connection_put(
            tenant=tenant,
            user_id=user_id,
            platform=platform,
            credentials={"refresh_token": "not to be shown"},
            label="Our shop",
            settings={"site": "https://shop.example"},
            actor="tests",
        )
    platforms.job_ensure(tenant=tenant, user_id=user_id, platform="gsc", actor="tests")
    colleague = MembershipFactory(
        tenant=tenant, username=f"colleague-{next(_numbers)}", role="viewer", legacy_user_id=next(_numbers)
    )
    with tenant_scope(tenant):
        monitor = Job.objects.get(tenant=tenant, user_id=user_id, task_type="gsc_insights", deleted_at=None)
    calendar = calendar_create(
        tenant=tenant,
        name=f"Holidays {next(_numbers)}",
        blackouts=[{"from": "2026-12-24T18:00", "to": "2026-12-27", "reason": "Christmas"}],
        actor="tests",
    )
    channel, _ = channel_create(
        tenant=tenant,
        kind="email",
        fields={"name": f"On call {next(_numbers)}", "address": "ops@shop.example", "events": ["failure"]},
        actor="tests",
    )
    invitation, _ = invitation_create(
        tenant=tenant,
        email=f"invited-{next(_numbers)}@example.com",
        role="viewer",
        actor="tests",
        by=Member(owner, tenant, Role(owner.role), "tests"),
    )
    return {
        "invitation": invitation.pk,
        "calendar": calendar.pk,
        "channel": channel.pk,
        "key": key_of(colleague)[0].pk,
        "colleague": colleague.pk,
        "monitor": monitor,
    }
