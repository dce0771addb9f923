"""The stage gates: GO on a system that is well, and NO-GO with the right sentence for each thing that is not."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.leadership.session import LeaderSession
from tests.gates import history_of, passed_matrix, replicas_connected, repository


@pytest.fixture
def unacknowledged(monkeypatch: Any) -> list[str]:
    """What on-call has not acknowledged."""
    missing: list[str] = []
    books: Any = types.ModuleType("apps.operations.runbooks")
    books.unacknowledged = lambda: missing
    monkeypatch.setitem(sys.modules, "apps.operations.runbooks", books)
    return missing


@pytest.fixture
def release(settings: Any, tmp_path: Path) -> str:
    """The commit that runs, all of whose rows have passed."""
    commit = repository(tmp_path / "checkout")
    settings.BASE_DIR = tmp_path / "checkout"
    settings.EVIDENCE_DIR = tmp_path / "evidence"
    passed_matrix(settings.EVIDENCE_DIR, commit)
    return commit


@pytest.fixture
def healthy(
    live_db: str, acme: Any, bravo: Any, release: str, unacknowledged: list[str]
) -> Iterator[LeaderSession]:
    history_of(acme, bravo)
    with replicas_connected() as leader:
        yield leader


def gate(name: str) -> Any:
    """What `gate NAME --json` says, and its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("gate", name, "--json", stdout=out)
    except SystemExit as left:
        code = int(left.code or 0)
    return json.loads(out.getvalue()), code


def test_go_on_a_system_that_is_well(healthy: LeaderSession) -> None:
    reports, code = gate("all")
    assert [
        (report["gate"], check["name"], check["evidence"])
        for report in reports
        for check in report["checks"]
        if not check["ok"]
    ] == []
    assert ([report["verdict"] for report in reports], code) == (["GO"] * 3, 0)
