"""Real processes: they are killed with all they started, by a timeout, a cancellation, or the worker's end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from apps.executions.targets.context import ExecutionContext, TargetFailed, TargetResult
from apps.executions.targets.processes import ProcessRunner
from apps.executions.targets.registry import TaskDefinition
from tests.unit import process_tasks
from tests.unit.targets import loaded

pytestmark = pytest.mark.same_on_every_postgres

ROOT = Path(__file__).resolve().parent.parent.parent
MOMENT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
CONTEXT = ExecutionContext(42, "acme", 1, "nightly", 1, 9, MOMENT, MOMENT, 30.0)
DEADLINE = 60.0


def definition(name: str) -> TaskDefinition:
    function = getattr(process_tasks, name)
    path = f"tests.unit.process_tasks:{name}"
    return TaskDefinition(name, function, False, None, name, "test", path, True)


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {DEADLINE:g} s: {what}"
        time.sleep(0.01)
    return value


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def family(runner: ProcessRunner) -> list[int]:
    """The template and all its descendants: keepers, and children that run."""
    if runner.pid is None:
        return []
    template = psutil.Process(runner.pid)
    return [template.pid, *(process.pid for process in template.children(recursive=True))]


async def written(path: Path) -> list[int]:
    await asyncio.to_thread(until, path.exists, "the function runs")
    return [int(pid) for pid in (await asyncio.to_thread(path.read_text)).split()]


def with_runner(scenario: Callable[[ProcessRunner], Any], **options: int) -> Any:
    """Runs the scenario; afterwards nothing that the runner started is left."""

    async def main() -> Any:
        runner = ProcessRunner(**options)
        try:
            result = await scenario(runner)
        finally:
            seen = family(runner)
            await runner.close()
        assert runner.pid is None
        assert [pid for pid in seen if alive(pid)] == []
        return result

    return asyncio.run(main())


def test_a_function_runs_in_another_process_with_params_and_context() -> None:
    async def scenario(runner: ProcessRunner) -> TargetResult:
        return loaded(await runner.run(definition("pid"), {"n": 1}, CONTEXT, 30))

    result = with_runner(scenario, max_workers=1)
    assert result.ok
    assert result.result["pid"] != os.getpid()
    assert result.result | {"pid": 0} == {
        "pid": 0,
        "tenant": "acme",
        "scheduled_for": "2026-03-29T01:30:00Z",
        "n": 1,
    }


def test_every_call_has_a_process_of_its_own_and_few_run_at_once() -> None:
    async def scenario(runner: ProcessRunner) -> tuple[list[int], int]:
        await runner.start()
        calls = asyncio.gather(*(runner.run(definition("pid"), {}, CONTEXT, 30) for _ in range(20)))
        most = 0
        while not calls.done():
            most = max(most, len(family(runner)))
            await asyncio.sleep(0)
        return [loaded(result).result["pid"] for result in await calls], most

    pids, most = with_runner(scenario, max_workers=2)
    assert len(set(pids)) == 20
    assert most <= 5  # the template, and two keepers with a child each


def test_a_timeout_kills_the_process_and_what_it_started(tmp_path: Path) -> None:
    path = tmp_path / "pids"

    async def scenario(runner: ProcessRunner) -> list[int]:
        await runner.start()
        with pytest.raises(TimeoutError):
            await runner.run(definition("hang"), {"file": str(path)}, CONTEXT, 3)
        pids = await written(path)
        assert not any(map(alive, pids)), "the call is over when they are gone"
        assert (await runner.run(definition("pid"), {}, CONTEXT, 30)).ok
        return pids

    assert len(with_runner(scenario, max_workers=1)) == 2


def test_a_stubborn_function_delays_no_other_timeout(tmp_path: Path) -> None:
    async def scenario(runner: ProcessRunner) -> float:
        await runner.start()
        started = time.monotonic()
        both = (runner.run(definition("hang"), {"file": str(tmp_path / n)}, CONTEXT, 1.0) for n in "ab")
        results = await asyncio.gather(*both, return_exceptions=True)
        assert [type(result) for result in results] == [TimeoutError, TimeoutError]
        return time.monotonic() - started

    assert with_runner(scenario, max_workers=2) < 2.5


def test_cancelling_kills_the_process(tmp_path: Path) -> None:
    path = tmp_path / "pids"

    async def scenario(runner: ProcessRunner) -> None:
        task = asyncio.create_task(runner.run(definition("hang"), {"file": str(path)}, CONTEXT, 600))
        pids = await written(path)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not any(map(alive, pids))

    with_runner(scenario, max_workers=1)


def test_cancelling_before_a_process_is_there_loses_none() -> None:
    async def scenario(runner: ProcessRunner) -> None:
        task = asyncio.create_task(runner.run(definition("pid"), {}, CONTEXT, 30))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await runner.run(definition("pid"), {}, CONTEXT, 30)).ok
        assert len(family(runner)) == 2  # one keeper

    with_runner(scenario, max_workers=1)


def test_no_calls_time_runs_while_the_tasks_are_loaded() -> None:
    """Loading takes longer than this call may."""

    async def scenario(runner: ProcessRunner) -> None:
        loading = asyncio.create_task(runner.start())
        await asyncio.sleep(0)
        assert (await runner.run(definition("pid"), {}, CONTEXT, 0.9)).ok
        await loading

    with_runner(scenario, max_workers=1)


def test_close_ends_what_is_still_loading() -> None:
    async def scenario(runner: ProcessRunner) -> None:
        before = {child.pid for child in psutil.Process().children()}
        loading = asyncio.create_task(runner.start())
        await asyncio.sleep(0.1)
        (template,) = {child.pid for child in psutil.Process().children()} - before
        await runner.close()
        with pytest.raises((TargetFailed, asyncio.CancelledError)):
            await loading
        assert not alive(template)

    with_runner(scenario, max_workers=1)


def test_close_kills_what_is_running(tmp_path: Path) -> None:
    path = tmp_path / "pids"

    async def scenario(runner: ProcessRunner) -> list[int]:
        task = asyncio.create_task(runner.run(definition("hang"), {"file": str(path)}, CONTEXT, 600))
        pids = await written(path)
        await runner.close()
        with pytest.raises(TargetFailed):
            await task
        with pytest.raises(TargetFailed, match="shutting down"):
            await runner.run(definition("pid"), {}, CONTEXT, 30)
        return pids

    assert not any(map(alive, with_runner(scenario, max_workers=1)))


@pytest.mark.parametrize("function", ["hang", "spin"])
def test_a_killed_worker_leaves_no_process(function: str, tmp_path: Path) -> None:
    path = tmp_path / "pids"
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.process_parent", function, str(path)], cwd=ROOT
    )
    try:
        until(path.exists, "the function runs")
        pids = {process.pid for process in psutil.Process(worker.pid).children(recursive=True)}
        pids |= set(map(int, path.read_text().split()))
        assert len(pids) >= 3  # template, keeper and function, at least
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    until(lambda: not any(map(alive, pids)), f"{function} and its family are gone")


def test_errors_come_back_with_their_traceback() -> None:
    async def scenario(runner: ProcessRunner) -> list[TargetResult]:
        names = ("fail", "fail_in_words", "leave", "own_result", "pid")
        return [await runner.run(definition(name), {"word": "hunter2"}, CONTEXT, 30) for name in names]

    failed, worded, left, own, after = with_runner(scenario, max_workers=1)
    assert (failed.status, failed.error) == ("failed", "the task raised ValueError")
    assert "process_tasks.py" in failed.detail
    assert "cannot use hunter2" in failed.detail
    assert (worded.error, worded.retry_after) == ("no quota left", 30)
    assert left.error == "the task raised SystemExit"
    assert (own.status, own.error, own.permanent) == ("failed", "half done", True)
    assert after.ok


def test_a_process_that_dies_fails_its_own_execution_only() -> None:
    async def scenario(runner: ProcessRunner) -> None:
        with pytest.raises(TargetFailed, match="ended before"):
            await runner.run(definition("die"), {}, CONTEXT, 30)
        assert (await runner.run(definition("pid"), {}, CONTEXT, 30)).ok

    with_runner(scenario, max_workers=1)


@pytest.mark.parametrize("which", ["template", "keeper", "both"])
def test_a_template_or_keeper_that_dies_is_replaced(which: str) -> None:
    """While idle, as an out-of-memory killer might do it."""

    async def scenario(runner: ProcessRunner) -> None:
        assert (await runner.run(definition("pid"), {}, CONTEXT, 30)).ok
        template, keeper = family(runner)
        killed = {"template": [template], "keeper": [keeper], "both": [template, keeper]}[which]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(until, lambda: not any(map(alive, killed)), "they are gone")
        assert (await runner.run(definition("pid"), {}, CONTEXT, 30)).ok
        assert set(family(runner)).isdisjoint(killed)

    with_runner(scenario, max_workers=1)


def test_a_keeper_that_dies_takes_its_call_along(tmp_path: Path) -> None:
    path = tmp_path / "pids"

    async def scenario(runner: ProcessRunner) -> None:
        call = asyncio.create_task(runner.run(definition("hang"), {"file": str(path)}, CONTEXT, 600))
        function, child = await written(path)
        os.kill(psutil.Process(function).ppid(), signal.SIGKILL)
        with pytest.raises(TargetFailed, match="ended before"):
            await call
        await asyncio.to_thread(until, lambda: not alive(function), "it is gone")
        os.kill(child, signal.SIGKILL)  # nobody is left to do it; a keeper has done nothing to be killed for
        assert (await runner.run(definition("pid"), {}, CONTEXT, 30)).ok

    with_runner(scenario, max_workers=1)


@pytest.mark.parametrize("ends", ["returns", "hangs"])
def test_not_even_a_daemon_gets_away(ends: str, tmp_path: Path) -> None:
    """Forked twice, in a session of its own: no group, parent or pipe leads from the call to it."""
    path = tmp_path / "pids"

    async def scenario(runner: ProcessRunner) -> None:
        await runner.start()
        params = {"file": str(path), "returns": ends == "returns"}
        call = asyncio.create_task(runner.run(definition("daemonize"), params, CONTEXT, 2))
        (daemon,) = await written(path)
        if ends == "returns":
            assert (await call).ok
        else:
            with pytest.raises(TimeoutError):
                await call
        assert not alive(daemon)

    with_runner(scenario, max_workers=1)


def test_a_call_is_over_in_milliseconds_though_its_template_is_large() -> None:
    """Fresh processes must stay affordable: a hundred one after another, well within ten seconds."""

    async def scenario(runner: ProcessRunner) -> float:
        await runner.start()
        started = time.monotonic()
        for _ in range(100):
            await runner.run(definition("pid"), {}, CONTEXT, 30)
        return time.monotonic() - started

    assert with_runner(scenario, max_workers=1) < 10
