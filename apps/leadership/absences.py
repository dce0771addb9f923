"""When nobody led: what terms leave open between them, by their last signs of life."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection

# A term that was closed late, by its successor, led until its last heartbeat. Of what was before the first term that is
# kept nothing is known. Standbys take over within the trust window, so a shorter gap is none.
_ABSENCES = """
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now, %(trust)s * interval '1 second' AS trust
), led AS (
    SELECT
        min(started_at) AS first,
        range_agg(tstzrange(started_at, greatest(started_at, CASE
            WHEN ended_at IS NULL AND heartbeat_at > now - trust THEN 'infinity'
            WHEN ended_at IS NULL OR ended_at - heartbeat_at > trust THEN heartbeat_at
            ELSE ended_at END), '[]')) AS spans
    FROM leadership_leaderterm, clock
)
SELECT lower(gap), nullif(upper(gap), now)
FROM clock, led, unnest(tstzmultirange(tstzrange(first, now)) - spans) AS gap
WHERE first <= now AND upper(gap) - lower(gap) > trust
  AND gap && tstzrange(%(start)s::timestamptz, %(until)s::timestamptz, '[]')
ORDER BY upper(gap) - lower(gap) DESC
LIMIT %(limit)s
"""
MOST = 100


class Absence(NamedTuple):
    """`until` is None while it lasts."""

    start: datetime
    until: datetime | None


def absences(start: datetime, until: datetime, *, limit: int = MOST) -> list[Absence]:
    """Whole spans without a leader that reach into [start, until], the longest first. One query."""
    params = {"start": start, "until": until, "trust": settings.LEADER_TRUST_WINDOW, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_ABSENCES, params)
        return [Absence(*row) for row in cursor.fetchall()]
