from django.db import migrations

from apps.tenants.row_security import protect


class Migration(migrations.Migration):
    dependencies = [("leadership", "0001_initial"), ("tenants", "0002_row_security")]

    operations = [protect("leadership_schedulerevent")]
