"""APScheduler 3: the SQLAlchemy store, a thread pool."""

from __future__ import annotations

import sys
import threading
import time
from datetime import datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

JOBS_A_SECOND = 100
done = threading.Semaphore(0)


def noop() -> None:
    done.release()


def tick() -> None:
    """Runs are due at whole seconds."""
    print(f"lag {time.time() % 1 * 1000:.3f}", flush=True)


def main(mode: str, url: str, number: int) -> None:
    store = SQLAlchemyJobStore(url=url.replace("postgresql://", "postgresql+psycopg://"))
    scheduler = BackgroundScheduler(
        jobstores={"default": store},
        executors={"default": ThreadPoolExecutor(20)},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 10},
        timezone="UTC",
    )
    scheduler.start(paused=True)
    now = datetime.now().astimezone()
    if mode == "schedules":
        for _ in range(number):
            scheduler.add_job(noop, "interval", hours=1, next_run_time=now)
        started = time.perf_counter()
        scheduler.resume()
        for _ in range(number):
            done.acquire()
        # The update of the last one follows its start.
        scheduler.shutdown()
        print("seconds", time.perf_counter() - started, flush=True)
    elif mode == "ticks":
        start = now.replace(microsecond=0) + timedelta(seconds=3)
        end = start + timedelta(seconds=number - 1)
        for _ in range(JOBS_A_SECOND):
            scheduler.add_job(tick, "interval", seconds=1, start_date=start, end_date=end)
        scheduler.resume()
        print("ready", flush=True)
        time.sleep((end - datetime.now().astimezone()).total_seconds() + 2)
        scheduler.shutdown()
        print("ticked", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
