"""What retention needs: counts that go down, how long each tenant's ledger is kept, and partitions made and dropped
without a writer that waits. And storage settings of the tables that are rewritten all the time.
"""

from django.db import migrations, models

# When a row of the ledger may go, for each tenant: before midnight (UTC), its plan's days ago. Never where the plan
# keeps it for ever (0 days), nor within so many days after the tenant's last import.
CUTOFFS = """
CREATE FUNCTION executions_cutoffs() RETURNS TABLE (tenant_id bigint, schema_name varchar, retention_days integer, cutoff timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT
        t.id, t.schema_name, p.retention_days,
        CASE
            WHEN p.retention_days = 0 THEN '-infinity'
            WHEN EXISTS (
                SELECT FROM public.executions_importrun AS r
                WHERE r.tenant_id = t.id AND r.updated_at > now() - make_interval(days => p.retention_days)
            ) THEN '-infinity'
            ELSE date_trunc('day', now(), 'UTC') - make_interval(days => p.retention_days)
        END
    FROM public.tenants_tenant AS t
    JOIN public.tenants_plan AS p ON p.id = t.plan_id
$$
"""

# Attached rather than made in place, as for history: that holds up no writer. Only readers of the default partition wait.
CREATE_PARTITIONS = """
CREATE OR REPLACE FUNCTION executions_create_partitions(first_day date, last_day date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    day date;
    made integer := 0;
BEGIN
    FOREACH parent IN ARRAY ARRAY['executions_attempt', 'executions_executionlog', 'executions_executionoutput'] LOOP
        FOR day IN
            SELECT * FROM executions_missing_days(
                parent, ARRAY(SELECT generate_series(first_day, last_day, interval '1 day')::date))
        LOOP
            made := made + executions_attach_partition(parent, to_char(day, 'YYYYMMDD'), day, day + 1)::integer;
        END LOOP;
    END LOOP;
    RETURN made;
END $$
"""

FORMER_CREATE_PARTITIONS = """
CREATE OR REPLACE FUNCTION executions_create_partitions(first_day date, last_day date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    partition text;
    day date;
    made integer := 0;
BEGIN
    FOREACH parent IN ARRAY ARRAY['executions_attempt', 'executions_executionlog', 'executions_executionoutput'] LOOP
        FOR day IN SELECT generate_series(first_day, last_day, interval '1 day')::date LOOP
            partition := parent || '_' || to_char(day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
            BEGIN
                EXECUTE format(
                    'CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
                    partition, parent,
                    day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
                PERFORM executions_secure_partition(partition);
                made := made + 1;
            EXCEPTION WHEN check_violation THEN
                NULL;
            END;
        END LOOP;
    END LOOP;
    RETURN made;
END $$
"""

# The ranges of the ledger's partitions, read from the catalog: days that were made ahead, days and months of imports.
PARTITIONS = """
CREATE FUNCTION executions_partitions(parent text) RETURNS TABLE (partition text, begins timestamptz, ends timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT c.relname::text, bounds[1]::timestamptz, bounds[2]::timestamptz
    FROM pg_catalog.pg_inherits AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL regexp_match(
        pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(.+)''\\) TO \\(''(.+)''\\)') AS bounds
    WHERE i.inhparent = ('public.' || parent)::regclass AND bounds IS NOT NULL
$$
"""

# What lies in a default partition, by day. Asked for by its own name a partition shows nothing, so the parent is asked
# for each range that no other partition holds. An empty file needs no question.
UNPLACED = """
CREATE FUNCTION executions_unplaced(parent text) RETURNS TABLE (day date, n bigint) LANGUAGE plpgsql STABLE AS $$
DECLARE
    gap record;
BEGIN
    IF pg_relation_size(('public.' || parent || '_default')::regclass) = 0 THEN
        RETURN;
    END IF;
    FOR gap IN
        SELECT coalesce(lag(p.ends) OVER (ORDER BY p.begins), '-infinity') AS since, p.begins AS until
        FROM (
            SELECT begins, ends FROM executions_partitions(parent)
            UNION ALL
            SELECT 'infinity', 'infinity'
        ) AS p
    LOOP
        CONTINUE WHEN gap.since >= gap.until;
        RETURN QUERY EXECUTE format(
            'SELECT (scheduled_for AT TIME ZONE ''UTC'')::date, count(*) FROM public.%I'
            ' WHERE scheduled_for >= %L AND scheduled_for < %L GROUP BY 1', parent, gap.since, gap.until);
    END LOOP;
END $$
"""

# Rows of a day that lie in the default partition keep the day from having one of its own. The rows move, the partition is
# attached, and nobody sees the one without the other. Only the tables' owner can look into a partition, and only while it
# is not forced to heed row security: that is so within this transaction alone, under a lock that keeps everybody out.
# Returns the rows moved; -1 and nothing done where there are more than `most`.
PLACE_DAY = """
CREATE FUNCTION executions_place_day(parent text, day date, most integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz := day::timestamp AT TIME ZONE 'UTC';
    until timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
    partition text := parent || '_' || to_char(day, 'YYYYMMDD');
    leftover text := parent || '_default';
    columns text;
    found bigint;
BEGIN
    IF EXISTS (SELECT FROM executions_partitions(parent) AS p WHERE p.begins < until AND p.ends > since) THEN
        RETURN 0;
    END IF;
    EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', leftover);
    EXECUTE format('ALTER TABLE public.%I NO FORCE ROW LEVEL SECURITY', leftover);
    EXECUTE format(
        'SELECT count(*) FROM (SELECT FROM public.%I WHERE scheduled_for >= $1 AND scheduled_for < $2 LIMIT $3) AS one_of',
        leftover) INTO found USING since, until, most::bigint + 1;
    IF found > most THEN
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', leftover);
        RETURN -1;
    END IF;
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_catalog.pg_attribute
    WHERE attrelid = ('public.' || parent)::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition, parent);
    EXECUTE format(
        'WITH moved AS (DELETE FROM public.%I WHERE scheduled_for >= $1 AND scheduled_for < $2 RETURNING %s)'
        ' INSERT INTO public.%I (%s) SELECT %s FROM moved', leftover, columns, partition, columns, columns)
        USING since, until;
    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', leftover);
    PERFORM executions_secure_partition(partition);
    EXECUTE format(
        'ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', parent, partition, since, until);
    RETURN found;
END $$
"""

FUNCTIONS = CUTOFFS + ";" + CREATE_PARTITIONS + ";" + PARTITIONS + ";" + UNPLACED + ";" + PLACE_DAY
DROP_FUNCTIONS = (
    FORMER_CREATE_PARTITIONS
    + """;
DROP FUNCTION executions_place_day(text, date, integer);
DROP FUNCTION executions_unplaced(text);
DROP FUNCTION executions_partitions(text);
DROP FUNCTION executions_cutoffs();
"""
)

# Cells are told how many of them a leader had found; the next fold adds these.
FILL_FIRED = """
INSERT INTO executions_delta (tenant_id, user_key, task_type, status, hour, n, fired)
SELECT
    tenant_id, coalesce(user_id, legacy_user_id::text, ''), task_type, status,
    date_trunc('hour', scheduled_for, 'UTC'), 0, count(*)
FROM executions_executionlog
WHERE kind = 'scheduled' AND epoch IS NOT NULL
GROUP BY 1, 2, 3, 4, 5
"""

# The queue and what is appended for the leader live for a second, so vacuum has to come by as often and must not dawdle.
# Rows that are added to again and again have room beside them, so that a new version stays on its page and touches no
# index (HOT): counters, tallies, totals, charges. A handful of rows rewritten many times a second (totals, charges)
# would else become a page each, of which every reader walks all.
STORAGE = """
ALTER TABLE executions_execution SET (autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 2000);
ALTER TABLE executions_outcomenote SET (autovacuum_vacuum_cost_delay = 0);
ALTER TABLE executions_counter SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE executions_tally SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE executions_tenanttotals SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE executions_usage SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
"""

FORMER_STORAGE = """
ALTER TABLE executions_execution RESET (autovacuum_analyze_scale_factor, autovacuum_analyze_threshold);
ALTER TABLE executions_outcomenote RESET (autovacuum_vacuum_cost_delay);
ALTER TABLE executions_counter RESET (fillfactor, autovacuum_vacuum_scale_factor);
ALTER TABLE executions_tally RESET (fillfactor, autovacuum_vacuum_scale_factor);
ALTER TABLE executions_tenanttotals RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_vacuum_cost_delay);
ALTER TABLE executions_usage RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_vacuum_cost_delay);
"""


class Migration(migrations.Migration):
    dependencies = [("executions", "0008_last_attempts")]

    operations = [
        migrations.AddField("delta", "fired", models.IntegerField(db_default=0)),
        migrations.AddField("delta", "retired", models.BooleanField(db_default=False)),
        migrations.AddField("counter", "fired", models.BigIntegerField(db_default=0)),
        migrations.AddIndex("counter", models.Index(fields=["tenant", "hour"], name="counter_of_tenant")),
        migrations.AddField("tenanttotals", "retired_found", models.BigIntegerField(db_default=0)),
        migrations.AddField("tenanttotals", "retired_executed", models.BigIntegerField(db_default=0)),
        migrations.AddField("tenanttotals", "retired_failed", models.BigIntegerField(db_default=0)),
        migrations.AddField("tenanttotals", "retired_skipped", models.BigIntegerField(db_default=0)),
        migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
        migrations.RunSQL(FILL_FIRED, migrations.RunSQL.noop),
        migrations.RunSQL(STORAGE, FORMER_STORAGE),
    ]
