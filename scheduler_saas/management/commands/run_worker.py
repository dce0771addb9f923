import asyncio
import gc
import signal
from dataclasses import replace
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.executions.limits import Limits
from apps.executions.worker import Worker
from scheduler_saas.descriptors import TooFewDescriptors, allow_connections


class Command(BaseCommand):
    help = (
        "Run executions until SIGTERM, or with --drain until none is due. A second SIGTERM waits for nothing."
    )

    # The database's checks are run below. The others read the routes of the whole site, and all of its views with them:
    # 9 MB that a worker never uses. The web process and `migrate` run them.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--drain", action="store_true", help="end when nothing is due (for cron)")
        parser.add_argument("--concurrency", type=int, help="executions at once (WORKER_CONCURRENCY)")
        parser.add_argument(
            "--name", help="the worker's name in the ledger; by default host, process and chance"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from scheduler_saas.processes import wait_for_sound_database
        from scheduler_saas.telemetry import telemetry

        limits = Limits.from_settings()
        if options["concurrency"]:
            limits = replace(limits, concurrency=options["concurrency"])
        try:
            allow_connections(limits.concurrency)
        except TooFewDescriptors as error:
            raise CommandError(str(error)) from None
        wait_for_sound_database(self)
        gc.collect()
        gc.freeze()  # all that was imported stays; the collector need not walk it while executions wait to start
        with telemetry("worker"), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            counts = runner.run(self._run(limits, options))
        if options["drain"]:
            did = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()) if n)
            self.stdout.write(did or "nothing was due")

    async def _run(self, limits: Limits, options: dict[str, Any]) -> dict[str, int]:
        from scheduler_saas.chores import Chores

        worker = Worker(limits=limits, name=options["name"], until_empty=options["drain"])
        # A drain is over in a moment; who runs workers by cron runs `reconcile`, `alerts --evaluate` and
        # `send_notifications` by cron.
        chores = Chores([] if options["drain"] else None)

        def stop() -> None:
            worker.stop()
            chores.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        with chores:
            await worker.run()
        return dict(worker.counts)
