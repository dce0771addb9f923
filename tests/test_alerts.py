"""The alerts as workers evaluate them: pending, firing, over, by a clock that the test passes; and who is told."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from io import StringIO
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection

from apps.leadership.locks import CLASS, Lock
from apps.operations.alerts import evaluation
from apps.operations.alerts.definitions import ALERTS, SEEN_HERE, Alert
from apps.operations.alerts.evaluation import Changes, evaluate, evaluate_alone
from apps.operations.alerts.mail import mail_changes
from apps.operations.alerts.selectors import Standing, StandingAlert, alert_states
from apps.operations.gauges import read_gauges
from apps.operations.models import AlertState
from scheduler_saas.chores import AlertChore, Chores
from tests.promtool import figures
from tests.replicas import wait_for
from tests.workers import Session

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTHING = Changes((), ())
BY_NAME = {alert.name: alert for alert in ALERTS}
NO_LEADER = BY_NAME["SchedulerNoLeader"]  # for 30 s
LOST, LED = {"scheduler_leaders": 0.0}, {"scheduler_leaders": 1.0}


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def state(alert: Alert = NO_LEADER) -> AlertState:
    return AlertState.objects.get(name=alert.name)


def standing(name: str = NO_LEADER.name) -> StandingAlert:
    return next(each for each in alert_states() if each.alert.name == name)


@pytest.mark.django_db
class TestEvaluation:
    @pytest.mark.parametrize("alert", SEEN_HERE, ids=lambda alert: alert.name)
    def test_each_fires_after_its_time_and_not_before_and_is_over(self, alert: Alert) -> None:
        good, bad = figures(alert, bad=False), figures(alert, bad=True)
        evaluate(good, now=START)
        seconds = 15
        if alert.for_seconds:
            while seconds < 15 + alert.for_seconds:
                assert evaluate(bad, now=after(seconds)) == NOTHING
                seconds += 120 if alert.for_seconds % 120 == 0 else 15
            assert (state(alert).pending_since, state(alert).firing_since) == (after(15), None)
        fires_at = 15 + alert.for_seconds
        assert evaluate(bad, now=after(fires_at)) == Changes((alert.name,), ())
        assert evaluate(bad, now=after(fires_at + 15)) == NOTHING
        assert state(alert).firing_since == after(fires_at)
        assert evaluate(good, now=after(fires_at + 30)) == Changes((), (alert.name,))
        assert (state(alert).pending_since, state(alert).firing_since) == (None, None)

    def test_a_break_begins_the_wait_anew(self) -> None:
        for seconds, told in ((0, LOST), (15, LED), (30, LOST), (45, LOST)):
            assert evaluate(told, now=after(seconds)) == NOTHING
        assert evaluate(LOST, now=after(60)).began == (NO_LEADER.name,)

    def test_what_held_while_nobody_looked_is_pending_anew(self) -> None:
        evaluate(LOST, now=START)
        assert evaluate(LOST, now=after(3600)) == NOTHING
        assert state().pending_since == after(3600)
        assert evaluate(LOST, now=after(3630)).began == (NO_LEADER.name,)
        assert evaluate(LOST, now=after(9000)) == NOTHING, "what fired goes on, and is no news"
        assert state().firing_since == after(3630)

    def test_a_figure_that_could_not_be_read_changes_nothing(self) -> None:
        evaluate(LOST, now=START)
        evaluate(LOST, now=after(30))
        assert evaluate({"scheduler_gauge_errors": 1.0}, now=after(45)) == NOTHING
        assert (state().firing_since, state().evaluated_at) == (after(30), after(30))

    def test_an_alert_that_is_no_more_leaves_no_state(self) -> None:
        AlertState.objects.create(name="SchedulerOfOld", firing_since=START, evaluated_at=START)
        evaluate(LED, now=after(60))
        assert AlertState.objects.filter(name="SchedulerOfOld").exists(), "another release may know of it"
        assert "SchedulerOfOld" not in {each.alert.name for each in alert_states()}
        evaluate(LED, now=after(90_000))
        assert set(AlertState.objects.values_list("name", flat=True)) == {alert.name for alert in SEEN_HERE}

    def test_the_log_tells_when_one_begins_and_ends(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, evaluation.logger.name)
        for seconds, told in ((0, LOST), (30, LOST), (45, LOST), (60, LED), (75, LED)):
            evaluate(told, now=after(seconds))
        assert caplog.messages == [
            "alert SchedulerNoLeader fires (value 0.0)",
            "alert SchedulerNoLeader is over",
        ]


@pytest.mark.django_db
class TestMail:
    @pytest.fixture(autouse=True)
    def _on_call(self, settings: Any) -> None:
        settings.ONCALL_EMAIL = ["olga@example.com", "oscar@example.com"]

    def test_one_when_it_begins_and_one_when_it_ends(self) -> None:
        for seconds, told in ((0, LOST), (30, LOST), (45, LOST), (60, LED), (75, LED)):
            evaluate(told, now=after(seconds))
            mail_changes()
        began, ended = mail.outbox
        assert began.subject == "[page] SchedulerNoLeader fires"
        assert began.to == ["olga@example.com", "oscar@example.com"]
        for words in (
            NO_LEADER.summary,
            "max(scheduler_leaders) < 1 for 30 s",
            "Since: 2026-03-01 12:00:00 UTC",
        ):
            assert words in began.body
        assert "docs/runbooks/no_leader.md" in began.body
        assert ended.subject == "[page] SchedulerNoLeader is over"

    def test_what_could_not_be_sent_is_sent_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: Any) -> None:
            raise SMTPServerDisconnected("the mail server is away")

        evaluate(LOST, now=START)
        evaluate(LOST, now=after(30))
        with monkeypatch.context() as away:
            away.setattr("apps.operations.alerts.mail.send_mail", refuse)
            assert mail_changes() == 0
        assert [mail_changes(), mail_changes()] == [1, 0]
        assert [message.subject for message in mail.outbox] == ["[page] SchedulerNoLeader fires"]

    def test_nobody_is_mailed_when_nobody_is_named(self, settings: Any) -> None:
        settings.ONCALL_EMAIL = []
        evaluate(LOST, now=START)
        evaluate(LOST, now=after(30))
        assert mail_changes() == 0
        assert mail.outbox == []


@pytest.mark.django_db
class TestHowTheyStand:
    def test_before_the_first_evaluation_nothing_is_known_but_that(self) -> None:
        stand = alert_states()
        assert [each.alert.name for each in stand if each.firing] == ["SchedulerAlertsStale"]
        assert {each.standing for each in stand if not each.alert.from_outside} == {Standing.UNKNOWN}
        assert read_gauges()["scheduler_alerts_age_seconds"] == float("inf")

    def test_those_that_fire_come_first(self) -> None:
        evaluate({"scheduler_quarantined_jobs": 2.0, **LOST})
        stand = alert_states()
        assert len(stand) == len(ALERTS)
        assert [(each.alert.name, each.standing) for each in stand[:2]] == [
            ("SchedulerQuarantinedJobs", Standing.FIRING),
            ("SchedulerNoLeader", Standing.PENDING),
        ]
        assert stand[0].value == 2
        assert stand[0].age_seconds is not None
        assert 0 <= stand[0].age_seconds < 60
        assert read_gauges()["scheduler_alerts_age_seconds"] < 60
        assert standing("SchedulerAlertsStale").standing is Standing.QUIET

    def test_an_old_evaluation_says_nothing_but_what_fired(self) -> None:
        evaluate({"scheduler_quarantined_jobs": 2.0, **LOST})
        AlertState.objects.update(evaluated_at=datetime.now(UTC) - timedelta(seconds=121))
        assert standing("SchedulerQuarantinedJobs").firing
        assert standing("SchedulerAlertsStale").firing
        assert standing().standing is Standing.UNKNOWN


@pytest.mark.django_db
class TestTheCommand:
    def run(self, *arguments: str) -> tuple[str, int]:
        out = StringIO()
        try:
            call_command("alerts", *arguments, stdout=out)
        except SystemExit as end:
            return out.getvalue(), int(str(end.code))
        return out.getvalue(), 0

    def test_says_how_they_stand_and_fails_when_one_fires(self) -> None:
        evaluate(LED)
        text, code = self.run()
        assert (code, len(text.splitlines())) == (0, len(ALERTS))
        evaluate({"scheduler_quarantined_jobs": 2.0, **LED})
        text, code = self.run()
        assert code == 1
        assert text.startswith("firing   ticket SchedulerQuarantinedJobs")
        assert "docs/runbooks/quarantined_jobs.md" in text
        text, code = self.run("--json")
        first = json.loads(text)["alerts"][0]
        assert (code, first["name"], first["state"], first["value"]) == (
            1,
            "SchedulerQuarantinedJobs",
            "firing",
            2.0,
        )

    def test_fails_when_nobody_evaluates_and_evaluates_when_told(self) -> None:
        assert self.run()[1] == 1
        self.run("--evaluate")
        assert not standing("SchedulerAlertsStale").firing


class TestOneAtATime:
    def test_of_two_that_evaluate_one_begins_it(self, live_db: str) -> None:
        evaluate(LOST, now=START)
        begun: list[Changes] = []

        def one() -> None:
            begun.append(evaluate(LOST, now=after(30)))
            connection.close()

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(each.began for each in begun) == [(), (), (), (NO_LEADER.name,)]

    def test_one_is_at_it_or_has_just_been(self, session: Session) -> None:
        session.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS, Lock.ALERTS])
        assert evaluate_alone() is None
        assert AlertChore(interval=15).run_once() == {}
        assert not AlertState.objects.exists()
        session.execute("SELECT pg_advisory_unlock(%s, %s)", [CLASS, Lock.ALERTS])
        AlertChore(interval=15).run_once()
        first = evaluation.evaluated_at()
        AlertChore(interval=15).run_once()
        assert evaluation.evaluated_at() == first, "another worker's evaluation will do"
        assert evaluate_alone() is not None
        assert evaluation.evaluated_at() != first

    def test_a_worker_evaluates_them(self, live_db: str) -> None:
        with Chores([AlertChore(interval=0.1)]):
            wait_for(AlertState.objects.exists, "an evaluation")
            first = evaluation.evaluated_at()
            wait_for(lambda: evaluation.evaluated_at() != first, "and another")
