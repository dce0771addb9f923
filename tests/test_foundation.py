import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_session_tenants(acme, bravo, cast, other_cast):
    call_command("check", databases=["default"], fail_level="WARNING")


def test_live(live_db, acme):
    assert live_db.startswith("postgres://")
