from __future__ import annotations

from time import monotonic, time


class DatabaseClock:
    """The database's time without asking: this process's monotonic clock plus an offset.

    The offset comes from the quickest of the recent round trips, so it is wrong by at most half of that one. No step of
    this machine's wall clock moves it.
    """

    def __init__(self, *, keep_seconds: float = 30.0) -> None:
        self._keep = keep_seconds
        self._offset = time() - monotonic()
        self._round_trip = float("inf")
        self._sampled = float("-inf")

    def sample(self, database_time: float, before: float, after: float) -> None:
        """`database_time` was read between two readings of the monotonic clock."""
        if after - before > self._round_trip and after - self._sampled < self._keep:
            return
        self._round_trip, self._sampled = after - before, after
        self._offset = database_time - (before + after) / 2

    def at(self, moment: float) -> float:
        """A monotonic reading as the database's time, in seconds since the epoch."""
        return moment + self._offset

    def monotonic_at(self, database_time: float) -> float:
        return database_time - self._offset
