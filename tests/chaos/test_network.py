"""A cable is pulled: the leader's, idle and at work, and a worker's for longer than its leases last."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checker import check
from tests.chaos.fleet import QUICK, Fleet, Member
from tests.chaos.history import read
from tests.chaos.network import cables, unavailable
from tests.chaos.recorder import recording
from tests.clusters import cluster, shared_directory
from tests.replicas import wait_for
from tests.seeding import seed

BOUND = 4.0  # LEADER_IDLE_TIMEOUT of 1 s, a poll, and a machine with other things to do
CUT = 6.0  # longer than a lease (2 s), and than either side waits for the other


@pytest.mark.chaos
def test_a_cable_is_pulled(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: Any) -> None:
    if reason := unavailable():
        with capsys.disabled():
            print(f"\nnetwork: not run: {reason}")
        return
    runs, log = tmp_path / "runs", tmp_path / "log"
    figures: list[str] = []
    with (
        cables(4) as (one, two, three, four),
        cluster(shared_directory(tmp_path_factory), listen="*") as server,
        server.admin() as admin,
        recording(admin) as recorder,
    ):
        members = [
            Member(place, command, prefix=cable.prefix, database_url=server.url(host=cable.here))
            for place, command, cable in [
                ("scheduler-a", "run_scheduler", one),
                ("scheduler-b", "run_scheduler", two),
                ("worker-a", "run_worker", three),
                ("worker-b", "run_worker", four),
            ]
        ]
        cable_of = dict(zip(members, (one, two, three, four), strict=True))
        fleet = Fleet("", log, members)

        def scalar(sql: Any) -> Any:
            row = admin.execute(sql).fetchone()
            assert row is not None
            return row[0]

        def leader() -> str | None:
            row = admin.execute("SELECT replica FROM leadership_leaderterm WHERE ended_at IS NULL").fetchone()
            return None if row is None else row[0]

        def cut_leader(what: str) -> None:
            name = wait_for(leader, "a leader")
            (member,) = [member for member in fleet.schedulers if member.name == name]
            epoch = scalar("SELECT max(epoch) FROM leadership_leaderterm")
            pulled = time.monotonic()
            cable_of[member].pull()
            wait_for(lambda: scalar("SELECT max(epoch) FROM leadership_leaderterm") > epoch, "another leads")
            took = time.monotonic() - pulled
            figures.append(f"{what}: another led after {took:.2f} s")
            assert took < BOUND
            time.sleep(max(0.0, CUT - took))
            made = f"SELECT count(*) FROM executions_executionlog WHERE epoch = {epoch}"
            live = f"SELECT count(*) FROM executions_execution WHERE epoch = {epoch}"
            before = scalar(made) + scalar(live)
            cable_of[member].plug()
            back = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'scheduler leader %'"
            plugged = time.monotonic()
            wait_for(lambda: scalar(back) >= 2, "the one that was cut off stands by")
            figures.append(f"stood by {time.monotonic() - plugged:.2f} s after it was plugged in")
            assert scalar(made) + scalar(live) == before, "it committed nothing more"

        try:
            for member in fleet.schedulers:
                fleet.start(member)
            standing = (
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'scheduler leader %'"
            )
            wait_for(lambda: scalar(standing) == 2 and leader(), "a leader and a standby")
            cut_leader("idle")
            seed(server.url(), runs)
            for member in fleet.workers:
                fleet.start(member)
            done = "SELECT count(*) FROM executions_executionlog"
            wait_for(lambda: scalar(done) > 40, "it runs")
            cut_leader("at work")
            (worker, _) = fleet.workers
            lost = "SELECT count(*) FROM executions_attempt WHERE outcome = 'lost'"
            holds = f"SELECT count(*) FROM executions_execution WHERE worker = '{worker.name}'"
            wait_for(lambda: scalar(holds) > 0, "it has leases")
            cable_of[worker].pull()
            pulled = time.monotonic()
            wait_for(lambda: scalar(lost) > 0, "its leases are taken back")
            figures.append(f"a worker's leases were taken back after {time.monotonic() - pulled:.2f} s")
            time.sleep(max(0.0, CUT - (time.monotonic() - pulled)))
            cable_of[worker].plug()
            since = time.monotonic()
            wait_for(lambda: scalar(holds) > 0, "it works again")
            figures.append(f"it worked again {time.monotonic() - since:.2f} s after it was plugged in")
            stopped_at = scalar("SELECT clock_timestamp()")
            assert fleet.stop(fleet.schedulers, seconds=15) == []
            wait_for(lambda: scalar("SELECT count(*) FROM executions_execution") == 0, "an empty queue")
            assert fleet.stop(fleet.workers, seconds=20) == []
        finally:
            fleet.end()
        recorder.listen(0.2)
        history = read(admin, commits=recorder.commits, runs=runs, stopped_at=stopped_at)
        outputs = "SELECT execution_id, result FROM executions_executionoutput WHERE result IS NOT NULL"
        history.results = dict(admin.execute(outputs).fetchall())
    with capsys.disabled():
        print("\nnetwork: " + "; ".join(figures) + f" (idle timeout {QUICK['LEADER_IDLE_TIMEOUT']} s)")
    assert check(history) == []
    assert fleet.deaths == []
