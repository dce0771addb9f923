"""The commits that matter, in the order in which they were made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.history import Commit, Session

# Notifications are delivered in commit order, since Postgres holds one lock from queueing them to the commit.
_TRIGGERS = """
CREATE OR REPLACE FUNCTION chaos_term() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('chaos', json_build_array(
        CASE TG_OP WHEN 'INSERT' THEN 'opened' ELSE 'ended' END, NEW.epoch)::text);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION chaos_dispatched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('chaos', json_build_array('dispatched', made.epoch, count(*), min(made.id))::text)
    FROM made GROUP BY made.epoch;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_opened AFTER INSERT ON leadership_leaderterm FOR EACH ROW EXECUTE FUNCTION chaos_term();
CREATE TRIGGER chaos_ended AFTER UPDATE ON leadership_leaderterm FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION chaos_term();
CREATE TRIGGER chaos_dispatched AFTER INSERT ON executions_execution REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_dispatched();
"""
_NO_TRIGGERS = """
DROP FUNCTION IF EXISTS chaos_term CASCADE;
DROP FUNCTION IF EXISTS chaos_dispatched CASCADE;
"""


class Recorder:
    """Listens from before the first process starts; `commits` grows while someone calls `listen`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.commits: list[Commit] = []

    def listen(self, seconds: float) -> None:
        for note in self.session.notifies(timeout=seconds):
            what, epoch, *_ = json.loads(note.payload)
            self.commits.append(Commit(what, epoch))


@contextmanager
def recording(session: Session) -> Iterator[Recorder]:
    session.execute(_NO_TRIGGERS + _TRIGGERS)
    session.execute("LISTEN chaos")
    try:
        yield Recorder(session)
    finally:
        session.execute(_NO_TRIGGERS)
