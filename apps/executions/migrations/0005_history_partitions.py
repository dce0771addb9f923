"""What an import of another system's history needs: partitions for days long past, and where a row came from."""

from django.db import migrations, models

# A month that is past as a whole, and of whose days none has a partition, gets one for all of them; other days one each.
# "Past" is before yesterday, for which `executions_create_partitions` may still make one. Attached rather than made in
# place: that does not lock the parent against writers. The default partition is locked, and only until the commit; days
# whose rows already lie there are left there. Two callers take turns.
HISTORY = """
CREATE OR REPLACE FUNCTION executions_attach_partition(parent text, suffix text, first_day date, next_day date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    partition text := parent || '_' || suffix;
BEGIN
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition, parent);
    PERFORM executions_secure_partition(partition);
    EXECUTE format(
        'ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
        parent, partition, first_day::timestamp AT TIME ZONE 'UTC', next_day::timestamp AT TIME ZONE 'UTC');
    RETURN true;
EXCEPTION WHEN check_violation THEN
    RETURN false;
END $$;

CREATE OR REPLACE FUNCTION executions_missing_days(parent text, days date[]) RETURNS SETOF date LANGUAGE sql AS $$
    SELECT DISTINCT day
    FROM unnest(days) AS day
    WHERE to_regclass('public.' || parent || '_' || to_char(day, 'YYYYMM')) IS NULL
      AND to_regclass('public.' || parent || '_' || to_char(day, 'YYYYMMDD')) IS NULL
    ORDER BY day
$$;

CREATE OR REPLACE FUNCTION executions_create_history_partitions(parent text, days date[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    day date;
    month date;
    next_month date;
    made integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM executions_missing_days(parent, days)) THEN
        RETURN 0;
    END IF;
    EXECUTE format('LOCK TABLE public.%I IN SHARE UPDATE EXCLUSIVE MODE', parent);
    FOR day IN SELECT * FROM unnest(days) AS one ORDER BY one LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM executions_missing_days(parent, ARRAY[day]));
        month := date_trunc('month', day)::date;
        next_month := (month + interval '1 month')::date;
        IF next_month < (clock_timestamp() AT TIME ZONE 'UTC')::date
           AND NOT EXISTS (
               SELECT FROM generate_series(month, next_month - 1, interval '1 day') AS other
               WHERE to_regclass('public.' || parent || '_' || to_char(other, 'YYYYMMDD')) IS NOT NULL
           )
           AND executions_attach_partition(parent, to_char(month, 'YYYYMM'), month, next_month)
        THEN
            made := made + 1;
        ELSIF executions_attach_partition(parent, to_char(day, 'YYYYMMDD'), day, day + 1) THEN
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
"""

DROP_HISTORY = """
DROP FUNCTION executions_create_history_partitions(text, date[]);
DROP FUNCTION executions_missing_days(text, date[]);
DROP FUNCTION executions_attach_partition(text, text, date, date);
"""

# A longer export of the same system repeats what an earlier one brought.
SOURCE = "ALTER TABLE executions_executionlog ADD COLUMN IF NOT EXISTS source_id varchar(200)"
ONE_PER_SOURCE = """
CREATE UNIQUE INDEX IF NOT EXISTS executionlog_one_per_source ON executions_executionlog (tenant_id, source_id, scheduled_for)
    WHERE source_id IS NOT NULL;
"""

DROP_SOURCE = "ALTER TABLE executions_executionlog DROP COLUMN source_id"
DROP_ONE_PER_SOURCE = "DROP INDEX executionlog_one_per_source"


class Migration(migrations.Migration):
    # The new column locks everybody out, and for a moment only: the index, which takes its time, lets readers in.
    atomic = False
    dependencies = [("executions", "0004_reads")]

    operations = [
        migrations.RunSQL(HISTORY, DROP_HISTORY),
        migrations.RunSQL(SOURCE, DROP_SOURCE),
        migrations.RunSQL(ONE_PER_SOURCE, DROP_ONE_PER_SOURCE),
        migrations.AddField("importrun", "repeated", models.BigIntegerField(db_default=0)),
        migrations.AddField("delta", "imported", models.BooleanField(db_default=False)),
    ]
