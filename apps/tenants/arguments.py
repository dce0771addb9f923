"""What commands that name a tenant share: from its short name to its row, or a sentence why not."""

from django.core.management.base import CommandError

from apps.tenants.models import Tenant
from apps.tenants.selectors import tenant_by_name


def tenant_argument(schema_name: str) -> Tenant:
    """Raises `CommandError` when there is no such tenant."""
    tenant = tenant_by_name(schema_name)
    if tenant is None:
        raise CommandError(f"There is no tenant {schema_name!r}. `create_tenant` makes one.")
    return tenant


ACTOR = "manage.py"
