"""`manage.py check_due_tasks`: what is due now, once, for cron. A standby where a leader runs already."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.leadership.fitness import UnfitServer
from apps.leadership.loop import check_once
from apps.leadership.session import TermLost


class Command(BaseCommand):
    help = 'Try for the lock once: run what is due as leader and print the counts, or print "standby".'

    def handle(self, *args: Any, **options: Any) -> None:
        from scheduler_saas.processes import leader_steps, refuse_unsound_database, take_direct_route

        take_direct_route()
        refuse_unsound_database(self)
        try:
            counts = check_once(leader_steps(once=True))
        except UnfitServer as error:
            raise CommandError(f"This server cannot hold a leader: {error}") from error
        except TermLost as error:
            raise CommandError(f"The term was lost on the way: {error}") from error
        if counts is None:
            self.stdout.write("standby")
        else:
            self.stdout.write(" ".join(f"{name}={n}" for name, n in sorted(counts.items())) or "nothing due")
