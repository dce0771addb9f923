"""Periods under which a healthy leader would be evicted are refused."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.leadership.timings import Timings

pytestmark = pytest.mark.same_on_every_postgres


@pytest.mark.parametrize(
    "wrong",
    [
        {"heartbeat": 2.6},  # half the trust window and more
        {"heartbeat": 2.0},  # more than half the idle timeout
        {"election_poll": 1.6},
        {"election_poll": 0.0},
        {"check_interval": -1.0},
    ],
)
def test_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ImproperlyConfigured):
        Timings(**wrong)


def test_the_shipped_settings_are_accepted() -> None:
    assert Timings.from_settings().session_settings()["idle_session_timeout"] == "3000"
