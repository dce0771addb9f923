"""The matrix: one source for its rows, results as they were, stages in order, and how a gate reads them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.operations.gates.evidence import matrix_checks
from apps.operations.gates.matrix import BY_KEY, ROWS, STAGES, stages_of_files, table
from apps.operations.gates.record import NotAResult, read, write
from apps.operations.models import Evidence
from apps.tenants.context import all_tenants_scope
from apps.tenants.models import AuditEntry
from tests.chaos.conftest import collect_ignore
from tests.gates import passed_matrix, repository, result
from tests.replicas import ROOT

pytestmark = pytest.mark.same_on_every_postgres

OTHER = "f" * 40


def test_the_documented_table_is_the_matrix() -> None:
    assert table() in (ROOT / "docs/scheduler/stage_gates_and_cicd_matrix.md").read_text()


def test_every_pattern_names_tests_that_the_suite_runs_and_every_row_has_a_stage() -> None:
    for row in ROWS:
        for pattern in row.files:
            assert list(ROOT.glob(pattern)), pattern
        # A directory's conftest may leave files out, and the row would never be complete.
        assert not {Path(file).name for file in row.test_files(ROOT)} & set(collect_ignore)
    staged = [key for keys in STAGES for key in keys]
    assert sorted(staged) == sorted(row.key for row in ROWS if row.files)
    assert stages_of_files(ROOT)["tests/test_scheduler_p0b_guardrails.py"] == 0, "it is of row A and of row C"


# -- the plugin, in a project of its own -----------------------------------------------------------------------------

PROJECT = {
    "tests/test_jobs_api.py": "def test_of_a(): pass",
    "tests/test_dispatch.py": "def test_of_c(): pass\ndef test_of_c_too(): pass",
    "tests/test_operations_reconcile.py": "def test_of_f(): pass",
    "tests/test_about_nothing.py": "def test_of_no_row(): pass",
    "tests/test_outcomes.py": "def test_of_c_three(): pass",
}


def run(project: Path, *arguments: str, **files: str) -> tuple[int, str]:
    """pytest in `project`, with the plugin; its exit code and what it said."""
    for name, text in {**PROJECT, **files}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    if not (project / ".git").exists():
        repository(project)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "xdist.plugin", "-p", "tests.plugins.matrix", "-v"),
            *("-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(project)),
            *("--evidence", str(project.parent / "evidence"), *arguments),
        ],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_stages_come_in_order_and_rows_leave_their_results(tmp_path: Path) -> None:
    code, said = run(tmp_path / "project", "-n", "0", "--stages", "-k", "not of_c_three")
    assert code == 0, said
    order = re.findall(r"(test_of_\w+) PASSED", said)
    assert order == ["test_of_a", "test_of_c", "test_of_c_too", "test_of_f", "test_of_no_row"]
    assert "Stage A and B: passed (1 passed)" in said
    assert "Stage the rest: passed (1 passed)" in said
    written = {path.stem: read(path) for path in (tmp_path / "evidence").iterdir()}
    assert sorted(written) == ["A", "F"], "a test of row C was left out"
    assert (written["A"].passed, written["A"].complete, written["A"].clean_tree) == (1, True, False)
    of_the_commit = result("A", written["A"].commit)
    write(tmp_path / "evidence", of_the_commit)
    run(tmp_path / "project", "-n", "0")
    assert read(tmp_path / "evidence" / "A.json") == of_the_commit, "changes say nothing of it"
    assert read(tmp_path / "evidence" / "C.json").passed == 3


# The first of row F goes on when the failure is known, if it has begun before that.
_WAITS = """
import time
from pathlib import Path
def test_of_f(request):
    flag = Path(request.config.workerinput["stages_flag"])
    for _ in range(1000):
        if flag.read_text():
            break
        time.sleep(0.01)
def test_of_f_too(): pass
"""


def test_a_failure_keeps_later_stages_back_in_every_process(tmp_path: Path) -> None:
    code, said = run(
        tmp_path / "project",
        *("-n", "2", "--stages"),
        **{
            "tests/test_jobs_api.py": "def test_of_a(): assert 0",
            "tests/test_operations_reconcile.py": _WAITS,
        },
    )
    assert code == 1, said
    assert "Stage A and B: failed (1 failed)" in said
    assert "Stage F: kept back by A and B" in said, said
    assert not re.search(r"PASSED .*test_of_f_too", said)
    failed = read(tmp_path / "evidence" / "A.json")
    assert (failed.passed, failed.failed, failed.complete) == (0, 1, True)


def test_one_process_keeps_them_back_at_once(tmp_path: Path) -> None:
    code, said = run(
        tmp_path / "project", "-n", "0", "--stages", **{"tests/test_dispatch.py": "def test_of_c(): assert 0"}
    )
    assert code == 1, said
    assert "Stage A and B: passed (1 passed)" in said
    assert "Stage C: failed (1 passed, 1 failed)" in said
    assert "Stage F: kept back by C (1 not run)" in said
    assert "Stage the rest: kept back by C (1 not run)" in said
    assert sorted(path.stem for path in (tmp_path / "evidence").iterdir()) == ["A", "C"]


def test_a_command_of_its_own_is_recorded(tmp_path: Path) -> None:
    for command, failed in ((["true"], 0), (["false"], 1)):
        done = subprocess.run(
            [sys.executable, "-m", "apps.operations.gates.own_command", "D-model", "--", *command],
            cwd=ROOT,
            env={**os.environ, "EVIDENCE_DIR": str(tmp_path)},
        )
        assert done.returncode == failed
        assert read(tmp_path / "D-model.json").failed == failed


# -- what a gate makes of them ---------------------------------------------------------------------------------------


@pytest.fixture
def commit(settings: Any, tmp_path: Path) -> str:
    settings.BASE_DIR, settings.EVIDENCE_DIR = tmp_path / "checkout", tmp_path / "evidence"
    return repository(tmp_path / "checkout")


def of_row_a() -> str:
    """What gate 1 says of row A, "" if it has passed."""
    with all_tenants_scope():
        check = next(iter(matrix_checks(1)))
    return "" if check.ok else check.evidence


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another commit": (
        {"commit": OTHER},
        "The last result of row A is of commit ffffffffffff: run `make row ROW=A`",
    ),
    "a dirty tree": (
        {"clean_tree": False},
        "on a tree with changes that are not committed: run `make row ROW=A`",
    ),
    "failures": ({"failed": 2}, "2 of 9 tests of row A failed"),
    "skips": ({"skipped": 3}, "3 tests of row A were skipped"),
    "a part of it": ({"complete": False}, "Row A was not run to its end"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", WRONG)
def test_a_result_does_not_count(what: str, commit: str, settings: Any) -> None:
    passed_matrix(settings.EVIDENCE_DIR, commit)
    assert of_row_a() == ""
    changes, sentence = WRONG[what]
    write(
        settings.EVIDENCE_DIR,
        result("A", commit) if not changes else result("A", **{"commit": commit} | changes),
    )
    assert sentence in of_row_a()


@pytest.mark.django_db
def test_without_a_result_it_says_what_to_run(commit: str, settings: Any) -> None:
    assert f"Row A has not been run: run `make row ROW=A` on {commit[:12]}" in of_row_a()
    (settings.EVIDENCE_DIR).mkdir()
    (settings.EVIDENCE_DIR / "A.json").write_text('{"row": "A"}')
    assert "Row A has not been run" in of_row_a()


@pytest.mark.django_db
def test_a_changed_checkout_passes_nothing(commit: str, settings: Any) -> None:
    passed_matrix(settings.EVIDENCE_DIR, commit)
    (settings.BASE_DIR / "new.py").write_text("")
    assert "with changes: commit or remove them" in of_row_a()


@pytest.mark.django_db
def test_a_release_without_a_checkout_uses_what_was_recorded(
    settings: Any, tmp_path: Path, capsys: Any
) -> None:
    settings.BASE_DIR, settings.EVIDENCE_DIR = tmp_path, tmp_path / "nothing"
    assert "set RELEASE_COMMIT" in of_row_a()
    settings.RELEASE_COMMIT = OTHER
    assert "Row A has not been run" in of_row_a()
    failed = result("A", OTHER, failed=1, ran_at=datetime.now(UTC) - timedelta(hours=1))
    call_command("gate", "record", str(write(tmp_path / "one", failed)))
    assert "1 of 8 tests of row A failed" in of_row_a()
    call_command("gate", "record", str(write(tmp_path / "two", result("A", OTHER))), "--actor", "erin")
    assert of_row_a() == ""
    assert "Row A on ffffffffffff: 7 passed, 0 failed." in capsys.readouterr().out
    assert Evidence.objects.count() == 2
    with all_tenants_scope():
        entry = AuditEntry.objects.get(action="gate.record", actor="erin")
    assert (entry.object_id, entry.data["after"]["commit"]) == ("A", OTHER)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes", [{"row": "Z"}, {"passed": "7"}, {"seconds": -1}, {"clean_tree": 1}, {"x": 1}]
)
def test_what_is_no_result_is_not_recorded(changes: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path, result("A", OTHER))
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(CommandError, match=r"no row 'Z'|is not the result of a row"):
        call_command("gate", "record", str(path))
    assert not Evidence.objects.exists()
    if "row" not in changes:
        with pytest.raises(NotAResult):
            read(path)


def test_the_command_takes_files_to_record_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="needs files"):
        call_command("gate", "record")
    with pytest.raises(CommandError, match="nothing else takes any"):
        call_command("gate", "1", "file.json")
    with pytest.raises(CommandError, match="No such file"):
        call_command("gate", "record", str(tmp_path / "A.json"))


def test_rows_know_their_commands() -> None:
    assert BY_KEY["B"].command == "make row ROW=B"
    assert BY_KEY["D-model"].command == "make model"
