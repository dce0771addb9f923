"""The commits that matter, in the order in which they were made: as they are heard of, or, on a server that may crash,
as they are read when all is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.history import Commit, Session

# The functions are called `chaos_term` and `chaos_made`; what they do with a commit is the recorder's affair.
_TRIGGERS = """
CREATE TRIGGER chaos_opened AFTER INSERT ON leadership_leaderterm FOR EACH ROW EXECUTE FUNCTION chaos_term();
CREATE TRIGGER chaos_ended AFTER UPDATE ON leadership_leaderterm FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION chaos_term();
CREATE TRIGGER chaos_dispatched AFTER INSERT ON executions_execution REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_made('dispatched');
CREATE TRIGGER chaos_skipped AFTER INSERT ON executions_skip REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_made('skipped');
"""
_NO_TRIGGERS = """
DROP FUNCTION IF EXISTS chaos_term CASCADE;
DROP FUNCTION IF EXISTS chaos_made CASCADE;
"""
# Notifications are delivered in commit order, since Postgres holds one lock from queueing them to the commit.
_TELLING = """
CREATE FUNCTION chaos_term() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('chaos', json_build_array(
        CASE TG_OP WHEN 'INSERT' THEN 'opened' ELSE 'ended' END, NEW.epoch)::text);
    RETURN NULL;
END $$;
CREATE FUNCTION chaos_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('chaos', json_build_array(TG_ARGV[0], epoch)::text) FROM made GROUP BY epoch;
    RETURN NULL;
END $$;
"""
# A row is written in the transaction that it tells of, and ordered by that one's commit (track_commit_timestamp). A
# term is closed by whoever waited for its last commit, so the clock tells such commits apart; those of one transaction
# keep the order in which they were written.
_KEEPING = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.commits (id bigserial PRIMARY KEY, what text NOT NULL, epoch bigint);
CREATE FUNCTION chaos_term() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.commits (what, epoch)
    VALUES (CASE TG_OP WHEN 'INSERT' THEN 'opened' ELSE 'ended' END, NEW.epoch);
    RETURN NULL;
END $$;
CREATE FUNCTION chaos_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.commits (what, epoch) SELECT DISTINCT TG_ARGV[0], epoch FROM made;
    RETURN NULL;
END $$;
"""
_KEPT = "SELECT what, epoch FROM chaos.commits ORDER BY pg_xact_commit_timestamp(xmin), id"


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
    session.execute(_NO_TRIGGERS + _TELLING + _TRIGGERS)  # type: ignore[arg-type]
    session.execute("LISTEN chaos")
    try:
        yield Recorder(session)
    finally:
        session.execute(_NO_TRIGGERS)


def keep_commits(session: Session) -> None:
    """From now on, for the database's life; by the role that works in it."""
    session.execute(_KEEPING + _TRIGGERS)  # type: ignore[arg-type]


def kept_commits(session: Session) -> list[Commit]:
    return [Commit(*row) for row in session.execute(_KEPT)]
