"""`manage.py run_scheduler`: one replica of the scheduler, leader or standby, until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.leadership.fitness import UnfitServer
from apps.leadership.loop import Replica


class Command(BaseCommand):
    help = "Run a replica of the scheduler. Start as many as you like: one leads, the others stand by."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--replica", help="its name in the terms and logs; host and process id by default"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from scheduler_saas.processes import leader_steps, take_direct_route, wait_for_sound_database
        from scheduler_saas.telemetry import telemetry

        take_direct_route()
        wait_for_sound_database(self)
        replica = Replica(leader_steps(), name=options["replica"])

        def stop(signum: int, frame: FrameType | None) -> None:
            replica.stop()

        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, stop)
        try:
            with telemetry("scheduler"):
                replica.run()
        except UnfitServer as error:
            raise CommandError(f"This server cannot hold a leader: {error}") from error
