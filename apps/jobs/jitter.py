"""Where in its jitter a job runs: the same place every time, and jobs with neighbouring numbers far apart."""

from __future__ import annotations

from datetime import datetime

from apps.jobs.recurrence.rules import Rule
from apps.jobs.recurrence.times import next_after

_KNUTH = 2_654_435_761  # about 2**32 divided by the golden ratio
_RANGE = 2**32


def fraction(job_id: int) -> float:
    """From 0 up to, but not including, 1: multiplicative hashing (Knuth, The Art of Computer Programming 3, 6.4)."""
    return (job_id * _KNUTH % _RANGE) / _RANGE


def delay(job_id: int, rule: Rule, tick: datetime, jitter_seconds: int) -> float:
    """Seconds from `tick` until it runs: within the jitter, and before the next time of the rule."""
    if not jitter_seconds:
        return 0.0
    following = next_after(rule, tick)
    spread = float(jitter_seconds)
    if following is not None:
        spread = min(spread, (following - tick).total_seconds())
    return spread * fraction(job_id)
