"""django-tenants' migrate, seeing all tenants: under FORCE a data migration would see no rows and say nothing."""

from typing import Any

from django.db import connection
from django_tenants.management.commands.migrate_schemas import MigrateSchemasCommand


class Command(MigrateSchemasCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        wrapper: Any = connection
        wrapper.migrating = True
        try:
            super().handle(*args, **options)
        finally:
            wrapper.migrating = False
            wrapper.set_schema_to_public()
