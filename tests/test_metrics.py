"""/metrics as Prometheus reads it: on any host, without a tenant's text, from the database of that moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.leadership.models import LeaderTerm, RefusedWrite
from tests.contract.rows import lead
from tests.metrics import scraped

pytestmark = pytest.mark.django_db


def test_who_leads_and_for_how_long_nobody_has_heard_of_them() -> None:
    assert scraped()["scheduler_leaders",] == 0
    term = lead(heartbeat_age=timedelta(seconds=1))
    found = scraped()
    assert (found["scheduler_leaders",], found["scheduler_terms_total",]) == (1, term.epoch)
    assert 1 <= found["scheduler_leader_heartbeat_age_seconds",] < 5
    LeaderTerm.objects.update(heartbeat_at=term.heartbeat_at - timedelta(seconds=60))
    found = scraped()
    assert found["scheduler_leaders",] == 0
    assert found["scheduler_leader_heartbeat_age_seconds",] >= 60


def test_refused_writes_are_counted_by_actor_and_kind() -> None:
    name = "scheduler_refused_writes_total"
    assert {scraped()[name, "worker", "stale_lease"], scraped()[name, "leader", "term_over"]} == {0}
    for actor, what, count in (
        ("worker", "stale_lease", 3),
        ("worker", "stale_lease", 4),
        ("leader", "term_over", 1),
    ):
        RefusedWrite.objects.create(actor=actor, name="acme-host:1", what=what, count=count)
    found = scraped()
    assert found[name, "worker", "stale_lease"] == 7
    assert found[name, "worker", "second_end"] == 0
    assert found[name, "leader", "term_over"] == 1


def test_it_answers_on_any_host_and_names_nobody(acme: Any) -> None:
    for host in ("acme.localhost", "nobody.example"):
        names = {" ".join(key) for key in scraped(host)}
        assert not [name for name in names if "acme" in name]
