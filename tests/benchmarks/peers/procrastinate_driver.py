"""procrastinate: concurrency 100, a pool of 20."""

from __future__ import annotations

import asyncio
import sys
import time

from procrastinate import App, PsycopgConnector

PADDING = "p" * 185


async def main(mode: str, url: str, number: int) -> None:
    app = App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=20))

    @app.task(name="noop")
    async def noop(text: str) -> None:
        pass

    @app.task(name="lag")
    async def lag(at: float) -> None:
        print(f"lag {(time.time() - at) * 1000:.3f}", flush=True)

    async with app.open_async():
        if mode in ("work", "schedules"):
            await app.schema_manager.apply_schema_async()
        match mode:
            case "work":
                asyncio.get_running_loop().call_later(1.0, lambda: print("ready", flush=True))
                await app.run_worker_async(concurrency=100, install_signal_handlers=False)
            case "fill":
                await noop.batch_defer_async(*({"text": PADDING} for _ in range(number)))
                print("filled", time.time(), flush=True)
            case "trickle":
                for _ in range(number):
                    await asyncio.sleep(0.02)
                    await lag.defer_async(at=time.time())
                print("trickled", flush=True)
            case "schedules":
                await schedules(app, number)


async def schedules(app: App, number: int) -> None:
    from procrastinate.periodic import PeriodicDeferrer

    @app.task(name="periodic")
    async def periodic(timestamp: int) -> None:
        pass

    for index in range(number):
        app.periodic_registry.register_task(periodic, "* * * * *", f"s{index}", {})
    deferrer = PeriodicDeferrer(app.periodic_registry)
    started = time.perf_counter()
    await deferrer.defer_jobs(deferrer.get_previous_tasks(at=time.time()))
    print("seconds", time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
