"""Waiting for a coroutine no longer than so long, which costs nothing where it never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine as awaitable_generator
from typing import Any, TypeVar

T = TypeVar("T")


class TimeIsUp(Exception):
    """It took longer than it may. A TimeoutError would be the coroutine's own."""


async def within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """Its result; raises TimeIsUp once it has been cancelled.

    The first step is taken before any clock is set: nothing could end it, and for many it is the only one.
    """
    try:
        waits_for = coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    try:
        async with asyncio.timeout(seconds) as deadline:
            return await _rest(coroutine, waits_for)
    except TimeoutError:
        if deadline.expired():
            raise TimeIsUp from None
        raise


@awaitable_generator
def _rest(coroutine: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that has been begun, as `await` would."""
    try:
        while True:
            try:
                answer = yield waits_for
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
