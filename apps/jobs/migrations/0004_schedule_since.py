"""When a job's schedule took effect, on the job: the journal, which knew it until now, may be emptied."""

import django.db.models.functions.datetime
from django.db import migrations, models

# The journal is read once: by job it has no index.
FROM_JOURNAL = """
UPDATE jobs_job AS job SET schedule_since = greatest(job.created_at, said.at)
FROM jobs_job AS same
LEFT JOIN (
    SELECT tenant_id, job_id, max(event_date) AS at FROM leadership_schedulerevent
    WHERE event_type = 'job_scheduled'
    GROUP BY tenant_id, job_id
) AS said ON said.tenant_id = same.tenant_id AND said.job_id = same.id
WHERE same.id = job.id
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_platform_jobs"), ("leadership", "0002_row_security")]

    operations = [
        migrations.AddField(
            "job",
            "schedule_since",
            models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.RunSQL(FROM_JOURNAL, migrations.RunSQL.noop),
    ]
