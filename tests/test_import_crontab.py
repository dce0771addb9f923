"""manage.py import_crontab: all of a file or nothing, and the same file twice changes nothing."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from apps.jobs import services
from apps.jobs.models import Job
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Plan
from apps.vault.services import content_get, tenant_endpoint_set

pytestmark = [pytest.mark.django_db, pytest.mark.same_on_every_postgres]
GOOD = """\
# what the server ran
SHELL=/bin/sh
CRON_TZ=Europe/Berlin
30 2 * * *   app   /srv/bin/report --all
@daily       app   mail -s "hi" alice%Dear Alice%goodbye
@reboot      root  /srv/bin/warm-up
"""
Run = Callable[..., str]


@pytest.fixture
def endpoint(acme: Any) -> None:
    tenant_endpoint_set(tenant=acme, url="https://hooks.example.com/cron", actor="tests")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Import a text as a file; what the command printed."""

    def run(text: str | bytes, *options: str) -> str:
        file = tmp_path / "crontab"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        out = StringIO()
        call_command("import_crontab", str(file), "--tenant=acme", *options, stdout=out)
        return out.getvalue()

    return run


def jobs(tenant: Any) -> list[Job]:
    with tenant_scope(tenant):
        return list(Job.objects.filter(deleted_at=None).order_by("id"))


@pytest.mark.usefixtures("endpoint")
def test_each_line_becomes_a_job_that_delivers_its_command(run: Run, acme: Any) -> None:
    out = run(GOOD, "--user-column")
    assert "2 created, 0 updated, 0 unchanged" in out
    assert "line 6: @reboot runs when a machine starts" in out
    report, mail = jobs(acme)
    assert (report.name, report.target, report.task_type) == (
        "/srv/bin/report --all",
        "http_request",
        "crontab",
    )
    assert (report.cron_expression, report.timezone) == ("30 2 * * *", "Europe/Berlin")
    assert (report.user_id, report.legacy_user_id) == (None, None)
    with tenant_scope(acme):
        assert content_get(job_id=report.id, version=1) == {
            "method": "POST",
            "json": {
                "command": "/srv/bin/report --all",
                "stdin": None,
                "environment": {"SHELL": "/bin/sh"},
                "user": "app",
                "schedule": "30 2 * * *",
                "timezone": "Europe/Berlin",
                "line": 4,
            },
        }
        mailed = content_get(job_id=mail.id, version=1)["json"]
        assert (mailed["command"], mailed["stdin"]) == ('mail -s "hi" alice', "Dear Alice\ngoodbye\n")
        assert AuditEntry.objects.filter(action="job.create", actor="import_crontab").count() == 2


@pytest.mark.usefixtures("endpoint")
def test_twice_changes_nothing_even_where_lines_have_moved(run: Run, acme: Any) -> None:
    run(GOOD, "--user-column")
    before = [(job.id, job.version) for job in jobs(acme)]
    assert "0 created, 0 updated, 2 unchanged" in run(GOOD, "--user-column")
    assert "0 created, 0 updated, 2 unchanged" in run(f"# one line more\n{GOOD}", "--user-column")
    assert [(job.id, job.version) for job in jobs(acme)] == before


@pytest.mark.usefixtures("endpoint")
def test_another_environment_is_followed_and_what_people_changed_is_kept(run: Run, acme: Any) -> None:
    run(GOOD, "--user-column")
    report = jobs(acme)[0]
    changes = {"cron_expression": "0 4 * * *", "name": "the report", "priority": 7}
    services.job_update(tenant=acme, job_id=report.id, changes=changes, actor="alice")
    services.job_pause(tenant=acme, job_id=report.id, actor="alice")
    out = run(GOOD.replace("/bin/sh", "/bin/bash"), "--user-column")
    assert "0 created, 2 updated, 0 unchanged" in out
    report = jobs(acme)[0]
    assert (report.cron_expression, report.name, report.priority) == ("0 4 * * *", "the report", 7)
    assert report.switch == "paused"
    with tenant_scope(acme):
        content = content_get(job_id=report.id, version=report.content_version)
    assert content["json"]["environment"] == {"SHELL": "/bin/bash"}


@pytest.mark.usefixtures("endpoint")
def test_bad_lines_are_named_and_nothing_is_half_imported(run: Run, acme: Any) -> None:
    text = "* * * * * /bin/good\n0 0 30 2 * /bin/never\n61 * * * * /bin/bad\n* * * * *\n@fortnightly /bin/x\n"
    with pytest.raises(CommandError) as caught:
        run(text)
    said = str(caught.value)
    assert "Nothing was imported." in said
    for line in (2, 3, 4, 5):
        assert f"line {line}: " in said
    assert "line 1: " not in said
    assert jobs(acme) == []


@pytest.mark.usefixtures("endpoint")
def test_what_the_plan_refuses_is_named_too(run: Run, acme: Any) -> None:
    with all_tenants_scope():
        Plan.objects.filter(pk=acme.plan_id).update(min_interval_seconds=3600)
    with pytest.raises(CommandError, match=r"line 2: .*your plan allows at most every hour"):
        run("0 3 * * * /bin/good\n* * * * * /bin/often\n")
    with all_tenants_scope():
        Plan.objects.filter(pk=acme.plan_id).update(min_interval_seconds=1, max_jobs=2)
    with pytest.raises(CommandError, match=r"line 3: Your plan allows 2 jobs") as caught:
        run("".join(f"{minute} 3 * * * /bin/x\n" for minute in range(5)))
    assert str(caught.value).count("Your plan allows") == 1
    assert jobs(acme) == []


@pytest.mark.usefixtures("endpoint")
def test_a_dry_run_says_and_does_not(run: Run, acme: Any) -> None:
    out = run(GOOD, "--user-column", "--dry-run")
    assert "created: line 4: 30 2 * * * /srv/bin/report --all" in out
    assert "2 created, 0 updated, 0 unchanged (dry run: nothing was changed)" in out
    assert jobs(acme) == []
    with tenant_scope(acme):
        assert not AuditEntry.objects.filter(action="job.create").exists()


@pytest.mark.usefixtures("endpoint")
def test_jobs_of_a_member_who_imports(run: Run, acme: Any, cast: Any) -> None:
    run("0 3 * * * /bin/x\n", f"--actor={cast.bob.user_id}")
    assert jobs(acme)[0].user_id == cast.bob.user_id


def test_without_an_endpoint(run: Run, acme: Any) -> None:
    with pytest.raises(CommandError, match="The tenant has no endpoint to deliver the commands to"):
        run(GOOD, "--user-column")
    assert jobs(acme) == []


@pytest.mark.usefixtures("endpoint")
def test_files_that_are_none(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not UTF-8 text"):
        run(b"* * * * * /bin/\xff\n")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_crontab", str(tmp_path / "none"), "--tenant=acme")
    with pytest.raises(CommandError, match="There is no tenant"):
        call_command("import_crontab", str(tmp_path / "none"), "--tenant=zulu")
    with pytest.raises(CommandError, match="There is no time zone"):
        run(GOOD, "--user-column", "--timezone=Mars/Olympus")


@pytest.mark.usefixtures("endpoint")
def test_the_example_that_ships_with_the_product(acme: Any) -> None:
    example = Path(settings.BASE_DIR) / "docs" / "examples" / "system-crontab"
    out = StringIO()
    call_command("import_crontab", str(example), "--tenant=acme", "--user-column", stdout=out)
    assert len(jobs(acme)) > 20
    call_command("import_crontab", str(example), "--tenant=acme", "--user-column", stdout=out)
    assert f"0 created, 0 updated, {len(jobs(acme))} unchanged" in out.getvalue()
