"""Faults at random for SECONDS, by SEED; then the history is judged. `make chaos SECONDS=60 SEED=1`."""

from __future__ import annotations

import os
import secrets
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checker import check
from tests.chaos.faults import plan
from tests.chaos.fleet import Fleet
from tests.chaos.run import JOBS, run

SHORT_SECONDS, SHORT_SEED = 12.0, 4


def _asked() -> tuple[float, int, bool]:
    """How long, by which seed, and whether anybody asked. A long run without a seed gets a new one."""
    seconds, seed = os.environ.get("SECONDS", ""), os.environ.get("SEED", "")
    if not seconds and not seed:
        return SHORT_SECONDS, SHORT_SEED, False
    return float(seconds or SHORT_SECONDS), int(seed) if seed else secrets.randbelow(10**6), True


@pytest.mark.chaos
def test_nothing_is_lost_or_doubled_whatever_dies(
    live_db: str, acme: Any, bravo: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds, seed, asked = _asked()
    faults = plan(seed=seed, seconds=seconds)
    log = [f"seed {seed}, {seconds:g} s; to repeat it: make chaos SECONDS={seconds:g} SEED={seed}"]
    fleet = Fleet(live_db, tmp_path / "fleet.log")
    runs = tmp_path / "runs.jsonl"
    wrong = ["it did not come to its end"]
    try:
        history, figures = run(
            fleet=fleet, tenants=[acme, bravo], runs=runs, faults=faults, seconds=seconds, log=log
        )
        log.append(", ".join(f"{name} {round(figure, 2)}" for name, figure in figures.items()))
        wrong = check(history) + [f"ended by itself: {death}" for death in fleet.deaths]
    finally:
        with capsys.disabled() if asked else nullcontext():
            print("", *log, *wrong, sep="\n")
        if wrong and fleet.log.exists():
            print(*fleet.log.read_text(errors="replace").splitlines()[-200:], sep="\n")
    assert not wrong, f"{len(wrong)} violations, {log[0]}"
    assert figures["executions"] >= seconds * JOBS / 4
