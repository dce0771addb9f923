from django.db import migrations

from apps.tenants.row_security import (
    ALL_TENANTS,
    CURRENT_SCHEMA,
    protect,
    protect_append_only,
)

OWN_TENANT = f"schema_name = {CURRENT_SCHEMA} OR {ALL_TENANTS}"
OWN_PLAN = (
    f"id = (SELECT plan_id FROM public.tenants_tenant WHERE schema_name = {CURRENT_SCHEMA}) OR {ALL_TENANTS}"
)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial"), ("admin", "0003_logentry_add_action_flag_choices")]

    operations = [
        protect("tenants_tenant", using=OWN_TENANT),
        protect("tenants_plan", using=OWN_PLAN),
        protect("tenants_membership"),
        protect("tenants_useridentity"),
        protect_append_only("tenants_auditentry"),
        # The admin's own log names tenants' objects: on-call's alone.
        protect("django_admin_log", using=ALL_TENANTS),
        # A key must not name a member of another tenant; foreign keys see through row security.
        migrations.RunSQL(
            "ALTER TABLE tenants_apikey ADD CONSTRAINT apikey_member_of_tenant FOREIGN KEY (tenant_id, membership_id)"
            " REFERENCES tenants_membership (tenant_id, id) ON DELETE CASCADE",
            "ALTER TABLE tenants_apikey DROP CONSTRAINT apikey_member_of_tenant",
        ),
    ]
