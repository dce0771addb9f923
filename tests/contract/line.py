"""The whole line in this process: a leader's check, a worker that empties the queue, a replica in a thread."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from types import TracebackType

from apps.executions.limits import Limits
from apps.executions.worker import Worker
from apps.jobs.models import Cursor, Job
from apps.leadership.loop import Replica, check_once
from apps.tenants.context import all_tenants_scope
from scheduler_saas.processes import leader_steps


def make_due(job: Job, *, ago: timedelta = timedelta(seconds=1)) -> datetime:
    """Put the job's next time, which must be one of a job by date, into the past."""
    due = datetime.now(UTC) - ago
    with all_tenants_scope():
        Job.objects.filter(pk=job.pk).update(run_date=due)
        Cursor.objects.filter(job_id=job.pk).update(next_run_at=due)
    return due


def check() -> dict[str, int]:
    """One check as leader. Raises AssertionError when somebody else leads."""
    counts = check_once(leader_steps())
    assert counts is not None
    return counts


async def drain() -> Worker:
    """Run all that is due in a worker of this process."""
    limits = Limits(lease=10, heartbeat=1, poll=0.1, drain=5, concurrency=10, processes=2)
    worker = Worker(limits=limits, name="in process", until_empty=True)
    await worker.run()
    return worker


def work() -> None:
    """Check, run what is due, and fold what came of it."""
    check()
    asyncio.run(drain())
    check()


class Leading:
    """A replica with all its steps in a thread, for the length of a `with`. What it raised is raised at the end."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._error: BaseException | None = None

    def __enter__(self) -> Replica:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self.replica

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.replica.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self.replica.run()
        except BaseException as error:
            self._error = error
