"""Every command and statement of the runbooks does what it says, against a database with a leader and with work.

What mends an alert runs where that alert has been brought about: test_alerts_causes and its siblings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from apps.leadership.models import LeaderTerm
from apps.operations.alerts.definitions import ALERTS
from apps.tenants.context import all_tenants_scope
from tests.admin_rows import rows_of
from tests.replicas import replicas, wait_for
from tests.runbooks import DIRECTORY, OnCall, blocks

SLUGS = {alert.runbook for alert in ALERTS}
NOT_OF_AN_ALERT = {"README", "alert_thresholds"}
SECTIONS = ["Symptom", "Confirm", "Act", "Verify"]
PROGRAMS = ("manage.py", "kill", "curl", "docker")
ALL_TENANTS = "SET scheduler.all_tenants = 'on';\n"


def test_there_is_one_for_each_alert_and_nothing_else() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.md")} - NOT_OF_AN_ALERT == SLUGS
    index = (DIRECTORY / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+)\.md\)", index)) == SLUGS


@pytest.mark.parametrize("slug", sorted(SLUGS))
def test_each_has_its_sections_and_is_short(slug: str) -> None:
    text = (DIRECTORY / f"{slug}.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert len(re.findall(r"^# .+$", text, re.MULTILINE)) == 1
    assert len(text.splitlines()) < 100
    assert set(re.findall(r"\]\((.+?)\)", text)) <= {f"{other}.md" for other in SLUGS}, "a link leads nowhere"


def test_what_can_be_run_says_how() -> None:
    found = blocks()
    assert len(found) > 60
    assert {block.language for block in found} == {"console", "sql"}
    for block in found:
        if block.language == "console":
            lines = block.text.replace("\\\n", " ").splitlines()
            assert all(line.startswith(tuple(f"$ {program} " for program in PROGRAMS)) for line in lines), (
                block
            )
        elif "FROM" in block.text or "pg_terminate" in block.text:
            assert block.text.startswith(ALL_TENANTS), block


def test_a_deployment_has_them() -> None:
    """The image is made of the checkout, but for what .dockerignore names."""
    root = Path(settings.BASE_DIR)
    assert "\nCOPY . .\n" in (root / "Dockerfile").read_text(encoding="utf-8")
    ignored = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert not [
        line for line in ignored if line.lstrip("*/").startswith("docs") or line.endswith((".md", "*"))
    ]
    assert Path(settings.RUNBOOKS_DIRECTORY) == DIRECTORY


@pytest.fixture
def hung(live_db: str) -> Iterator[Callable[[], int]]:
    """The pid of a session that nobody needs; a new one for each."""
    sessions: list[psycopg.Connection[Any]] = []

    def start() -> int:
        sessions.append(psycopg.connect(live_db))
        return sessions[-1].info.backend_pid

    yield start
    for session in sessions:
        session.close()


def test_every_other_command_runs(live_db: str, acme: Any, tmp_path: Path, hung: Callable[[], int]) -> None:
    with all_tenants_scope():
        made = rows_of(acme)
        LeaderTerm.objects.all().delete()
    job = next(row.pk for model, row in made.items() if model.__name__ == "Job")
    distinct = {(block.language, block.text): block for block in blocks() if not block.is_repair}
    assert len(distinct) > 40
    with replicas(live_db, tmp_path) as start, OnCall(live_db, tmp_path) as on_call:
        start("leads")
        wait_for(lambda: LeaderTerm.objects.filter(ended_at=None).exists(), "a leader")
        for block in distinct.values():
            on_call.run(block, job=job, pid=hung() if "<pid>" in block.text else "")
