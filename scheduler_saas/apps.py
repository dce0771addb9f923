from django.apps import AppConfig


class SchedulerSaasConfig(AppConfig):
    name = "scheduler_saas"
    label = "scheduler_saas"
    verbose_name = "Scheduler SaaS"

    def ready(self) -> None:
        from apps.leadership.fitness import refuse_shared_backend
        from apps.tenants.machine import PATIENCE
        from scheduler_saas import checks, gates  # noqa: F401 - registers the system checks
        from scheduler_saas.postgres.base import DatabaseWrapper

        DatabaseWrapper.refuse_route = staticmethod(refuse_shared_backend)
        DatabaseWrapper.patience = PATIENCE
        gates.offer()
