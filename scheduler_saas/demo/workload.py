"""What the demo's tenants run: a real crontab each, and jobs every second that make the load.

The load is spread over the second in slots, as many tenants' schedules would be, instead of all at its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import CommandError

from apps.jobs import services
from apps.jobs.imports import crontab_import
from apps.jobs.models import Job
from apps.jobs.schedules import database_now
from apps.jobs.specs import JobSpec, TriggerSpec
from apps.tenants.context import tenant_scope
from scheduler_saas.demo.cast import ACTOR, Company
from scheduler_saas.demo.oracle import Definition
from scheduler_saas.demo.witnesses import WatchedJob

EXAMPLES = settings.BASE_DIR / "docs" / "examples"
#: Tenant: its crontab, whether that has a user column.
_CRONTABS = {"acme": ("system-crontab", True), "bravo": ("user-crontab", False)}
SLOTS = 20
#: Of every ten jobs: to the receiver over HTTP, Python in the worker's loop, Python in a process.
_MIX = ("http", "http", "pulse", "http", "http", "pulse", "http", "http", "pulse", "http")
_LOAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "http": ("http_request", {"method": "POST"}, "Deliver"),
    "pulse": ("demo.pulse", {"wait_ms": 5}, "Pulse"),
    "digest": ("demo.digest", {"rounds": 5_000}, "Digest"),
}
_DIGESTS = 30  # of so many jobs one computes in a process


def import_crontabs(companies: list[Company]) -> list[WatchedJob]:
    """A job for each line, with the database's clock before and after they were saved."""
    return [job for company in companies for job in _watching(company, partial(_import, company))]


def make_load(companies: list[Company], *, rate: int, start: datetime) -> list[WatchedJob]:
    """`rate` jobs of one second each, the first of them due at `start`."""
    watched: list[WatchedJob] = []
    for number in range(rate):
        company = companies[number % len(companies)]
        spec = _load_spec(company, number, rate, start)
        watched += _watching(company, partial(_create, company, spec))
    return watched


def _watching(company: Company, save: Callable[[], None]) -> Iterator[WatchedJob]:
    with tenant_scope(company.tenant):
        newest = Job.objects.order_by("-id").values_list("id", flat=True).first() or 0
        before = database_now()
        save()
        after = database_now()
        for job in Job.objects.filter(id__gt=newest).order_by("id"):
            yield WatchedJob(job.id, definition_of(job), before, after)


def definition_of(job: Any) -> Definition:
    return Definition(
        cron=job.cron_expression,
        timezone=job.timezone,
        interval_seconds=job.interval_seconds,
        anchor=job.anchor_at,
    )


def _import(company: Company) -> None:
    file, user_column = _CRONTABS[company.name]
    text = (EXAMPLES / file).read_text(encoding="utf-8")
    owner = company.person("member").user_id
    done = crontab_import(tenant=company.tenant, text=text, user_column=user_column, actor=owner)
    if done.problems:
        problem = done.problems[0]
        raise CommandError(f"docs/examples/{file}, line {problem.line_number}: {problem.sentence}")


def _create(company: Company, spec: JobSpec) -> None:
    services.job_create(tenant=company.tenant, spec=spec, actor=ACTOR)


def _load_spec(company: Company, number: int, rate: int, start: datetime) -> JobSpec:
    kind = "digest" if number % _DIGESTS == _DIGESTS - 1 else _MIX[(number // 2) % len(_MIX)]
    # Neighbours share a slot: what is due together is dispatched together.
    anchor = start + timedelta(seconds=1) * (number * SLOTS // rate) / SLOTS
    target, payload, title = _LOAD[kind]
    people = company.people
    return JobSpec(
        name=f"{title} {number + 1}",
        trigger=TriggerSpec.every(1, anchor),
        target=target,
        payload=payload,
        user_id=people[number // 2 % len(people)].user_id,
        task_category="load",
        # A worker that is late must not turn the next second's run into a skip.
        overlap="allow",
        timeout_seconds=30,
    )
