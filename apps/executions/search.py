"""Where in the queue the next claim looks. Pure."""

from __future__ import annotations

from apps.executions.queue import HEAD, Position, Taken

MOST_AT_ONCE = 4000
GLANCE_SECONDS = 0.1
SHORTEST_STAY, STAY_FOR_SEARCH = 0.25, 10.0


class Search:
    """Rows that caps hold back stay at the queue's head, be they a hundred thousand, and a claim walks over no more
    than a window of them. So where a window had too little, the next claim goes on behind it, with a wider one.

    Where such a search ends, it stays for ten times as long as it took, and so costs no more than a tenth of the time:
    behind the rows held back, when work was found there, with a glance at the head now and then and whenever `news`
    came, for that is where new rows are; otherwise at the head. Then it begins anew, as places may have become free
    anywhere. `thorough` never rests at the head.
    """

    def __init__(self, *, thorough: bool = False) -> None:
        self.capped = False  # rows wait, and nothing can be taken but when a place becomes free
        self._thorough = thorough
        self._position, self._window = HEAD, 0
        self._began = self._stay_until = self._glanced = float("-inf")
        self._news = self._glancing = False

    def news(self) -> None:
        """There are new rows."""
        self._news = True

    def next(self, limit: int, now: float) -> tuple[Position, int]:
        """Behind what to look for up to `limit` rows, and at how many."""
        if self._position != HEAD and self._window == 0 and now >= self._stay_until:
            self._position = HEAD
        self._glancing = self._position != HEAD and (self._news or now - self._glanced >= GLANCE_SECONDS)
        if self._glancing or self._position == HEAD:
            self._news, self._glanced = False, now
            return HEAD, 2 * limit + 100
        return self._position, max(self._window, 2 * limit + 100)

    def found(self, taken: Taken, limit: int, window: int, now: float) -> bool:
        """Learn what the claim found; whether to look further at once, for there may be more."""
        enough, to_the_end = len(taken) >= limit, taken.walked < window
        if self._glancing:
            if enough:  # the head is open again
                self._position, self._window = HEAD, 0
            return True
        if enough:
            self._end_search(now)
            self.capped = False
            if self._position != HEAD:  # what lies before the first one taken is held back
                self._position = Position(taken[0].rank, taken[0].priority, taken[0].id - 1)
            return True
        if to_the_end or (self._position == HEAD and not self._thorough and now < self._stay_until):
            self._end_search(now)
            self.capped = taken.walked > len(taken) or self._position != HEAD
            self._position = HEAD
            return False
        if self._window == 0:
            self._began = now
        self._position, self._window = taken.end, min(4 * window, MOST_AT_ONCE)
        return True

    def _end_search(self, now: float) -> None:
        if self._window:
            self._stay_until = now + max(SHORTEST_STAY, STAY_FOR_SEARCH * (now - self._began))
        self._window = 0
