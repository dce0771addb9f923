"""What one tenant's plain function leaves behind in its process, the next tenant's call does not find.

A real worker with place for one call, so that both run in the same place, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from apps.executions.models import ExecutionLog, ExecutionOutput
from apps.tenants import machine
from apps.tenants.context import all_tenants_scope, tenant_scope
from tests.replicas import wait_for
from tests.workers import ROOT, Session, execution, put, workers

pytestmark = pytest.mark.same_on_every_postgres


@pytest.fixture
def session(live_db: str) -> Iterator[Session]:
    with machine.connect(application_name="tests") as session:
        yield session


@pytest.fixture
def worker(live_db: str, tmp_path: Path) -> Iterator[Any]:
    with workers(live_db, tmp_path) as start, all_tenants_scope():
        yield start("isolating", WORKER_PROCESSES="1")


def result_of(session: Session, tenant: Any, target: str, **params: Any) -> Any:
    fields = {"timeout_seconds": 5} if params.get("hangs") else {}
    (number,) = put(session, tenant, execution(tenant, target, **fields), params=params)
    wait_for(lambda: ExecutionLog.objects.filter(pk=number).exists(), f"{target} has ended", seconds=30)
    with tenant_scope(tenant):
        return ExecutionOutput.objects.get(pk=number).result


@pytest.mark.parametrize("hangs", [False, True], ids=["returns", "is killed"])
def test_no_trace_of_one_tenants_call_meets_anothers(
    session: Session, acme: Any, bravo: Any, worker: Any, tmp_path: Path, hangs: bool
) -> None:
    file = tmp_path / "left"
    left = result_of(session, acme, "tests.leave_traces", file=str(file), hangs=hangs)
    told = json.loads(file.read_text())
    if not hangs:  # the traces are really there, and would be seen
        assert left["canaries"] == ["global", "environment", "modules", "path"]
        assert (left["search_path"], left["cwd"]) == ("acme", "/")
        assert len(left["threads"]) == 2
    found = result_of(session, bravo, "tests.look_for_traces")
    assert found.pop("pid") != told["pid"]
    assert found.pop("session") != told["session"]
    assert "acme" not in found.pop("search_path")
    assert found == {"cwd": str(ROOT), "patched": False, "threads": ["MainThread"], "canaries": []}
    assert not psutil.pid_exists(told["pid"])
    assert not psutil.pid_exists(told["child"])
    wait_for(
        lambda: (
            not session.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [told["session"]]).fetchone()
        ),
        "the session is over",
    )


def test_nothing_of_a_request_passes_through_a_process_that_lives_on(
    session: Session, acme: Any, worker: Any, tmp_path: Path
) -> None:
    """What forks has never held a tenant's parameters, so no child is born with a copy of them."""
    secret = "parameter-of-acme-" + "x" * 40
    file = tmp_path / "left"
    put(
        session,
        acme,
        execution(acme, "tests.leave_traces", timeout_seconds=60),
        params={"file": str(file), "hangs": True, "secret": secret},
    )
    wait_for(file.exists, "the call runs", seconds=30)
    child = psutil.Process(json.loads(file.read_text())["pid"])
    keeper = child.parent()
    assert keeper is not None
    template = keeper.parent()
    assert template is not None
    assert holds(child, secret), "it would be found"
    assert not holds(keeper, secret)
    assert not holds(template, secret)


def holds(process: psutil.Process, text: str) -> bool:
    """Whether the process's writable memory has the text in it."""
    with Path(f"/proc/{process.pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
            extent, mode = line.split()[:2]
            if not mode.startswith("rw"):
                continue
            first, last = (int(part, 16) for part in extent.split("-"))
            memory.seek(first)
            try:
                if text.encode() in memory.read(last - first):
                    return True
            except OSError:  # of the kernel's own pages
                continue
    return False
