"""The statements of deletion, a batch each. What somebody else holds is left to a later batch: none of them waits."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import Q
from psycopg import sql as text

from apps.operations.lifecycle.tables import Span, Table
from apps.operations.statements import sql
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry, Membership, Tenant, User

# A place (ctid) is one row's within a partition alone. Over a whole partitioned table it may name others too, which the
# tenant in the outer WHERE makes rows that are to go anyway.
_DELETE = """
DELETE FROM public.{table}
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM public.{table} WHERE tenant_id = %(tenant_id)s {span} LIMIT %(batch)s FOR UPDATE SKIP LOCKED
)) AND tenant_id = %(tenant_id)s {span}
"""
_SPAN = "AND scheduled_for >= %(begins)s AND scheduled_for < %(ends)s"
_OPERATOR = Q(actor__endswith="(operator)") | Q(actor__in=["manage.py", "worker", ""])


def delete_rows(table: Table, tenant: Tenant, span: Span | None, *, batch: int) -> int:
    """Of one partition, or where `span` is None of the whole table. In the tenant's scope."""
    bounds = {"begins": span.begins, "ends": span.ends} if span else {}
    statement = text.SQL(_DELETE).format(
        table=text.Identifier(table.name), span=text.SQL(_SPAN if span else "")
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, {"tenant_id": tenant.pk, "batch": batch, **bounds})
        return int(cursor.rowcount)


def delete_executions(tenant: Tenant, span: Span, *, batch: int) -> int:
    """Of the ledger, with what hangs on it. In the tenant's scope."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            sql("forget_executions"),
            {"tenant_id": tenant.pk, "begins": span.begins, "ends": span.ends, "batch": batch},
        )
        return int(cursor.fetchone()[0])


def rows_left(table: Table, tenant: Tenant) -> bool:
    """In the tenant's scope."""
    statement = text.SQL("SELECT EXISTS (SELECT FROM public.{} WHERE tenant_id = %s)")
    with connection.cursor() as cursor:
        cursor.execute(statement.format(text.Identifier(table.name)), [tenant.pk])
        return bool(cursor.fetchone()[0])


def delete_people(tenant: Tenant, *, batch: int) -> int:
    """Memberships, and with the last one of an account the account, unless it is an operator's; failed sign-ins too."""
    with all_tenants_scope(), transaction.atomic():
        held = Membership.objects.filter(tenant=tenant).order_by("pk").select_for_update(skip_locked=True)
        doomed = list(held[:batch].values_list("pk", "account_id"))
        accounts = [account for _, account in doomed]
        lonely: Any = User.objects.filter(pk__in=accounts, is_staff=False, is_superuser=False)
        lonely = lonely.order_by("pk").select_for_update()  # nobody gets a membership of these meanwhile
        names = dict(lonely.values_list("pk", "username"))
        Membership.objects.filter(pk__in=[pk for pk, _ in doomed]).delete()
        gone = set(names) - set(
            Membership.objects.filter(account__in=names).values_list("account_id", flat=True)
        )
        for attempts in (AccessAttempt, AccessFailureLog, AccessLog):
            attempts.objects.filter(username__in=[names[pk] for pk in gone]).delete()
        _delete_admin_log(User, gone)
        User.objects.filter(pk__in=gone).delete()
        return len(doomed)


def scrub_trail(tenant: Tenant, *, batch: int) -> int:
    """Empty audit entries, all but what the operators did to the tenant itself: who, when and why stay."""
    with all_tenants_scope(), transaction.atomic():
        entries = AuditEntry.objects.filter(tenant=tenant)
        own_words = Q(action__startswith="tenant.") & _OPERATOR
        said = ~Q(data={}) | (~own_words & (~Q(object_id="") | ~Q(reason="") | ~_OPERATOR))
        ids = list(entries.filter(said).order_by("pk").values_list("pk", flat=True)[:batch])
        found = AuditEntry.objects.filter(pk__in=ids)
        found.filter(own_words).update(data={})
        found.filter(~own_words & _OPERATOR).update(data={}, object_id="", reason="")
        found.filter(~_OPERATOR).update(data={}, object_id="", reason="", actor="")
        return len(ids)


def delete_admin_log(tenant: Tenant) -> None:
    """What Django's admin noted of the tenant, by its name."""
    with all_tenants_scope(), transaction.atomic():
        _delete_admin_log(Tenant, {tenant.pk})


def _delete_admin_log(model: Any, ids: set[int]) -> None:
    kind = ContentType.objects.get_for_model(model)
    LogEntry.objects.filter(content_type=kind, object_id__in=[str(pk) for pk in ids]).delete()
