"""The queue's clock, for whoever enqueues in a tenant's scope: the first place that waits is mostly another tenant's.

Of all those rows it tells one number. The settings last as long as the function does; an error ends the transaction and
with it what was set.
"""

from django.db import migrations

CLOCK = """
CREATE FUNCTION executions_queue_clock() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    scope text := coalesce(current_setting('scheduler.all_tenants', true), 'off');
    first bigint;
BEGIN
    PERFORM set_config('scheduler.all_tenants', 'on', true);
    SELECT rank INTO first
    FROM public.executions_execution
    WHERE state = 'pending' AND rank IS NOT NULL
    ORDER BY rank LIMIT 1;
    PERFORM set_config('scheduler.all_tenants', scope, true);
    RETURN first - 1;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("executions", "0012_one_index")]

    operations = [migrations.RunSQL(CLOCK, "DROP FUNCTION executions_queue_clock()")]
