"""`python -m tests.seeding RUNS [URL]`: on the server of DATABASE_URL the chaos jobs, or jobs that post to a URL.

For tests with a server of their own, whose database this process' Django is not connected to.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.replicas import ROOT

HOOKS = 6


def seed(database_url: str, runs: Path, hook: str = "") -> None:
    import os

    env = {
        **os.environ,
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
    }
    subprocess.run([sys.executable, "-m", "tests.seeding", str(runs), hook], cwd=ROOT, env=env, check=True)


def main(runs: str, hook: str = "") -> None:
    import django

    django.setup()

    from apps.jobs.specs import TriggerSpec
    from apps.tenants.context import all_tenants_scope
    from apps.tenants.models import Tenant
    from apps.vault.services import tenant_endpoint_set
    from tests.chaos.run import make_jobs
    from tests.factories import make_job

    with all_tenants_scope():
        tenants = list(Tenant.objects.order_by("schema_name"))
    anchor = datetime.now(UTC) + timedelta(seconds=1)
    if not hook:
        make_jobs(tenants, anchor, Path(runs))
        return
    for tenant in tenants:
        tenant_endpoint_set(tenant=tenant, url=f"{hook}/{tenant.schema_name}", actor="tests")
    for number in range(HOOKS):
        make_job(
            tenants[number % len(tenants)],
            name=f"hook {number}",
            trigger=TriggerSpec.every(1, anchor + timedelta(milliseconds=150 * number)),
            target="http_request",
            payload={"json": {"hook": number}},
            misfire="fire_all",
            misfire_max_runs=1000,
            misfire_pace_seconds=0,
            overlap="allow",
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
