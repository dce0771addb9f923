"""An asynchronous standby is behind, its primary dies, it is promoted: what is lost, what comes again, what does not.

The schedulers and workers keep their DATABASE_URL; what is behind that address changes. The dead primary is started
again for the one who judges, who then knows exactly what it had committed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from apps.leadership.session import LeaderSession, TermLost
from apps.leadership.timings import Timings
from tests.chaos.fleet import Fleet
from tests.clusters import Cluster, cluster, home, shared_directory
from tests.receivers import receiver
from tests.relay import Relay
from tests.replicas import wait_for
from tests.seeding import HOOKS, seed


@contextmanager
def standby_of(primary: Cluster) -> Iterator[Cluster]:
    with home() as directory:
        standby = Cluster(directory)
        source = primary.url("postgres", "postgres")
        standby.run("pg_basebackup", "-d", source, "-D", standby.data, "-R", "-X", "stream", "-c", "fast")
        standby.start()
        try:
            yield standby
        finally:
            standby.stop("immediate")


def ledger(server: Cluster) -> dict[tuple[int, str], tuple[int, datetime]]:
    """By job and time, the execution and when it ended; every row of it."""
    with server.admin() as admin:
        rows = admin.execute(
            "SELECT job_id, scheduled_for, id, finished_at FROM executions_executionlog"
        ).fetchall()
    assert len({(job, at) for job, at, *_ in rows}) == len(rows), "doubled"
    return {(job, at.isoformat()): (number, ended) for job, at, number, ended in rows}


def terms(server: Cluster) -> list[tuple[int, UUID]]:
    with server.admin() as admin:
        return admin.execute("SELECT epoch, term_id FROM leadership_leaderterm ORDER BY epoch").fetchall()  # type: ignore[return-value]


def test_a_lagging_standby_is_promoted(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: Any
) -> None:
    with (
        cluster(shared_directory(tmp_path_factory)) as primary,
        standby_of(primary) as standby,
        receiver() as (hook, got),
        Relay(primary.port) as relay,
    ):
        url = f"postgresql://scheduler@127.0.0.1:{relay.port}/scheduler"
        seed(url, tmp_path / "unused", hook)
        fleet = Fleet(url, tmp_path / "log")
        try:
            for member in fleet.members:
                fleet.start(member)
            with primary.admin() as admin:
                count = "SELECT count(*) FROM executions_executionlog"
                wait_for(lambda: admin.execute(count).fetchone()[0] > 2 * HOOKS, "it runs", seconds=60)  # type: ignore[index]
                # From here on nothing reaches the standby, and the primary waits for no one.
                with standby.admin() as behind:
                    behind.execute("ALTER SYSTEM SET primary_conninfo = ''")
                    behind.execute("SELECT pg_reload_conf()")
                    wait_for(
                        lambda: not behind.execute("SELECT 1 FROM pg_stat_wal_receiver").fetchall(), "cut off"
                    )
                known = terms(standby)
                leader = admin.execute(
                    "SELECT replica, backend_pid FROM leadership_leaderterm WHERE ended_at IS NULL"
                ).fetchone()
                assert leader is not None
                # A term that the standby never hears of.
                admin.execute("SELECT pg_terminate_backend(%s)", [leader[1]])
                wait_for(lambda: len(terms(primary)) > len(known), "the next term")
                seen = admin.execute(count).fetchone()[0]  # type: ignore[index]
                wait_for(
                    lambda: admin.execute(count).fetchone()[0] > seen + 7 * HOOKS, "work that will be lost"
                )  # type: ignore[index]
            primary.kill()
            died = time.monotonic()
            delivered = list(got)
            standby.run("pg_ctl", "promote", "-w", "-D", standby.data)
            relay.target = standby.port
            wait_for(lambda: len(terms(standby)) > len(known), "a term on the promoted server")
            took = time.monotonic() - died
            latest = max(at for _, _, at in delivered)
            wait_for(lambda: any(at > latest for _, _, at in got[len(delivered) :]), "it has caught up")
            assert fleet.stop(fleet.schedulers, seconds=15) == []
            with standby.admin() as admin:
                left = "SELECT count(*) FROM executions_execution"
                wait_for(lambda: admin.execute(left).fetchone()[0] == 0, "an empty queue")  # type: ignore[index]
            assert fleet.stop(fleet.workers, seconds=20) == []
            assert fleet.deaths == []
        finally:
            fleet.end()
        primary.start()  # nobody of the fleet is there any more to find it
        old, new = terms(primary), terms(standby)
        before, after = ledger(primary), ledger(standby)
        lost_terms = [term for term in old if term not in known]
        assert len({term for _, term in old + new}) == len(old) + len(new) - len(known), "a term is its UUID"
        refuse_lost_terms(standby, lost_terms)
        surviving, lost = common(before, after)
        assert lost, "nothing was lost: the test is pointless"
        assert set(before) <= set(after), "each lost time has been run again, as fire_all asks for"
        repeated = {name for name, n in Counter(name for name, _, _ in got).items() if n > 1}
        named = {name: at for name, _, at in delivered}
        kept = {at for _, at in surviving}
        assert not {name for name in repeated if named.get(name) in kept}, "only what was lost comes again"
        assert {named[name] for name in named if named[name] in {at for _, at in lost}} <= {
            named.get(name) for name in repeated
        }, "and it comes under the id that it had"
        holder = {number: key for key, (number, _) in after.items()}
        again = {number for key, (number, _) in before.items() if holder.get(number, key) != key}
        assert len({(name, at) for name, _, at in got}) == len({name for name, _, _ in got}), (
            "an id is of one time"
        )
        with capsys.disabled():
            print(
                f"\npromotion: {took:.2f} s from the primary's death to the next term; epochs"
                f" {[epoch for epoch, _ in old]} there, {[epoch for epoch, _ in new]} on the new primary; {len(before)}"
                f" runs were committed, {len(lost)} of them lost and run again, {len(surviving)} kept; {len(repeated)}"
                f" webhooks came again, under the ids they had; {len(again)} execution numbers stand for two runs"
            )


def common(before: dict[Any, Any], after: dict[Any, Any]) -> tuple[list[Any], list[Any]]:
    """The times whose end came through, and those that the promoted server ran anew."""
    return [key for key in before if after.get(key) == before[key]], [
        key for key in before if after.get(key) != before[key]
    ]


def refuse_lost_terms(server: Cluster, lost: list[tuple[int, UUID]]) -> None:
    assert lost
    for epoch, term_id in lost:
        with psycopg.connect(server.url(), autocommit=True) as session:
            stale = LeaderSession(session, epoch=epoch, term_id=term_id, replica="stale", timings=Timings())
            with pytest.raises(TermLost), stale.transaction():
                pass
