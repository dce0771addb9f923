"""Who appears in tests."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from tests.factories import MembershipFactory


class Cast:
    """A tenant's people: Alice owns, Ann administers, Bob is a member, Vic may only look."""

    def __init__(self, tenant: Any) -> None:
        name = tenant.schema_name
        self.tenant = tenant
        self.host = f"{name}.{settings.TENANT_DOMAIN_SUFFIX}"
        for person, role in (("alice", "owner"), ("ann", "admin"), ("bob", "member"), ("vic", "viewer")):
            membership = MembershipFactory(tenant=tenant, username=f"{person}-{name}", role=role)
            setattr(self, person, membership)
