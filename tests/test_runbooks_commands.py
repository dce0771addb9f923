"""Every command and statement of the runbooks does what it says, against a database with a leader and with work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
import sqlparse
from django.conf import settings
from django.core.management import call_command

from apps.leadership.models import LeaderTerm
from apps.operations.alerts.definitions import ALERTS
from apps.tenants.context import all_tenants_scope
from tests.admin_rows import rows_of
from tests.replicas import replicas, wait_for

DIRECTORY = Path(settings.BASE_DIR) / "docs" / "runbooks"
SLUGS = {alert.runbook for alert in ALERTS}
NOT_OF_AN_ALERT = {"README", "alert_thresholds"}
SECTIONS = ["Symptom", "Confirm", "Act", "Verify"]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ALONE = ("run_worker",)  # a process of its own
ALL_TENANTS = "SET scheduler.all_tenants = 'on';\n"


class Block(NamedTuple):
    document: str
    language: str
    text: str


def blocks() -> list[Block]:
    return [
        Block(path.stem, language, text)
        for path in sorted(DIRECTORY.glob("*.md"))
        if path.stem != "alert_thresholds"
        for language, text in _FENCE.findall(path.read_text(encoding="utf-8"))
    ]


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
            assert all(line.startswith("$ manage.py ") for line in block.text.splitlines()), block
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
def hung(live_db: str) -> Iterator[psycopg.Connection[Any]]:
    """A session that nobody needs, for what is ended by its pid; a new one for each."""
    sessions: list[psycopg.Connection[Any]] = []

    def start() -> int:
        session = psycopg.connect(live_db)
        session.execute("SELECT 1")
        sessions.append(session)
        return session.info.backend_pid

    yield start  # type: ignore[misc]
    for session in sessions:
        session.close()


def test_every_command_runs(live_db: str, acme: Any, tmp_path: Path, hung: Any, capsys: Any) -> None:
    with all_tenants_scope():
        made = rows_of(acme)
        LeaderTerm.objects.all().delete()
    job = next(row.pk for model, row in made.items() if model.__name__ == "Job")
    values = {
        "tenant": "acme", "reason": "a runbook's test", "you": "tests", "job": str(job),
        "table": "executions_execution", "day": "2020-02-20",
    }  # fmt: skip
    with replicas(live_db, tmp_path) as start, psycopg.connect(live_db, autocommit=True) as psql:
        start("leads")
        wait_for(lambda: LeaderTerm.objects.filter(ended_at=None).exists(), "a leader")
        for block in blocks():
            filled = _fill(block.text, {**values, "pid": str(hung()) if "<pid>" in block.text else ""})
            try:
                if block.language == "sql":
                    _psql(psql, filled)
                else:
                    for line in filled.splitlines():
                        _manage(shlex.split(line.removeprefix("$ manage.py ")), live_db)
            except Exception as error:
                raise AssertionError(f"{block.document}: {error!r} in\n{filled}") from error


def _fill(text: str, values: dict[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda found: values[found[1]], text)


def _psql(session: psycopg.Connection[Any], text: str) -> None:
    """As psql does: a statement at a time, each committed; in a session that begins as one does."""
    session.execute("RESET ALL")
    for statement in sqlparse.split(text):
        rows = session.execute(statement).fetchall() if not _is_silent(statement) else [(True,)]
        if "pg_terminate_backend" in statement:
            assert rows == [(True,)]


def _is_silent(statement: str) -> bool:
    return statement.startswith(("SET", "VACUUM"))


def _manage(arguments: list[str], database_url: str) -> None:
    if arguments[0] in ALONE:
        environment = {"DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test"}
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env={**os.environ, **environment},
            check=True,
            timeout=60,
            capture_output=True,
        )
        return
    call_command(*arguments)
