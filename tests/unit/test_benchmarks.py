"""The harness of `make bench`: what it makes of measurements. The measurements themselves are no test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.bench import Bench, Result
from tests.benchmarks.catalog import BENCHMARKS, load
from tests.benchmarks.peers import install
from tests.benchmarks.record import Figure, Goal, merge
from tests.benchmarks.report import DOCUMENT, chart, part, replace_part, table
from tests.benchmarks.rounds import interleaved, percentile

pytestmark = pytest.mark.same_on_every_postgres

KEYS = ["name", "value", "unit", "against", "reference", "ratio", "goal", "met"]


def scripted(values: list[float], called: list[str], name: str) -> Callable[[], float]:
    left = iter(values)

    def measure() -> float:
        called.append(name)
        return next(left)

    return measure


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    called: list[str] = []
    contenders = {
        "ours": scripted([1000, 3, 1, 2], called, "ours"),
        "theirs": scripted([0, 7, 9, 8], called, "theirs"),
    }
    assert interleaved(contenders, rounds=3) == {"ours": 2, "theirs": 8}
    assert called == ["ours", "theirs"] * 4


def test_without_warming_up_every_round_counts() -> None:
    assert interleaved({"ours": scripted([5, 1, 3], [], "ours")}, rounds=3, warm_up=False) == {"ours": 3}


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([3, 1, 2], 50, 2),
        ([1, 2, 3, 4], 50, 2),
        (list(range(1, 101)), 99, 99),
        ([5], 99, 5),
        ([1, 2], 100, 2),
    ],
)
def test_percentile_is_the_nearest_rank(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@pytest.mark.parametrize(
    ("goal", "value", "reference", "met"),
    [
        (Goal("ratio", ">=", 0.6), 60, 100, True),
        (Goal("ratio", ">=", 0.6), 59.9, 100, False),
        (Goal("ratio", "<=", 1.2), 12, 10, True),
        (Goal("value", "<", 25), 25, None, False),
        (Goal("value", "<", 25), 24.9, 130, True),
        (Goal("ratio", ">=", 20), 100, None, None),
        (Goal("value", "<", 25), None, 130, None),
    ],
)
def test_a_goal_is_met_or_not_or_was_not_measured(
    goal: Goal, value: float | None, reference: float | None, met: bool | None
) -> None:
    assert Figure("a.b", value, "ms", "somebody", reference, goal).met is met


def test_a_row_has_these_keys_and_four_digits() -> None:
    row = Figure(
        "noop.peer", 17654.321, "jobs/s", "pgqueuer 1.6.0", 13579.0, Goal("ratio", ">=", 1.3)
    ).as_row()
    assert list(row) == KEYS
    assert row["value"] == 17650
    assert row["ratio"] == 1.3
    assert row["goal"] == "ratio >= 1.3"
    assert row["met"] is True


def test_a_second_run_replaces_its_own_figures_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "bench.json"
    merge(path, [Figure("noop.limit", 1, "jobs/s"), Figure("noop.peer", 1, "jobs/s")], benchmark="noop")
    merge(path, [Figure("http.deliveries", 2, "1/s")], benchmark="http")
    rows = merge(path, [Figure("noop.limit", 3, "jobs/s")], benchmark="noop")
    assert rows == json.loads(path.read_text())
    assert {row["name"]: row["value"] for row in rows} == {"http.deliveries": 2, "noop.limit": 3}


def test_a_part_of_the_document_is_written_and_the_rest_left_alone() -> None:
    text = (
        "before\n<!-- bench:a -->\nold\n<!-- /bench -->\nbetween\n<!-- bench:b -->\n<!-- /bench -->\nafter\n"
    )
    written = replace_part(text, "b", r"new \1 text")
    assert "old" in written
    assert "<!-- bench:b -->\nnew \\1 text\n<!-- /bench -->\nafter" in written
    assert replace_part(written, "b", "") == text
    with pytest.raises(ValueError, match="0 places"):
        replace_part(text, "c", "new")


def test_a_table_says_what_was_not_measured_and_what_falls_short() -> None:
    figures = [
        Figure("noop.peer", 100, "jobs/s", "pgqueuer 1.6.0", 200, Goal("ratio", ">=", 1.3)),
        Figure("noop.peer", 100, "jobs/s", "graphile-worker (not measured: no npm here)"),
    ]
    short, unmeasured = table(figures).splitlines()[2:]
    assert short == "| peer | 100 jobs/s | pgqueuer 1.6.0 | 200 | 0.5 | ratio &gt;= 1.3 | **no** |"
    assert unmeasured == "| peer | 100 jobs/s | graphile-worker (not measured: no npm here) | - |  |  |  |"


def test_a_chart_has_a_bar_for_each() -> None:
    drawn = chart(Result([], chart=[("ours", 12345.6), ("plain SQL", 0.5)], chart_unit="rows/s"))
    assert 'x-axis ["ours", "plain SQL"]' in drawn
    assert "bar [12346, 0.5]" in drawn
    assert 'y-axis "rows/s" 0 --> 13000' in drawn
    assert chart(Result([])) == ""


def test_every_benchmark_can_be_run_and_has_its_place_in_the_document() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in BENCHMARKS:
        assert callable(load(name))
        content = part(name, Result([Figure(f"{name}.x", 1, "ms")]), Bench())
        assert content in replace_part(text, name, content)


def test_a_peer_that_cannot_be_installed_is_told_and_not_invented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = tmp_path / "peers.txt"
    pins.write_text("no such requirement\n")
    monkeypatch.setattr(install, "PINS", pins)
    monkeypatch.setattr(install, "HOME", tmp_path)
    install.python_command.cache_clear()
    with pytest.raises(install.NotMeasured, match="python"):
        install.python_command("pgqueuer_driver")
    assert not list(tmp_path.glob("python/installed-*"))


@pytest.mark.parametrize("peer", ["pgqueuer", "graphile-worker", "APScheduler", "procrastinate"])
def test_versions_of_peers_are_the_pinned_ones(peer: str) -> None:
    name, version = install.version_of(peer).split()
    assert name == peer
    assert version[0].isdigit()
