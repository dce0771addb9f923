"""Matrix B: the system checks refuse a database on which isolation would not hold."""

from django.core.checks import Critical
from django.db import connection

from scheduler_saas import checks


def _messages() -> list[str]:
    return [f"{message.id}" for message in checks.isolation_holds(databases=["default"])]


def test_the_database_as_migrated_passes_the_checks(db):
    assert _messages() == []


def test_a_shared_table_or_partition_without_row_security_is_refused(db):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE forgotten (id int, tenant_id bigint)")
        assert _messages() == ["scheduler.E002"]
        cursor.execute("ALTER TABLE forgotten ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        assert _messages() == ["scheduler.E004"]
        cursor.execute("DROP TABLE forgotten")
        cursor.execute(
            "CREATE TABLE late PARTITION OF executions_attempt FOR VALUES FROM ('1999-01-01') TO ('1999-01-02')"
        )
        assert _messages() == ["scheduler.E002"]
        cursor.execute("ALTER TABLE late ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        assert _messages() == []
        cursor.execute("CREATE POLICY open ON late USING (true)")
        assert _messages() == ["scheduler.E003"]


def test_a_role_that_row_security_does_not_bind_is_refused(db):
    for attributes in ((True, False), (False, True)):
        found = checks._of_role("postgres", *attributes)
        assert [message.id for message in found] == ["scheduler.E001"]
        assert isinstance(found[0], Critical)
    assert checks._of_role("scheduler", False, False) == []
