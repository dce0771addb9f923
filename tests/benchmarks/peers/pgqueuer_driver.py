"""pgqueuer: asyncpg, uvloop, batches of 500."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import CronExpressionEntrypoint, Job, Schedule
from pgqueuer.queries import Queries

BATCH = 500
PADDING = "p" * 185


async def main(mode: str, url: str, number: int) -> None:
    connection = await asyncpg.connect(url)
    queries = Queries(AsyncpgDriver(connection))
    if mode in ("work", "schedules"):
        await queries.install()
    match mode:
        case "work":
            await work(connection)
        case "fill":
            payloads: list[bytes | None] = [f'{{"text":"{PADDING}"}}'.encode()] * number
            await queries.enqueue(["noop"] * number, payloads, [0] * number)
            print("filled", time.time(), flush=True)
        case "trickle":
            for _ in range(number):
                await asyncio.sleep(0.02)
                await queries.enqueue("lag", str(time.time()).encode())
            print("trickled", flush=True)
        case "schedules":
            await schedules(queries, connection, number)


async def work(connection: asyncpg.Connection) -> None:
    worker = PgQueuer(AsyncpgDriver(connection))

    @worker.entrypoint("noop")
    async def noop(job: Job) -> None:
        pass

    @worker.entrypoint("lag")
    async def lag(job: Job) -> None:
        now = time.time()
        print(f"lag {(now - float(job.payload or b'0')) * 1000:.3f}", flush=True)

    asyncio.get_running_loop().call_later(1.0, lambda: print("ready", flush=True))
    await worker.run(batch_size=BATCH)


async def schedules(queries: Queries, connection: asyncpg.Connection, number: int) -> None:
    scheduler = PgQueuer(AsyncpgDriver(connection)).sm
    done = 0

    async def run(schedule: Schedule) -> None:
        nonlocal done
        done += 1
        if done == number:
            scheduler.shutdown.set()

    for index in range(number):
        scheduler.schedule(f"s{index}", "* * * * *")(run)
    due = {
        CronExpressionEntrypoint(entrypoint=key.entrypoint, expression=key.expression): timedelta(seconds=-1)
        for key in scheduler.registry
    }
    await queries.insert_schedule(due)
    started = time.perf_counter()
    await scheduler.run()  # to the end of the last one, which is written
    print("seconds", time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
