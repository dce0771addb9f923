"""`manage.py leadership status | step-down | drill`: who leads, another leader, and what if it is hurt."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.leadership.handover import wait_for_handover
from apps.leadership.report import HOURS, Report, read_report
from apps.leadership.services import step_down_request
from apps.tenants.arguments import ACTOR
from apps.tenants.services import Refused
from scheduler_saas.demo.children import ChildDied
from scheduler_saas.demo.stage import StageFailed
from scheduler_saas.demo.verdict import Verdict
from scheduler_saas.drill.live import drill_live
from scheduler_saas.drill.run import MODES, Drill, Options

_LOOKS, _BETWEEN_LOOKS = 3, 0.1  # a handover is no finding
_SHOWN = 20


class Command(BaseCommand):
    help = "Who leads (status), another leader (step-down), and what becomes of jobs when leaders are hurt (drill)."

    # As a worker: they read the routes of the whole site, for which on-call would wait.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="status | step-down | drill")
        status = actions.add_parser(
            "status", help="who leads and who stands by; exits with 1 unless exactly one leads"
        )
        status.add_argument("--json", action="store_true", help="one JSON object")
        step_down = actions.add_parser(
            "step-down", help="the leader ends its term, and another replica takes over"
        )
        _reasoned(step_down)
        drill = actions.add_parser(
            "drill", help="hurt leaders of a scratch database, round after round, and judge it"
        )
        what = drill.add_mutually_exclusive_group(required=True)
        what.add_argument("--mode", choices=MODES, help="what is done to the leader")
        what.add_argument(
            "--live", action="store_true", help="the live leader steps down instead; nothing is hurt"
        )
        drill.add_argument("--rounds", type=int, default=20, help="how often (default: 20)")
        drill.add_argument("--replicas", type=int, default=2, help="schedulers, two or more (default: 2)")
        drill.add_argument(
            "--stopped-standby", action="store_true", help="one more, stopped meanwhile: it must never lead"
        )
        drill.add_argument("--rate", type=int, default=40, help="executions a second (default: 40)")
        drill.add_argument(
            "--json", action="store_true", help="the verdict as one JSON object; progress goes to stderr"
        )
        drill.add_argument("--yes", action="store_true", help="with --live: do not ask")
        drill.add_argument("--database", default="scheduler_drill", help="made anew, and dropped at the end")
        drill.add_argument("--directory", type=Path, help="for logs (default: var/drill)")
        _reasoned(drill)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            {"status": self._status, "step-down": self._step_down, "drill": self._drill}[options["action"]](
                options
            )
        except (Refused, StageFailed, ChildDied) as error:
            raise CommandError(str(error)) from error
        except (DatabaseError, psycopg.Error) as error:
            raise CommandError(f"The database cannot say: {' '.join(str(error).split())}") from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted; everything that was started has been stopped.") from None

    def _status(self, options: dict[str, Any]) -> None:
        for look in range(_LOOKS):
            report = read_report()
            if report.leader or look == _LOOKS - 1:
                break
            time.sleep(_BETWEEN_LOOKS)
        if options["json"]:
            self.stdout.write(json.dumps(report.payload()))
        else:
            self._show_report(report)
        if report.leader is None:
            sys.exit(1)

    def _show_report(self, report: Report) -> None:
        self.stdout.write(report.sentence)
        if leader := report.leader:
            self.stdout.write(
                f"  host {leader.host}, process {leader.process_id}, backend {leader.backend_pid}; since"
                f" {leader.started_at:%Y-%m-%d %H:%M:%S} UTC, last heartbeat {leader.heartbeat_age:.2f} s ago;"
                " it holds the lock"
            )
        for standby in report.standbys:
            address = standby.address or "a local socket"
            self.stdout.write(
                f"  standby {standby.replica} from {address}, backend {standby.backend_pid},"
                f" since {standby.connected_at:%Y-%m-%d %H:%M:%S} UTC"
            )
        self.stdout.write(f"Terms of the last {HOURS} hours: {len(report.terms)}")
        for term in report.terms[:_SHOWN]:
            how = (term.end_reason or "ended") if term.ended_at else "open"
            self.stdout.write(
                f"  {term.epoch:>6}  {term.started_at:%Y-%m-%d %H:%M:%S}  {term.seconds:>9.1f} s  {term.replica}: {how}"
            )
        if len(report.terms) > _SHOWN:
            self.stdout.write(f"  and {len(report.terms) - _SHOWN} before")

    def _step_down(self, options: dict[str, Any]) -> None:
        wait = options["wait"]
        term = step_down_request(reason=options["reason"], actor=options["actor"], wait=wait)
        handover = wait_for_handover(term.epoch, seconds=wait)
        if handover is None:
            raise CommandError(
                f"Epoch {term.epoch} ({term.replica}) was asked to end; after {wait:g} s nobody else leads."
                " See `leadership status`."
            )
        following = handover.next
        self.stdout.write(
            f"Epoch {term.epoch} ({term.replica}) ended: {handover.ended.end_reason}\n"
            f"Epoch {following.epoch} ({following.replica}) began.\n"
            f"Nobody led for {handover.nobody_led_ms:.1f} ms."
        )

    def _drill(self, options: dict[str, Any]) -> None:
        if options["rounds"] < 1 or options["replicas"] < 2 or options["rate"] < 1:
            raise CommandError("A drill needs at least one round, two replicas and one execution a second.")
        show = self.stderr.write if options["json"] else self.stdout.write
        self.stderr.style_func = None  # progress is no error
        if options["live"]:
            verdict = self._drill_live(options, show)
        else:
            asked = Options(
                mode=options["mode"],
                rounds=options["rounds"],
                database=options["database"],
                directory=options["directory"] or settings.BASE_DIR / "var" / "drill",
                replicas=options["replicas"],
                stopped_standby=options["stopped_standby"],
                rate=options["rate"],
            )
            verdict = Drill(asked, show).run()
        self._report(verdict, as_json=options["json"])
        if not verdict.good:
            sys.exit(1)

    def _drill_live(self, options: dict[str, Any], show: Any) -> Verdict:
        rounds = options["rounds"]
        if not options["yes"]:
            if not sys.stdin.isatty():
                raise CommandError(
                    "--live steps down the leader that people rely on; say --yes if that is meant."
                )
            self.stderr.write(
                f"The live leader will step down {rounds} times. Type yes to go on: ", ending=""
            )
            if sys.stdin.readline().strip() != "yes":
                raise CommandError("Nothing was done.")
        return drill_live(
            rounds=rounds, reason=options["reason"], actor=options["actor"], wait=options["wait"], show=show
        )

    def _report(self, verdict: Verdict, *, as_json: bool) -> None:
        for complaint in verdict.complaints:
            self.stderr.write(complaint)
        if as_json:
            self.stdout.write(json.dumps(verdict.figures))
            return
        for name, value in verdict.figures.items():
            said = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            self.stdout.write(f"{name:22} {'-' if said is None else said}")
        if verdict.good:
            self.stdout.write("One leader at a time, and nothing lost or done twice.")


def _reasoned(parser: ArgumentParser) -> None:
    drill = parser.prog.endswith("drill")
    parser.add_argument(
        "--reason",
        default="drill" if drill else "",
        help="why; it goes into the term, the journal and the audit trail",
    )
    parser.add_argument("--actor", default=ACTOR, help="who, for the audit trail")
    parser.add_argument(
        "--wait", type=float, default=10.0, help="seconds to wait for the next leader (default: 10)"
    )
