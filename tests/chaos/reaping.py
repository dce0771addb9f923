"""`python -m tests.chaos.reaping SECONDS`: two reapers at once, beside the leader's, as often as they can.

A reaper proves nothing about its term: a lease that has run out may be taken back by anyone, and only once.
"""

from __future__ import annotations

import sys
import threading
import time


def main(seconds: float) -> None:
    import django

    django.setup()

    import psycopg

    from apps.executions import ledger
    from apps.tenants import machine

    until = time.monotonic() + seconds

    def reap() -> None:
        while time.monotonic() < until:
            try:
                with (
                    machine.connect(application_name="scheduler reaper") as session,
                    session.cursor() as cursor,
                ):
                    while time.monotonic() < until:
                        ledger.reap(limit=500).on(cursor)
                        time.sleep(0.01)
            except psycopg.OperationalError:  # of another fault, which may last
                time.sleep(0.1)

    reapers = [threading.Thread(target=reap) for _ in range(2)]
    for reaper in reapers:
        reaper.start()
    for reaper in reapers:
        reaper.join()


if __name__ == "__main__":
    main(float(sys.argv[1]))
