"""Where claims look, against a queue in memory: rows in order, some of which caps hold back."""

from __future__ import annotations

from typing import Any

import pytest

from apps.executions.queue import HEAD, Claimed, Position, Taken
from apps.executions.search import MOST_AT_ONCE, SHORTEST_STAY, Search

pytestmark = pytest.mark.same_on_every_postgres


def row(rank: int) -> Claimed:
    blank: list[Any] = [None] * len(Claimed._fields)
    return Claimed(*blank)._replace(id=rank, priority=0, rank=rank)


class Waiting:
    """`capped` rows that nobody may take, then `free` ones, at ranks of their own. A claim takes a millisecond."""

    def __init__(self, capped: int, free: int, search: Search) -> None:
        self.rows = [(rank, rank > capped) for rank in range(1, capped + free + 1)]
        self.search, self.now, self.windows = search, 100.0, list[int]()

    def claim(self, limit: int) -> tuple[list[int], bool]:
        """The ranks taken, and whether the search goes on."""
        after, window = self.search.next(limit, self.now)
        self.windows.append(window)
        seen = [row for row in self.rows if row[0] > after.rank][:window]
        took = [rank for rank, free in seen if free][:limit]
        self.rows = [row for row in self.rows if row[0] not in took]
        taken = Taken(row(rank) for rank in took)
        taken.walked = len(seen)
        taken.end = Position(seen[-1][0], 0, seen[-1][0]) if seen else HEAD
        self.now += 0.001
        return took, self.search.found(taken, limit, window, self.now)

    def until_work(self, limit: int = 10) -> tuple[list[int], int]:
        for claims in range(1, 1000):
            took, more = self.claim(limit)
            if took or not more:
                return took, claims
        raise AssertionError("it never ends")


def test_work_behind_a_hundred_thousand_rows_held_back_is_found_in_bounded_steps() -> None:
    queue = Waiting(100_000, 30, Search())
    took, claims = queue.until_work()
    assert took == list(range(100_001, 100_011))
    assert claims < 40
    assert max(queue.windows) == MOST_AT_ONCE


def test_it_stays_where_there_is_work_and_glances_at_the_head_at_news() -> None:
    search = Search()
    queue = Waiting(50_000, 100, search)
    queue.until_work()
    took, _ = queue.claim(10)
    assert took == list(range(50_011, 50_021))  # at once: no second search
    queue.rows.insert(0, (0, True))
    queue.rows = [(rank + 1, free) for rank, free in queue.rows]
    search.news()
    took, more = queue.claim(10)
    assert (took, more) == ([1], True)
    took, _ = queue.claim(10)
    assert took == list(range(50_022, 50_032))  # and back


def test_fruitless_search_is_not_repeated_before_ten_times_as_long() -> None:
    search = Search()
    queue = Waiting(50_000, 0, search)
    took, claims = queue.until_work()
    assert took == []
    assert claims > 5
    assert search.capped
    long = claims * 0.001
    assert queue.until_work() == ([], 1)  # at the head alone
    queue.now += max(SHORTEST_STAY, 10 * long)
    assert queue.until_work()[1] == claims


def test_head_that_is_open_again_ends_the_stay() -> None:
    queue = Waiting(50_000, 100, Search())
    queue.until_work()
    queue.rows = [(rank, True) for rank, _ in queue.rows]
    queue.now += 0.2  # time for a glance
    assert queue.claim(10)[0] == list(range(1, 11))
    assert queue.claim(10)[0] == list(range(11, 21))


def test_drain_never_rests() -> None:
    queue = Waiting(50_000, 0, Search(thorough=True))
    assert queue.until_work()[1] == queue.until_work()[1] > 5


def test_short_queue_is_no_search() -> None:
    search = Search()
    queue = Waiting(3, 2, search)
    assert queue.claim(10) == ([4, 5], False)
    assert search.capped
    queue.rows = []
    assert queue.claim(10) == ([], False)
    assert not search.capped
