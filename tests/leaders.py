"""Leader's sessions that a test holds itself, and between whose cycles it may take its time."""

from apps.leadership.timings import Timings

UNHURRIED = Timings(idle_timeout=120, trust_window=120)
