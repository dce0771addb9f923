"""A note on an endpoint that is gone names the content that it was asked with: an edit since then is not to blame."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0009_retention")]

    operations = [
        migrations.RemoveField(model_name="outcomenote", name="gone"),
        migrations.AddField(
            model_name="outcomenote", name="gone_version", field=models.IntegerField(null=True)
        ),
    ]
