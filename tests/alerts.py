"""An alert under watch: whether it fires, what is done about it, and that it is over then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.operations.alerts.definitions import ALERTS, Alert
from apps.operations.alerts.evaluation import evaluate
from apps.operations.gauges import read_gauges
from apps.operations.models import AlertState
from tests.runbooks import REPAIRS, OnCall, Rows, told

STEP = 120  # seconds between two looks; a longer break would begin the wait anew


class Watch:
    """Of the alert with this runbook. The figures are the database's; the time for which a condition must hold is
    passed by a clock of its own.
    """

    def __init__(self, runbook: str, on_call: OnCall) -> None:
        self.alert: Alert = next(alert for alert in ALERTS if alert.runbook == runbook)
        self.on_call = on_call
        self._now = datetime(2026, 3, 1, tzinfo=UTC)
        self._story: list[str] = []

    def at(self, threshold: float) -> None:
        """Another threshold, where the real one would take a machine or an hour."""
        self.alert = replace(self.alert, threshold=threshold)

    @property
    def figure(self) -> float:
        value = self.alert.value(read_gauges())
        assert value is not None
        return value

    def fires(self) -> bool:
        """Whether it does, with the figures of now, once they have lasted for as long as the alert asks."""
        figures = read_gauges()
        end = self._now + timedelta(seconds=self.alert.for_seconds)
        while True:
            evaluate(figures, now=self._now, alerts=[self.alert])
            if self._now >= end:
                break
            self._now = min(self._now + timedelta(seconds=STEP), end)
        firing = AlertState.objects.get(name=self.alert.name).firing_since is not None
        return self.saw(firing)

    def saw(self, firing: bool) -> bool:
        self._story.append("fires" if firing else "quiet")
        return firing

    def act(self, lead: str = "", **values: Any) -> None:
        """Run the runbook's commands under what begins so, by default those of its first repair."""
        lead = lead or REPAIRS[self.alert.runbook][0]
        self.read(lead, **values)
        self._story.append(lead)

    def read(self, lead: str, **values: Any) -> Rows:
        """Run commands that look, and what the last one found."""
        found: Rows = []
        for block in told(self.alert.runbook, lead):
            found = self.on_call.run(block, **values)
        return found

    def assert_mended(self) -> None:
        """It fired; each repair was done while it did; and it was over after each."""
        story = self._story
        for repair in REPAIRS[self.alert.runbook]:
            done = story.index(repair)
            assert [seen for seen in story[:done] if seen in ("fires", "quiet")][-1:] == ["fires"], story
            assert "quiet" in story[done:], story
        assert story[-1] == "quiet", story
