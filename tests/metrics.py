"""/metrics, read as Prometheus reads it."""

from __future__ import annotations

from django.test import Client
from prometheus_client.parser import text_string_to_metric_families


def scraped(host: str = "localhost") -> dict[tuple[str, ...], float]:
    """By name and the values of labels."""
    answer = Client().get("/metrics", headers={"host": host})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }
