"""The test matrix as this run has it: the result of each of its rows goes into a file for the gates, and with
`--stages` the tests come in the pipeline's order.

A row's file is written when all of its tests were run, or when one of them failed: leaving tests out proves nothing but
failures. With `--stages` the tests are sorted by stage, and as soon as one has failed, no test of a later stage is
begun. Two workers hand their tests out in small portions, so the last of a stage may run beside the first of the next.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

from apps.operations.gates.matrix import REST, ROWS, STAGES, Row, stage_name, stages_of_files
from apps.operations.gates.record import NotAResult, Result, checkout, read, write
from tests.plugins import POSTGRES

PORTION = 50  # tests
_FLAG, _OUTPUT = "stages_flag", "matrix"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stages", action="store_true", help="by stage of the matrix; a failure keeps later ones back"
    )
    parser.addoption("--evidence", default="", help="where results of rows go (default: EVIDENCE_DIR)")


def pytest_configure(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", None)
    if worker is None:
        if config.getoption("stages") and getattr(config.option, "maxschedchunk", 0) is None:
            config.option.maxschedchunk = PORTION
        config.pluginmanager.register(Recorder(config), "matrix-recorder")
    else:
        config.pluginmanager.register(Runner(config, Path(worker[_FLAG])), "matrix-runner")


class Runner:
    """Where tests are run: in a worker of xdist, or in the one process."""

    def __init__(self, config: pytest.Config, flag: Path) -> None:
        self._config, self._flag = config, flag
        self._stages = stages_of_files(config.rootpath)
        self.left_out: set[str] = set()

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.left_out.update(_file(item.nodeid) for item in items)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._config.getoption("stages"):
            items.sort(key=lambda item: self._stage(item.nodeid))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """True: done with, without having been run."""
        if not self._config.getoption("stages"):
            return None
        failed = self._flag.read_text()
        return True if failed and self._stage(item.nodeid) > int(failed) else None

    def pytest_sessionfinish(self) -> None:
        if (output := getattr(self._config, "workeroutput", None)) is not None:
            output[_OUTPUT] = (sorted(self.left_out), self._config.stash.get(POSTGRES, ""))

    def _stage(self, nodeid: str) -> int:
        return self._stages.get(_file(nodeid), REST)


class Recorder:
    """Where reports arrive."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._root = config, config.rootpath
        self._before = checkout(self._root)
        self._stages = stages_of_files(self._root)
        self._collected: set[str] = set()
        self._outcomes: dict[str, str] = {}
        self._seconds: Counter[str] = Counter()
        self._left_out = {_file(argument) for argument in config.args if "::" in argument}
        self._postgres = ""
        self._failed_stage = REST + 1
        self._written: list[Result] = []
        with tempfile.NamedTemporaryFile(prefix="stages-", delete=False) as flag:
            self._flag = Path(flag.name)
        self._runner = Runner(config, self._flag)
        if not getattr(config.option, "tx", None):
            config.pluginmanager.register(self._runner, "matrix-runner")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[_FLAG] = str(self._flag)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self._collected.update(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        left_out, postgres = getattr(node, "workeroutput", {}).get(_OUTPUT, ([], ""))
        self._left_out.update(left_out)
        self._postgres = postgres or self._postgres

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._collected.update(item.nodeid for item in session.items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of a test's phases, the worst counts."""
        self._seconds[_file(report.nodeid)] += report.duration
        rank = ("passed", "skipped", "failed")
        known = self._outcomes.get(report.nodeid, "passed")
        self._outcomes[report.nodeid] = max(known, report.outcome, key=rank.index)
        stage = self._stages.get(_file(report.nodeid), REST)
        if report.failed and stage < self._failed_stage:
            self._failed_stage = stage
            self._flag.write_text(str(stage))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._flag.unlink(missing_ok=True)
        if self._config.option.collectonly:
            return
        self._left_out |= self._runner.left_out
        self._postgres = self._postgres or self._config.stash.get(POSTGRES, "")
        after = checkout(self._root)
        clean = self._before == after and after.clean
        for row in ROWS:
            result = self._result(row, clean_tree=clean)
            if after.commit and (result.complete or result.failed) and not self._says_less(result):
                write(self._directory, result)
                self._written.append(result)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        if self._config.getoption("stages"):
            for stage in range(len(STAGES) + 1):
                terminalreporter.write_line(f"Stage {stage_name(stage)}: {self._verdict(stage)}")
        for result in self._written:
            state = "" if result.clean_tree else ", on a tree with changes"
            terminalreporter.write_line(
                f"Row {result.row}: {result.passed} passed, {result.failed} failed, {result.skipped} skipped{state}"
                f" -> {self._directory / result.row}.json"
            )

    def _says_less(self, result: Result) -> bool:
        """Whether the file is of this very commit and the result of something else, a tree with changes."""
        with suppress(NotAResult, OSError):
            known = read(self._directory / f"{result.row}.json")
            return known.clean_tree and not result.clean_tree and known.commit == result.commit
        return False

    @property
    def _directory(self) -> Path:
        from django.conf import settings

        return Path(self._config.getoption("evidence") or settings.EVIDENCE_DIR)

    def _verdict(self, stage: int) -> str:
        tests = [test for test in self._collected if self._stages.get(_file(test), REST) == stage]
        counts = Counter(self._outcomes.get(test, "not run") for test in tests)
        said = ", ".join(
            f"{counts[name]} {name}" for name in ("passed", "failed", "skipped", "not run") if counts[name]
        )
        if stage > self._failed_stage and counts["not run"]:
            return f"kept back by {stage_name(self._failed_stage)} ({said})"
        return f"{'failed' if counts['failed'] else 'passed'} ({said})" if tests else "no tests"

    def _result(self, row: Row, *, clean_tree: bool) -> Result:
        files = set(row.test_files(self._root))
        tests = [test for test in self._collected if _file(test) in files]
        counts = Counter(self._outcomes.get(test, "not run") for test in tests)
        seen = {_file(test) for test in tests}
        return Result(
            row=row.key,
            commit=self._before.commit,
            clean_tree=clean_tree,
            complete=bool(files) and seen == files and not counts["not run"] and not files & self._left_out,
            passed=counts["passed"],
            failed=counts["failed"],
            skipped=counts["skipped"],
            seconds=round(sum(self._seconds[file] for file in files), 1),
            postgres=self._postgres,
            ran_at=datetime.now(UTC),
        )


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
