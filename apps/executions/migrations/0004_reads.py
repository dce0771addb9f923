"""Reading the ledger at any size: an index for each way it is paged, and tallies for its exact counts.

A page of several statuses or forms of a user's id is merged from one ordered scan of each; see
`sql/read_ledger.sql`. A condition on an expression of both id columns would be no index condition: row security lets an
index see leakproof operators only, and the integer's cast to text is none. Rows with the integer alone have an index
apart, which new rows, having the string, never enter.
"""

import django.db.models.deletion
from django.db import migrations, models

from apps.tenants.row_security import protect

# The former ones go last: until then the ledger can be read, for building an index keeps out writers alone.
BUILD = """
CREATE INDEX new_executionlog_of_tenant
    ON executions_executionlog (tenant_id, status, scheduled_for DESC, id DESC);
CREATE INDEX new_executionlog_of_user
    ON executions_executionlog (tenant_id, user_id, status, scheduled_for DESC, id DESC) WHERE user_id IS NOT NULL;
CREATE INDEX new_executionlog_of_legacy_user
    ON executions_executionlog (tenant_id, legacy_user_id, status, scheduled_for DESC, id DESC) WHERE user_id IS NULL;
CREATE INDEX new_executionlog_of_job
    ON executions_executionlog (job_id, scheduled_for DESC, id DESC) WHERE job_id IS NOT NULL;
"""

SWAP = """
DROP INDEX executionlog_of_tenant, executionlog_of_user, executionlog_of_legacy_user, executionlog_of_job;
ALTER INDEX new_executionlog_of_tenant RENAME TO executionlog_of_tenant;
ALTER INDEX new_executionlog_of_user RENAME TO executionlog_of_user;
ALTER INDEX new_executionlog_of_legacy_user RENAME TO executionlog_of_legacy_user;
ALTER INDEX new_executionlog_of_job RENAME TO executionlog_of_job;
"""

FORMER_INDEXES = """
DROP INDEX executionlog_of_tenant, executionlog_of_user, executionlog_of_legacy_user, executionlog_of_job;
CREATE INDEX executionlog_of_tenant ON executions_executionlog (tenant_id, scheduled_for DESC, id DESC);
CREATE INDEX executionlog_of_job ON executions_executionlog (tenant_id, job_id, scheduled_for DESC);
CREATE INDEX executionlog_of_user ON executions_executionlog (tenant_id, user_id, scheduled_for DESC);
CREATE INDEX executionlog_of_legacy_user ON executions_executionlog (tenant_id, legacy_user_id, scheduled_for DESC)
    WHERE legacy_user_id IS NOT NULL;
"""

# No fold may come between reading the counters and the commit; deltas may.
FILL_TALLIES = """
LOCK TABLE executions_counter IN SHARE MODE;
INSERT INTO executions_tally (tenant_id, user_key, status, n)
SELECT tenant_id, user_key, status, sum(n)
FROM executions_counter
GROUP BY GROUPING SETS ((tenant_id, user_key, status), (tenant_id, status));
"""

# Each count reads the deltas that are not folded yet, and with them whatever vacuum has not come by.
VACUUM_DELTAS = "ALTER TABLE executions_delta SET (autovacuum_vacuum_cost_delay = 0)"


class Migration(migrations.Migration):
    dependencies = [("executions", "0003_imports")]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("user_key", models.CharField(max_length=200, null=True)),
                ("status", models.CharField(max_length=10)),
                ("n", models.BigIntegerField()),
                (
                    "tenant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "tallies",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "user_key", "status"), name="tally_cell", nulls_distinct=False
                    )
                ],
            },
        ),
        protect("executions_tally"),
        migrations.RunSQL(BUILD, migrations.RunSQL.noop),
        migrations.RunSQL(FILL_TALLIES, migrations.RunSQL.noop),
        migrations.RunSQL(SWAP, FORMER_INDEXES),
        migrations.RunSQL(VACUUM_DELTAS, "ALTER TABLE executions_delta RESET (autovacuum_vacuum_cost_delay)"),
    ]
