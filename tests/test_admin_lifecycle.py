"""Marking a tenant for deletion in the operators' admin, and the trail of one that is gone."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry, Tenant
from tests.admin_rows import page
from tests.test_admin_actions import act, audited

pytestmark = pytest.mark.django_db


def status_of(tenant: Any) -> str:
    with all_tenants_scope():
        return str(Tenant.objects.get(pk=tenant.pk).status)


def test_a_suspended_tenant_is_marked_by_its_name_and_kept_after_all(browser: Client, acme: Any) -> None:
    said = {"confirmed": "1", "reason": "ticket 7"}
    asked = act(browser, Tenant, "ask_for_deletion", acme)
    assert {"reason", "short_name"} <= set(asked.context["form"].fields)
    act(browser, Tenant, "ask_for_deletion", acme, short_name="acme", **said)
    assert status_of(acme) == "active"  # it is not suspended
    act(browser, Tenant, "suspend", acme, **said)
    act(browser, Tenant, "ask_for_deletion", acme, short_name="Acme", **said)
    assert (status_of(acme), audited("tenant.deletion_request")) == ("suspended", [])
    act(browser, Tenant, "ask_for_deletion", acme, short_name="acme", **said)
    assert status_of(acme) == "deleting"
    assert audited("tenant.deletion_request") == [("acme", "olga (operator)", "ticket 7")]
    assert browser.get(page(Tenant, "change", acme.pk)).status_code == 200
    act(browser, Tenant, "resume", acme, **said)
    assert status_of(acme) == "deleting"
    act(browser, Tenant, "keep", acme, **said)
    assert (status_of(acme), len(audited("tenant.deletion_cancel"))) == ("suspended", 1)


def test_entries_of_a_tenant_that_is_gone_show_its_number(browser: Client) -> None:
    with all_tenants_scope():
        entry = AuditEntry.objects.create(
            tenant_id=987654321, actor="olga (operator)", action="tenant.delete"
        )
    listed = browser.get(page(AuditEntry))
    assert (listed.status_code, b"987654321" in listed.content) == (200, True)
    assert browser.get(page(AuditEntry, "change", entry.pk)).status_code == 200
