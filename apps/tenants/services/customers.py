"""Plans and tenants."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.tenants import provisioning
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Domain, Plan, Tenant
from apps.tenants.services.trail import Refused, audit

_SCHEMA_NAME = re.compile(r"[a-z][a-z0-9_]{1,49}")
_RESERVED = frozenset({"public", "information_schema", "api", "admin", "www"})


def plan_create(*, name: str, **limits: Any) -> Plan:
    """A plan with the given limits; the rest are the model's defaults."""
    with all_tenants_scope():
        return Plan.objects.create(name=name, **limits)


def tenant_create(
    *, schema_name: str, name: str, plan: Plan | None = None, domain: str | None = None, actor: str
) -> Tenant:
    """A tenant with its schema and host name (`<schema>.<TENANT_DOMAIN_SUFFIX>` unless given).

    Raises `Refused` when the name is unusable or taken.
    """
    if not _SCHEMA_NAME.fullmatch(schema_name) or schema_name in _RESERVED or schema_name.startswith("pg_"):
        raise Refused(
            f"{schema_name!r} cannot name a tenant: use 2 to 50 lower-case letters, digits and underscores, "
            "beginning with a letter."
        )
    host = (domain or f"{schema_name.replace('_', '-')}.{settings.TENANT_DOMAIN_SUFFIX}").lower()
    with all_tenants_scope(), transaction.atomic():
        if Tenant.objects.filter(schema_name=schema_name).exists():
            raise Refused(f"There is a tenant {schema_name!r} already.")
        if Domain.objects.filter(domain=host).exists():
            raise Refused(f"The host name {host!r} belongs to a tenant already.")
        plan = plan or Plan.objects.get(name="standard")
        tenant = Tenant(schema_name=schema_name, name=name, plan=plan)
        tenant.save()
        Domain.objects.create(tenant=tenant, domain=host, is_primary=True)
        provisioning.create_schema(tenant)
        audit(
            actor=actor,
            action="tenant.create",
            tenant=tenant,
            object_type="tenant",
            object_id=tenant.pk,
            data={"before": None, "after": {"name": name, "plan": str(plan), "domain": host}},
        )
    return tenant
