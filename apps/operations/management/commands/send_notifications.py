from typing import Any

from django.core.management.base import BaseCommand

from apps.operations.notifications.sending import NotificationChore


class Command(BaseCommand):
    help = "Make messages of what tenants are to be told of, and send those that are due, once (for cron)."

    def handle(self, *args: Any, **options: Any) -> None:
        counts = NotificationChore().run_once()
        did = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
        self.stdout.write(did or "nothing was due")
