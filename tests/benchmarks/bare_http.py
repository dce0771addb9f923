"""The limit of deliveries: aiohttp in a loop, 100 requests at once, unsigned and of nobody's. Says `rate <per second>`.

python -m tests.benchmarks.bare_http URL COUNT
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp
import uvloop

AT_ONCE = 100
BODY = b'{"text":"' + b"p" * 185 + b'"}'


async def main(url: str, count: int) -> None:
    left = iter(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def sender() -> None:
            for _ in left:
                async with session.post(url, data=BODY) as response:
                    await response.read()

        started = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    print("rate", count / (time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
