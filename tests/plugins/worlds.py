"""What many tests look at and none keeps changed: built once for the tests of a class, and rolled back after the last.

A class that uses such a world uses it in each of its tests, for its rows are there from the first to the last. Each
test is a savepoint in the class's transaction, so what it writes is gone before the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.casts import Cast
from tests.contract import records
from tests.contract.asking import undone


class World:
    """Acme with a few rows of each kind, of Alice's and of Bob's, and Bravo without any."""

    def __init__(self, acme: Any, bravo: Any) -> None:
        self.cast, self.other_cast = Cast(acme), Cast(bravo)
        self._ids = {person: records.small(self.asker(person)) for person in ("alice", "bob")}

    def asker(self, person: str) -> Any:
        return getattr(self.cast, person)

    def ids(self, person: str = "alice") -> dict[str, Any]:
        """The ids of this person's rows, by the names of `records.small`."""
        return self._ids[person]


@pytest.fixture(scope="class")
def class_transaction(_session_tenants: Any, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), undone():
        yield


@pytest.fixture(scope="class")
def _world(class_transaction: None, acme: Any, bravo: Any) -> World:
    return World(acme, bravo)


@pytest.fixture
def world(_world: World, db: None, settings: Any) -> World:
    settings.LEADER_TRUST_WINDOW = 3600  # the one heartbeat is as old as the class
    return _world
