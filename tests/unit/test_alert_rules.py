"""One list of alerts: what is made of it is up to date, and Prometheus and workers say the same of the same figures."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.executions.metrics import attempts, run_seconds, start_lag
from apps.jobs.metrics import dispatch_lag
from apps.leadership.metrics import step_seconds
from apps.operations.alerts.definitions import ALERTS, SEEN_HERE, Alert, Severity
from apps.operations.alerts.documents import DASHBOARD, DOCUMENTS, RULES, THRESHOLDS, outdated
from apps.operations.alerts.measures import Absent, Largest, Share
from apps.operations.alerts.thresholds import fires, with_table
from apps.operations.gauges.families import READS
from tests.promtool import figures, promtool, scenarios

pytestmark = pytest.mark.same_on_every_postgres
PROJECT = Path(__file__).resolve().parents[2]


def by_name(alert: Alert) -> str:
    return alert.name


class TestWhatIsMadeOfTheList:
    def test_is_up_to_date(self) -> None:
        assert sorted(map(str, outdated())) == [], "run `manage.py alert_rules`"
        call_command("alert_rules", check=True, stdout=StringIO())

    @pytest.mark.parametrize("path", DOCUMENTS, ids=str)
    def test_a_change_by_hand_is_found_and_put_right(self, tmp_path: Path, settings: Any, path: Path) -> None:
        for each in DOCUMENTS:
            (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / each).write_bytes((PROJECT / each).read_bytes())
        settings.BASE_DIR = tmp_path
        text = (PROJECT / path).read_text()
        (tmp_path / path).write_text(text.replace("scheduler_leaders", "scheduler_loaders"))
        with pytest.raises(CommandError, match=re.escape(str(path))):
            call_command("alert_rules", check=True)
        call_command("alert_rules", stdout=StringIO())
        assert (tmp_path / path).read_text() == text

    def test_the_page_of_thresholds_must_have_its_marks(self) -> None:
        with pytest.raises(ValueError, match="must have the lines"):
            with_table("nothing")

    def test_every_threshold_is_published(self) -> None:
        page = (PROJECT / THRESHOLDS).read_text()
        for alert in ALERTS:
            assert f"[{alert.name}]({alert.runbook}.md) | {alert.severity} | {fires(alert)}" in page


class TestPrometheus:
    def test_takes_the_rules(self) -> None:
        done = promtool("check", "rules", PROJECT / RULES)
        assert done.returncode == 0, done.stderr
        assert f"{len(ALERTS)} rules found" in done.stdout

    def test_each_fires_after_its_time_and_not_before_and_is_over(self, tmp_path: Path) -> None:
        asked = tmp_path / "scenarios.yml"
        asked.write_text(scenarios(PROJECT / RULES))
        done = promtool("test", "rules", asked)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_scenarios_notice_rules_that_are_off(self, tmp_path: Path) -> None:
        """Guards the test above: of a time, a comparison and a runbook."""
        text = (PROJECT / RULES).read_text()
        for was, became in (("for: 30s", "for: 45s"), ("> 300\n", ">= 300\n"), ("/late.md", "/later.md")):
            assert was in text
            text = text.replace(was, became, 1)
        (tmp_path / "rules.yml").write_text(text)
        asked = tmp_path / "scenarios.yml"
        asked.write_text(scenarios(tmp_path / "rules.yml"))
        done = promtool("test", "rules", asked)
        assert done.returncode == 1
        complaints = set(re.findall("name: (Scheduler[A-Za-z]+),", done.stdout + done.stderr))
        assert complaints == {"SchedulerNoLeader", "SchedulerQueueOld", "SchedulerLate"}


class TestTheList:
    def test_names_and_runbooks_are_each_alerts_own(self) -> None:
        assert (
            len({alert.name for alert in ALERTS}) == len({alert.runbook for alert in ALERTS}) == len(ALERTS)
        )
        for alert in ALERTS:
            words = re.findall("[A-Z][a-z]+", alert.name.removeprefix("Scheduler"))
            assert alert.runbook == "_".join(words).lower(), alert.name
            assert alert.for_seconds % 15 == 0
            assert alert.severity in Severity

    @pytest.mark.parametrize("alert", SEEN_HERE, ids=by_name)
    def test_workers_judge_the_scenarios_figures_as_prometheus_does(self, alert: Alert) -> None:
        assert alert.holds(alert.value(figures(alert, bad=True)))
        assert not alert.holds(alert.value(figures(alert, bad=False)))
        assert not alert.holds(alert.value({})), "nothing to compare is no alert"

    def test_measures(self) -> None:
        told = {'a{t="x"}': 1.0, 'a{t="y"}': 5.0, "ab": 9.0, "b": 10.0, "zero": 0.0}
        assert Largest("a").value(told) == 5
        assert Share("b", ("b", 'a{t="x"}', "ab")).value(told) == 0.5
        assert Share("b", ("b",), at_least=11).value(told) is None
        assert Share("zero", ("zero",)).value(told) is None
        assert Share("b", ("b", "gone")).value(told) is None
        assert (Absent("a").value(told), Absent("c").value(told)) == (0, 1)


def named(expression: str) -> set[str]:
    """The metrics of a PromQL expression."""
    return set(re.findall(r"\bscheduler_\w+", expression))


def test_every_metric_that_is_asked_for_is_told() -> None:
    told = {family.name for families in READS.values() for family in families}
    samples = {sample for families in READS.values() for family in families for sample in family.samples}
    for alert in ALERTS:
        assert named(alert.expression) <= told, alert.name
        assert set(alert.measure.names) <= told | samples, alert.name
    queries = dashboard_queries()
    assert len(queries) > 20
    histograms = (dispatch_lag, start_lag, run_seconds, step_seconds)
    told |= {f"{family.name}_bucket" for each in histograms for family in each.collect()}
    told |= {f"{family.name}_total" for family in attempts.collect()}
    for query in queries:
        assert named(query) or "ALERTS{" in query
        assert named(query) <= told, query


def dashboard_queries() -> list[str]:
    panels = json.loads((PROJECT / DASHBOARD).read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def test_the_dashboard_lies_on_a_grid() -> None:
    panels = json.loads((PROJECT / DASHBOARD).read_text())["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert max(x for x, _ in taken) == 23


def test_the_dashboards_queries_are_promql(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(dashboard_queries())]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stderr
