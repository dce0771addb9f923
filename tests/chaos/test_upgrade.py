"""An older release at work, this one migrates under it, both run side by side, the older one is stopped.

`make chaos OLD=<commit or tag>`; the newest tag if none is named. What is between the two is what is tried, no more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checker import check
from tests.chaos.fleet import Fleet, Member
from tests.chaos.history import read
from tests.chaos.recorder import recording
from tests.clusters import Cluster, home, manage
from tests.replicas import ROOT, wait_for


def _checked_out(ref: str, directory: Path) -> Path:
    archive = subprocess.run(["git", "archive", ref], cwd=ROOT, check=True, capture_output=True).stdout
    directory.mkdir()
    subprocess.run(["tar", "-x", "-C", str(directory)], input=archive, check=True)
    shutil.copy(ROOT / "tests" / "seeding.py", directory / "tests" / "seeding.py")
    return directory


@pytest.mark.chaos
def test_two_releases_side_by_side(tmp_path: Path, capsys: Any) -> None:
    ref = os.environ.get("OLD", "")
    if not ref:
        with capsys.disabled():
            print("\nupgrade: not run: name the older release, OLD=<commit or tag>")
        return
    old = _checked_out(ref, tmp_path / "old")
    runs = tmp_path / "runs"
    with home() as directory:
        server = Cluster(directory)
        server.initialise()
        server.start()
        try:
            _upgrade(server, old, runs, tmp_path / "log", capsys)
        finally:
            server.stop("immediate")


def _upgrade(server: Cluster, old: Path, runs: Path, log: Path, capsys: Any) -> None:
    with server.admin("postgres") as admin:
        admin.execute("CREATE ROLE scheduler LOGIN NOSUPERUSER NOBYPASSRLS")
        admin.execute("CREATE DATABASE scheduler OWNER scheduler")
    env = {
        **os.environ,
        "DATABASE_URL": server.url(),
        "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
    }

    def by_the_old_one(*words: str) -> None:
        subprocess.run([sys.executable, *words], cwd=old, env=env, check=True, capture_output=True)

    by_the_old_one("manage.py", "migrate", "-v0")
    for tenant in ("acme", "bravo"):
        by_the_old_one("manage.py", "create_tenant", tenant)
    old_ones = [
        Member(f"old-{kind}-{n}", f"run_{kind}", root=old) for kind in ("scheduler", "worker") for n in "ab"
    ]
    new_ones = [Member(f"new-{kind}-{n}", f"run_{kind}") for kind in ("scheduler", "worker") for n in "ab"]
    with server.admin() as admin, recording(admin) as recorder:
        admin.execute(
            "UPDATE tenants_plan SET min_interval_seconds = 1, max_concurrency = 0, allowed_tasks = '{*}'"
        )
        by_the_old_one("-m", "tests.seeding", str(runs))
        fleet = Fleet(server.url(), log, old_ones)

        def scalar(sql: Any) -> Any:
            row = admin.execute(sql).fetchone()
            assert row is not None
            return row[0]

        def goes_on(what: str, n: int = 60) -> None:
            before = scalar("SELECT count(*) FROM executions_executionlog")
            wait_for(
                lambda: scalar("SELECT count(*) FROM executions_executionlog") > before + n, what, seconds=60
            )
            fleet.note_deaths()

        try:
            for member in old_ones:
                fleet.start(member)
            goes_on("the old release alone")
            migrated = manage(server.url(), "migrate", "-v0")
            assert migrated.returncode == 0, migrated.stderr
            goes_on("the old release on the new schema")
            fleet.members = [*old_ones, *new_ones]
            for member in new_ones:
                fleet.start(member)
            connected = "SELECT string_agg(application_name, ' ') FROM pg_stat_activity"
            wait_for(
                lambda: all(f" {member.name}" in scalar(connected) for member in new_ones),
                "the new release has started",
                seconds=60,
            )
            goes_on("both", 100)
            assert (
                fleet.stop([member for member in old_ones if member.command == "run_scheduler"], seconds=30)
                == []
            )
            goes_on("the new leader, workers of both", 100)
            assert (
                fleet.stop([member for member in old_ones if member.command == "run_worker"], seconds=30)
                == []
            )
            goes_on("the new release alone")
            stopped_at = scalar("SELECT clock_timestamp()")
            fleet.members = new_ones
            assert fleet.stop(fleet.schedulers, seconds=30) == []
            wait_for(lambda: scalar("SELECT count(*) FROM executions_execution") == 0, "an empty queue")
            assert fleet.stop(fleet.workers, seconds=30) == []
        finally:
            fleet.members = [*old_ones, *new_ones]
            fleet.end()
        recorder.listen(0.2)
        history = read(admin, commits=recorder.commits, runs=runs, stopped_at=stopped_at)
        outputs = "SELECT execution_id, result FROM executions_executionoutput WHERE result IS NOT NULL"
        history.results = dict(admin.execute(outputs).fetchall())
    wrong = check(history)
    errors = [line for line in log.read_text(errors="replace").splitlines() if " ERROR " in line]
    with capsys.disabled():
        print(
            f"\nupgrade: {len(history.ledger)} runs, {len(history.terms)} terms, {len(errors)} errors logged",
            *errors[:5],
        )
    assert wrong == []
    assert fleet.deaths == []
