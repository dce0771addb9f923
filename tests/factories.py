"""Test data, made through the services that users go through."""

from typing import Any

import factory
from factory.faker import Faker

from apps.tenants import services
from apps.tenants.models import ApiKey, Membership, Plan, Tenant


class PlanFactory(factory.Factory):
    class Meta:
        model = Plan

    name = factory.Sequence(lambda n: f"plan-{n}")
    max_jobs = 20_000
    min_interval_seconds = 1
    requests_per_minute = 0
    max_concurrency = 0
    allowed_tasks = ("*",)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Plan:
        kwargs["allowed_tasks"] = list(kwargs["allowed_tasks"])
        return services.plan_create(**kwargs)


class TenantFactory(factory.Factory):
    class Meta:
        model = Tenant

    schema_name = factory.Sequence(lambda n: f"tenant{n}")
    name = Faker("company")
    actor = "tests"

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Tenant:
        return services.tenant_create(**kwargs)


class MembershipFactory(factory.Factory):
    class Meta:
        model = Membership

    username = factory.Sequence(lambda n: f"person{n}")
    role = "member"
    password = "correct horse"
    actor = "tests"

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Membership:
        return services.member_create(**kwargs)


def key_of(membership: Membership, **kwargs: Any) -> tuple[ApiKey, str]:
    """An API key of `membership` and its text."""
    return services.api_key_create(membership=membership, name="tests", actor="tests", **kwargs)


def make_job(tenant: Tenant, **fields: Any) -> Any:
    """A job of `tenant` through `jobs.services`; every five minutes by cron unless `fields` say otherwise."""
    from apps.jobs import services as jobs
    from apps.jobs.specs import JobSpec, TriggerSpec

    fields.setdefault("name", "a job")
    fields.setdefault("trigger", TriggerSpec.cron("*/5 * * * *"))
    fields.setdefault("target", "http_check")
    fields.setdefault("payload", {"url": "https://example.com/"})
    return jobs.job_create(tenant=tenant, spec=JobSpec(**fields), actor="tests")
