-- Where a batch of an import is copied to: COPY into a table under row security is refused. Lives with the session.
CREATE TEMP TABLE IF NOT EXISTS import_stage (
    n bigint GENERATED ALWAYS AS IDENTITY,
    source_id text,
    user_id text,
    legacy_user_id bigint,
    task_type text NOT NULL,
    job_name text NOT NULL,
    status text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    execution_time_ms integer,
    error_text text,
    result jsonb,
    created_at timestamptz NOT NULL
) ON COMMIT DELETE ROWS
