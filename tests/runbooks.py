"""The runbooks' commands, and somebody on call who runs them as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg
import sqlparse
from django.conf import settings
from django.core.management import call_command

from apps.tenants.machine import database_url
from tests.clusters import manage
from tests.replicas import running_command

DIRECTORY = Path(settings.BASE_DIR) / "docs" / "runbooks"
SERVICES = (["run_scheduler"], ["run_worker"])  # they go on until they are told to stop
ALONE = ("run_worker",)  # a process of its own
_PARTS = re.compile(
    r"^## (?P<section>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
Rows = list[tuple[Any, ...]]

# For each alert, what of its *Act* is done once it has been brought about: how the line before the commands begins.
REPAIRS: Mapping[str, tuple[str, ...]] = {
    "no_leader": ("*No replica stands by*", "*A backend holds the lock"),
    "database_down": ("Bring the server back",),
    "late": ("*The leader is blocked*",),
    "queue_old": ("*Nothing runs, no worker claims*",),
    "leases_expired": ("End it when it is",),
    "failure_rate": ("*One worker*",),
    "reconcile_failures": ("Repair it",),
    "platform_skipped": ("What becomes of its next times",),
    "stat_drift": ("Else take the totals",),
    "platform_without_job": ("*No worker has tried*",),
    "leader_flapping": ("When one machine is the cause",),
    "refused_writes": ("*One name*",),
    "old_transaction": ("*A process of the product*",),
    "dead_tuples": ("Help by hand",),
    "unplaced_rows": ("*A day of more than 20,000 rows*",),
    "quarantined_jobs": ("*One job*",),
    "connections": ("*Somebody else's*",),
    "alerts_stale": ("*No worker runs*", "End it."),
}


class Block(NamedTuple):
    """`lead`: the paragraph or the item of a list that it stands under."""

    document: str
    section: str
    lead: str
    language: str
    text: str

    @property
    def is_repair(self) -> bool:
        return self.section == "Act" and self.lead.startswith(REPAIRS.get(self.document, ()))


def blocks() -> list[Block]:
    paths = [path for path in sorted(DIRECTORY.glob("*.md")) if path.stem != "alert_thresholds"]
    return [block for path in paths for block in _blocks_of(path)]


def _blocks_of(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    found: list[Block] = []
    section, lead, end = "", "", 0
    for part in _PARTS.finditer(text):
        between = text[end : part.start()].strip()
        if between:
            lead = re.split(r"\n\n|\n(?=- )", between)[-1].removeprefix("- ")
        end = part.end()
        if part["section"]:
            section, lead = part["section"], ""
        else:
            found.append(Block(path.stem, section, lead, part["language"], part["text"]))
    return found


def told(document: str, lead: str) -> list[Block]:
    """The blocks under what begins so."""
    found = [block for block in _blocks_of(DIRECTORY / f"{document}.md") if block.lead.startswith(lead)]
    assert found, f"{document} has no commands under {lead!r}"
    return found


class OnCall:
    """Runs blocks on a database, with `values` in the angle brackets.

    A service is started as its manager would, and ends with the `with`. `stand_ins` do, by its name, what a program
    would that needs more than a database: each is given the words after the name.
    """

    def __init__(self, database_url: str, directory: Path) -> None:
        self.database_url = database_url
        self.values = {"reason": "a runbook's test", "you": "tests", "tenant": "acme"}
        self._directory = directory
        self.stand_ins: dict[str, Callable[[list[str]], None]] = {}
        self._open = ExitStack()
        self._psql: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def run(self, block: Block, **values: Any) -> Rows:
        """What the last of its statements found."""
        known = {**self.values, **{name: str(value) for name, value in values.items()}}
        text = re.sub(r"<(\w+)>", lambda found: known[found[1]], block.text)
        try:
            if block.language == "sql":
                return self._sql(text)
            for line in text.replace("\\\n", " ").splitlines():
                self._console(shlex.split(line.removeprefix("$ ")))
        except Exception as error:
            raise AssertionError(f"{block.document}: {error!r} in\n{text}") from error
        return []

    def _sql(self, text: str) -> Rows:
        """As psql does: a statement at a time, each committed; in a session that begins as one does."""
        if self._psql is None:
            self._psql = self._open.enter_context(psycopg.connect(self.database_url, autocommit=True))
        self._psql.execute("RESET ALL")
        rows: Rows = []
        for statement in sqlparse.split(text):
            cursor = self._psql.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            if "pg_terminate_backend" in statement:
                assert rows == [(True,)]
        return rows

    def _console(self, words: list[str]) -> None:
        program, *arguments = words
        if program in self.stand_ins:
            self.stand_ins[program](arguments)
        elif program != "manage.py":
            subprocess.run(words, check=True, timeout=20)
        elif arguments in SERVICES:
            log = self._directory / f"{arguments[0]}.log"
            self._open.enter_context(running_command(self.database_url, log, *arguments))
        elif arguments[0] in ALONE or self.database_url != database_url():
            done = manage(self.database_url, *arguments)
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            call_command(*arguments)
