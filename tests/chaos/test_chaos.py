"""Faults at random for SECONDS, by SEED; then the history is judged. `make chaos SECONDS=60 SEED=1`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from apps.tenants.context import all_tenants_scope
from apps.tenants.models import Tenant
from tests.chaos.checker import check
from tests.chaos.connected import connected_to
from tests.chaos.faults import plan
from tests.chaos.run import JOBS, run
from tests.clusters import Cluster, cluster, shared_directory

SHORT_SECONDS, SHORT_SEED = 13.0, 127


DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "track_commit_timestamp": "on",
}


@pytest.fixture
def ground(
    django_test_environment: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A server of the run's own: it crashes, and what was committed survives."""
    server = cluster(shared_directory(tmp_path_factory), **DURABLE)
    with server as ground, django_db_blocker.unblock(), connected_to(ground):
        yield ground


def _asked() -> tuple[float, int, bool]:
    """How long, by which seed, and whether anybody asked. A long run without a seed gets a new one."""
    seconds, seed = os.environ.get("SECONDS", ""), os.environ.get("SEED", "")
    if not seconds and not seed:
        return SHORT_SECONDS, SHORT_SEED, False
    return float(seconds or SHORT_SECONDS), int(seed) if seed else secrets.randbelow(10**6), True


@pytest.mark.chaos
def test_nothing_is_lost_or_doubled_whatever_dies(
    ground: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds, seed, asked = _asked()
    faults = plan(seed=seed, seconds=seconds)
    log = [f"seed {seed}, {seconds:g} s; to repeat it: make chaos SECONDS={seconds:g} SEED={seed}"]
    with all_tenants_scope():
        tenants = list(Tenant.objects.order_by("schema_name"))
    wrong = ["it did not come to its end"]
    try:
        history, figures, fleet = run(
            ground=ground, tenants=tenants, directory=tmp_path, faults=faults, seconds=seconds, log=log
        )
        log.append(", ".join(f"{name} {_short(figure)}" for name, figure in figures.items()))
        wrong = check(history) + [f"ended by itself: {death}" for death in fleet.deaths]
    finally:
        with capsys.disabled() if asked else nullcontext():
            print("", *log, *wrong[:100], sep="\n")
        if wrong and (tmp_path / "fleet.log").exists():
            print("planned:", *faults, sep="\n")
            print(*(tmp_path / "fleet.log").read_text(errors="replace").splitlines()[-400:], sep="\n")
            print(*(ground.home / "log").read_text().splitlines()[-100:], sep="\n")
    assert not wrong, f"{len(wrong)} violations, {log[0]}"
    missed = {fault.kind for fault in faults if not figures.get(fault.kind)}
    assert not missed, f"nobody was struck by any {missed}"
    assert figures["executions"] >= seconds * JOBS / 4


def _short(figure: object) -> object:
    return round(figure, 2) if isinstance(figure, float) else figure
