"""The commits that matter, in the order in which they were made. It outlives a crash of the server, as they do."""

from __future__ import annotations

from tests.chaos.history import Commit, Session

# A row is written in the transaction that it tells of, and ordered by that one's commit (track_commit_timestamp). A
# term is closed by whoever waited for its last commit, so the clock tells such commits apart; those of one transaction
# keep the order in which they were written.
_TRIGGERS = """
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
CREATE TRIGGER chaos_opened AFTER INSERT ON leadership_leaderterm FOR EACH ROW EXECUTE FUNCTION chaos_term();
CREATE TRIGGER chaos_ended AFTER UPDATE ON leadership_leaderterm FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION chaos_term();
CREATE TRIGGER chaos_dispatched AFTER INSERT ON executions_execution REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_made('dispatched');
CREATE TRIGGER chaos_skipped AFTER INSERT ON executions_skip REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_made('skipped');
"""
_IN_ORDER = "SELECT what, epoch FROM chaos.commits ORDER BY pg_xact_commit_timestamp(xmin), id"


def record(session: Session) -> None:
    """From now on; for the database's life."""
    session.execute(_TRIGGERS)


def recorded(session: Session) -> list[Commit]:
    return [Commit(*row) for row in session.execute(_IN_ORDER)]
