"""`watch`: the alert that the test is named for, which has to fire and be mended in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts import Watch
from tests.runbooks import OnCall


@pytest.fixture
def watch(live_db: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watch]:
    with OnCall(live_db, tmp_path) as on_call:
        watch = Watch(request.node.name.removeprefix("test_"), on_call)
        yield watch
        watch.assert_mended()
