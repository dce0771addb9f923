from __future__ import annotations

import pytest

from apps.executions.clock import DatabaseClock

pytestmark = pytest.mark.same_on_every_postgres


def test_quickest_round_trip_wins() -> None:
    clock = DatabaseClock(keep_seconds=30)
    clock.sample(1000.0, 10.0, 10.2)
    assert clock.at(10.1) == 1000.0
    clock.sample(1001.5, 11.0, 12.0)  # slower: says less
    assert clock.at(10.1) == 1000.0
    clock.sample(1001.4, 11.0, 11.002)  # quicker: says more
    assert abs(clock.at(11.001) - 1001.4) < 1e-9


def test_old_sample_gives_way_to_a_slower_new_one() -> None:
    clock = DatabaseClock(keep_seconds=30)
    clock.sample(1000.0, 10.0, 10.01)
    clock.sample(1050.0, 50.0, 50.2)
    assert abs(clock.at(50.1) - 1050.0) < 1e-9
    assert abs(clock.monotonic_at(1050.0) - 50.1) < 1e-9
