"""The test matrix: which files prove what, for which gate, and in which order.

`python -m apps.operations.gates.matrix A` prints a row's files. The table in
docs/scheduler/stage_gates_and_cicd_matrix.md is `table()`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """`files` are patterns of files of tests; none: the row is a command of its own."""

    key: str
    gate: int
    what: str
    files: tuple[str, ...] = ()
    own_command: str = ""

    @property
    def command(self) -> str:
        return self.own_command or f"make row ROW={self.key}"

    def test_files(self, root: Path) -> list[str]:
        """Every file of tests, relative to `root`."""
        found = {path for pattern in self.files for path in root.glob(pattern)}
        return sorted(path.relative_to(root).as_posix() for path in found)


ROWS = (
    Row("A", 1, "contract", (
        "tests/test_scheduler_p0b_guardrails.py", "tests/test_jobs_api.py", "tests/test_execution_logs.py",
        "tests/test_openapi.py", "tests/test_schemathesis.py", "tests/test_docs_api.py",
    )),
    Row("B", 1, "isolation", (
        "tests/test_scheduler_tenant_isolation_matrix.py", "tests/test_connection_scope.py",
        "tests/test_isolation_checks.py", "tests/test_hardening.py", "tests/test_ssrf_corpus.py",
        "tests/test_security_*.py",
    )),
    Row("C", 2, "core and lifecycle; lives and schedules at random, against models", (
        "tests/test_scheduler_p0b_guardrails.py", "tests/test_scheduler_p1b_execution_lifecycle.py",
        "tests/test_worker_pressure.py", "tests/test_dispatch.py", "tests/test_outcomes.py",
        "tests/test_execution_state_machine.py", "tests/unit/test_recurrence_properties.py",
        "tests/unit/test_recurrence_oracle.py",
    )),
    Row("D", 2, "leadership", (
        "tests/test_scheduler_p1a_leadership.py", "tests/test_leadership_command.py", "tests/chaos/test_absence.py",
        "tests/chaos/test_chaos.py", "tests/chaos/test_checker.py",  # those that the suite runs; `make chaos` has more
    )),
    Row("D-model", 2, "leadership, as a model", own_command="make model"),
    Row("E", 3, "data typing", (
        "tests/test_scheduler_p2a_data_model_consistency.py", "tests/test_import_execution_logs.py",
        "tests/test_backfill_user_ids.py",
    )),
    Row("F", 3, "dashboard semantics; its pages and on-call's in a browser", (
        "tests/test_scheduler_p2b_operational_semantics.py", "tests/test_operations_reconcile.py",
        "tests/test_dashboard_*.py",
    )),
)  # fmt: skip
BY_KEY = {row.key: row for row in ROWS}
# What is run together, and what after it. A file of two rows is run with the first; what is in no row comes last.
STAGES = (("A", "B"), ("C",), ("D", "E"), ("F",))
REST = len(STAGES)


def stage_name(stage: int) -> str:
    return " and ".join(STAGES[stage]) if stage < REST else "the rest"


def stages_of_files(root: Path) -> dict[str, int]:
    """The stage of each file that has one."""
    found: dict[str, int] = {}
    for stage, keys in enumerate(STAGES):
        for key in keys:
            for file in BY_KEY[key].test_files(root):
                found.setdefault(file, stage)
    return found


def table() -> str:
    """The rows in Markdown."""
    lines = ["| row | what | gate | command | files |", "| --- | --- | --- | --- | --- |"]
    for row in ROWS:
        files = ", ".join(f"`{file.removeprefix('tests/')}`" for file in row.files) or "`docs/model/`"
        lines.append(f"| {row.key} | {row.what} | {row.gate} | `{row.command}` | {files} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (row := BY_KEY.get(sys.argv[1])) or not row.files:
        sys.exit(f"Name a row: {', '.join(key for key, row in BY_KEY.items() if row.files)}.")
    sys.stdout.write(" ".join(row.test_files(Path.cwd())) + "\n")
