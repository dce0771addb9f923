"""`manage.py demo`: see `scheduler_saas.demo`."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from scheduler_saas.demo.children import ChildDied
from scheduler_saas.demo.run import Demo, Options
from scheduler_saas.demo.stage import StageFailed
from scheduler_saas.demo.verdict import Verdict


class Command(BaseCommand):
    help = (
        "Run the whole product here with two tenants, a crontab each and a load, until Ctrl-C; then judge it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--for", dest="seconds", type=float, help="end after so many seconds of load")
        parser.add_argument("--kill-leader", action="store_true", help="SIGKILL the leader half-way")
        parser.add_argument(
            "--json", action="store_true", help="the verdict as one JSON object, the last line"
        )
        parser.add_argument("--rate", type=int, default=120, help="executions a second (default: 120)")
        parser.add_argument(
            "--port", type=int, default=8000, help="the web's, or the next free one (default: 8000)"
        )
        parser.add_argument(
            "--database", default="scheduler_demo", help="dropped and made anew at each start"
        )
        parser.add_argument(
            "--directory", type=Path, help="for logs and the receiver's record (default: var/demo)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rate"] < 1 or (options["seconds"] or 1) <= 0:
            raise CommandError("--rate and --for have to be more than nothing.")
        asked = Options(
            database=options["database"],
            directory=options["directory"] or settings.BASE_DIR / "var" / "demo",
            seconds=options["seconds"],
            kill_leader=options["kill_leader"],
            rate=options["rate"],
            port=options["port"],
        )
        try:
            verdict = Demo(asked, sys.stdout).run()
        except (StageFailed, ChildDied) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted; everything that was started has been stopped.") from None
        self._report(verdict, as_json=options["json"])
        if not verdict.good:
            sys.exit(1)

    def _report(self, verdict: Verdict, *, as_json: bool) -> None:
        for name, value in verdict.figures.items():
            if not as_json:
                self.stdout.write(f"{name:26} {value}")
        for complaint in verdict.complaints:
            self.stderr.write(complaint)
        if verdict.good:
            (self.stderr if as_json else self.stdout).write("Every due tick has exactly one outcome.")
        if as_json:
            self.stdout.write(json.dumps(verdict.figures))
