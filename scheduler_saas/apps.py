from django.apps import AppConfig


class SchedulerSaasConfig(AppConfig):
    name = "scheduler_saas"
    label = "scheduler_saas"
    verbose_name = "Scheduler SaaS"

    def ready(self) -> None:
        from scheduler_saas import checks  # noqa: F401 - registers the system checks
