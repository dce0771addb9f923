"""`migrate` is `migrate_schemas`: the shared schema first, then every tenant's."""

from scheduler_saas.management.commands.migrate_schemas import Command

__all__ = ["Command"]
