"""Django in the benchmark's own process."""

from __future__ import annotations

import os


def configure(url: str) -> None:
    """Django as a deployment would have it, on the run's server."""
    os.environ |= {
        "DATABASE_URL": f"{url}/postgres",
        "LEADER_DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.dev",
        "DEBUG": "false",
        "LOG_LEVEL": "WARNING",
        "TASK_MODULES": "tests.benchmarks.tasks",
    }
    import django

    django.setup()
