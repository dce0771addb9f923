"""A sleep that a signal handler, another thread or the database can end at once."""

from __future__ import annotations

import contextlib
import os
import select
import time
import weakref


class Wakeup:
    """A flag with a pipe behind it. `set` only stores and writes, so a signal handler may call it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._set = False
        weakref.finalize(self, _close, self._reader, self._writer)

    @property
    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        with contextlib.suppress(BlockingIOError):  # a full pipe is readable already
            os.write(self._writer, b"\0")

    def clear(self) -> None:
        self._set = False
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 1024):
                pass

    def wait(self, timeout: float, *descriptors: int) -> None:
        """Sleep for `timeout` seconds, or until set or until one of `descriptors` can be read.

        select() and not poll(): it takes microseconds, and a job's lateness includes the rounding.
        """
        if not self._set:
            select.select([self._reader, *descriptors], [], [], max(0.0, timeout))

    def sleep(self, seconds: float) -> bool:
        """Sleep for the whole time unless set. Returns whether it is set."""
        deadline = time.monotonic() + seconds
        while not self._set and (left := deadline - time.monotonic()) > 0:
            self.wait(left)
        return self._set


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
