"""A system that every gate lets pass: a leader, a standby, two tenants with history, a matrix that has passed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.leadership.session import LeaderSession, connect
from apps.operations.gates import run_gate
from apps.operations.gates.matrix import ROWS
from apps.operations.gates.record import Result, write
from tests.casts import Cast
from tests.factories import MembershipFactory
from tests.leaders import UNHURRIED
from tests.ledgers import finished


def repository(path: Path) -> str:
    """A git repository at `path` with one commit, whose name is returned."""
    path.mkdir(parents=True, exist_ok=True)
    for arguments in (
        ["init", "--quiet"],
        [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "first",
        ],
    ):
        subprocess.run(["git", "-C", str(path), *arguments], check=True)
    done = subprocess.run(
        ["git", "-C", str(path), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def result(row: str, commit: str, **changes: Any) -> Result:
    values: dict[str, Any] = {
        "row": row,
        "commit": commit,
        "clean_tree": True,
        "complete": True,
        "passed": 7,
        "failed": 0,
        "skipped": 0,
        "seconds": 1.5,
        "postgres": "18.0",
        "ran_at": datetime.now(UTC),
    }
    return Result(**values | changes)


def passed_matrix(directory: Path, commit: str) -> None:
    for row in ROWS:
        write(directory, result(row.key, commit))


@contextmanager
def replicas_connected() -> Iterator[LeaderSession]:
    session = LeaderSession.acquire(replica="first", timings=UNHURRIED)
    try:
        with connect(replica="second", timings=UNHURRIED):
            yield session
    finally:
        session.close(reason="the test is over")


def history_of(*tenants: Any) -> None:
    """People, and runs of users with both ids, with the string alone, and with an integer that nobody has mapped."""
    for tenant in tenants:
        Cast(tenant)
        old = MembershipFactory(tenant=tenant, username=f"old-{tenant.schema_name}", legacy_user_id=7)
        for user_id, number in ((old.user_id, 7), ("u-1", None), (None, 99)):
            finished(tenant, 0, 3, user_id=user_id, legacy_user_id=number, kind="manual", epoch=None)


def refusals(gate: int) -> dict[str, str]:
    """By name, the evidence of what is not as it must be."""
    return {check.name: check.evidence for check in run_gate(gate).failed}
