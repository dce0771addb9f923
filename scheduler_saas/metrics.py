"""What Prometheus scrapes: read from the database at that moment, so that every web process says the same.

No label has a tenant's text in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Sum
from django.http import HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from apps.jobs.schedules import database_now
from apps.leadership.models import LeaderTerm, RefusedWrite

_REFUSALS = (
    ("leader", "term_over"),
    ("worker", "stale_lease"),
    ("worker", "late_renewal"),
    ("worker", "second_end"),
)


class Leadership:
    """Terms, and writes of those whose time was over."""

    def collect(self) -> Iterator[Metric]:
        now = database_now()
        newest = LeaderTerm.objects.order_by("-epoch").first()
        leads = newest is not None and newest.ended_at is None
        silence = (now - newest.heartbeat_at).total_seconds() if newest and leads else 0.0
        yield GaugeMetricFamily(
            "scheduler_leaders",
            "Open terms whose leader has shown a sign of life within the trust window: 0 or 1.",
            value=int(leads and silence <= settings.LEADER_TRUST_WINDOW),
        )
        yield GaugeMetricFamily(
            "scheduler_leader_heartbeat_age_seconds", "Since the leader's last sign of life.", value=silence
        )
        yield CounterMetricFamily(
            "scheduler_terms",
            "The newest epoch: it grows with each term.",
            value=newest.epoch if newest else 0,
        )
        refused = CounterMetricFamily(
            "scheduler_refused_writes",
            "Writes of a leader after its term and of workers without their leases: tried, and refused.",
            labels=["actor", "what"],
        )
        counted = RefusedWrite.objects.values_list("actor", "what").annotate(n=Sum("count"))
        found = {(actor, what): n for actor, what, n in counted}
        for actor, what in _REFUSALS:
            refused.add_metric([actor, what], found.get((actor, what), 0))
        yield refused


def metrics() -> HttpResponse:
    """503 without a database: no figure is better than an old one."""
    registry = CollectorRegistry()
    try:
        registry.register(Leadership())
        body = generate_latest(registry)
    except DatabaseError as error:
        return HttpResponse(f"# {type(error).__name__}\n", status=503, content_type=CONTENT_TYPE_LATEST)
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)
