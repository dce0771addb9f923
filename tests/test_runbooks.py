"""Who has read a runbook: services, the operators' pages and the command say the same, and an edit asks again."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as product
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.test import Client

from apps.operations import runbooks
from apps.operations.models import Acknowledgement
from apps.operations.runbook_pages import as_html
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, User
from apps.tenants.services import Refused

pytestmark = pytest.mark.django_db
LIST = "/admin/runbooks/"
PAGE = "/admin/runbooks/no_leader/"


@pytest.fixture
def directory(tmp_path: Path, settings: Any) -> Path:
    """Three documents of this release, to edit."""
    for name in ("README", "no_leader", "late", "queue_old"):
        shutil.copy(Path(product.RUNBOOKS_DIRECTORY) / f"{name}.md", tmp_path)
    settings.RUNBOOKS_DIRECTORY = tmp_path
    return tmp_path


def edit(directory: Path, slug: str, line: str = "One more line.") -> None:
    with (directory / f"{slug}.md").open("a", encoding="utf-8") as document:
        document.write(f"{line}\n")


def read(slug: str, actor: str = "erin") -> None:
    runbooks.acknowledge(slug=slug, sha256=runbooks.document(slug).sha256, actor=actor)


def book(slug: str) -> runbooks.Runbook:
    (found,) = [each for each in runbooks.runbooks() if each.slug == slug]
    return found


# -- the record --------------------------------------------------------------------------------------------------------


def test_every_document_but_the_index_wants_to_be_read(directory: Path) -> None:
    assert runbooks.unacknowledged() == ["late", "no_leader", "queue_old"]
    (directory / "alert_thresholds.md").write_text("Without a heading.\n", encoding="utf-8")
    assert runbooks.unacknowledged() == ["alert_thresholds", "late", "no_leader", "queue_old"]
    assert [book(slug).title for slug in ("alert_thresholds", "no_leader")] == [
        "alert_thresholds",
        "No leader",
    ]


def test_an_acknowledgement_is_of_the_very_bytes(directory: Path) -> None:
    content = (directory / "late.md").read_bytes()
    read("late")
    read("late", actor="frank")
    found = book("late")
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert (found.current, found.state, found.acknowledged_by) == (True, "acknowledged", "frank")
    assert runbooks.unacknowledged() == ["no_leader", "queue_old"]
    (directory / "late.md").write_bytes(content.replace(b"\n", b"\r\n"))
    assert (book("late").current, book("late").state) == (False, "changed since")
    assert book("late").acknowledged_by == "frank"
    (directory / "late.md").write_bytes(content)
    assert book("late").current


def test_who_read_the_text_of_now_is_named_and_not_who_read_a_later_one(directory: Path) -> None:
    content = (directory / "late.md").read_bytes()
    read("late", actor="erin")
    edit(directory, "late")
    read("late", actor="frank")
    assert book("late").acknowledged_by == "frank"
    (directory / "late.md").write_bytes(content)
    assert book("late").acknowledged_by == "erin"
    assert [row.actor for row in runbooks.history("late")] == ["frank", "erin"]


def test_a_text_that_changed_meanwhile_or_is_none_is_refused(directory: Path) -> None:
    seen = runbooks.document("late").sha256
    edit(directory, "late")
    with pytest.raises(Refused, match="has changed since you opened it"):
        runbooks.acknowledge(slug="late", sha256=seen, actor="erin")
    for slug in ("README", "nothing", "../operations", "..", ""):
        with pytest.raises(Refused, match="There is no runbook"):
            runbooks.acknowledge(slug=slug, sha256=seen, actor="erin")
    with pytest.raises(Refused, match="limited to 200"):
        read("late", actor="x" * 201)
    assert runbooks.history("late") == []


def test_each_is_audited_with_its_text(directory: Path) -> None:
    read("late")
    with all_tenants_scope():
        entry = AuditEntry.objects.get(action="runbook.acknowledge")
    assert (entry.actor, entry.object_type, entry.object_id, entry.tenant_id) == (
        "erin",
        "runbook",
        "late",
        None,
    )
    assert entry.data == {"before": {}, "after": {"sha256": runbooks.document("late").sha256}}


def test_a_release_without_runbooks_has_none_acknowledged(directory: Path, settings: Any) -> None:
    settings.RUNBOOKS_DIRECTORY = directory / "not there"
    for ask in (runbooks.unacknowledged, runbooks.runbooks):
        with pytest.raises(Refused, match="lacks docs/runbooks"):
            ask()


def test_nobody_changes_or_deletes_one_and_tenants_see_none(directory: Path, acme: Any) -> None:
    read("late")
    with all_tenants_scope():
        assert Acknowledgement.objects.update(actor="mallory") == 0
        assert Acknowledgement.objects.all().delete()[0] == 0
        assert Acknowledgement.objects.get().actor == "erin"
    with tenant_scope(acme):
        assert not Acknowledgement.objects.exists()
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            Acknowledgement.objects.create(document="late", sha256="0" * 64, actor="mallory")


# -- the pages ---------------------------------------------------------------------------------------------------------


def test_the_list_says_how_each_stands(directory: Path, browser: Client) -> None:
    read("late")
    read("queue_old")
    edit(directory, "queue_old")
    answer = browser.get(LIST)
    assert answer.status_code == 200
    rows = {row[1]: row for row in answer.context["table"]["rows"]}
    assert list(rows) == ["no_leader", "queue_old", "late"], "what waits comes first"
    assert [rows[slug][3] for slug in rows] == ["-", "erin", "erin"]
    page = answer.content.decode()
    assert "2 of 3 wait for somebody to read them" in page
    for state in ("never acknowledged", "changed since", "acknowledged"):
        assert state in page


def test_reading_one_and_saying_so(directory: Path, browser: Client) -> None:
    page = browser.get(PAGE)
    shown = page.content.decode()
    assert "<h2>Symptom</h2>" in shown
    assert "$ manage.py leadership status" in shown
    assert page.context["sha256"] in shown
    answer = browser.post(PAGE, {"sha256": page.context["sha256"]}, follow=True)
    assert answer.redirect_chain == [(LIST, 302)]
    assert "You have acknowledged “No leader”." in answer.content.decode()
    found = book("no_leader")
    assert (found.acknowledged_by, found.current) == ("olga (operator)", True)
    again = browser.get(PAGE).content.decode()
    assert "olga (operator)" in again
    assert "this text" in again


def test_a_page_that_is_outdated_is_refused_with_a_sentence(directory: Path, browser: Client) -> None:
    seen = browser.get(PAGE).context["sha256"]
    edit(directory, "no_leader", "And this, too.")
    answer = browser.post(PAGE, {"sha256": seen}, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "has changed since you opened it" in answer.content.decode()
    assert "And this, too." in answer.content.decode()
    assert runbooks.unacknowledged() == ["late", "no_leader", "queue_old"]
    browser.post(PAGE)
    assert not book("no_leader").current


def test_who_may_look_and_who_may_acknowledge(directory: Path) -> None:
    nina = User.objects.create_user("nina", password="correct horse battery", is_staff=True)
    client = Client(headers={"Host": "localhost"})
    client.force_login(nina, backend="django.contrib.auth.backends.ModelBackend")
    sha256 = runbooks.document("no_leader").sha256

    def tried() -> list[int]:
        got = [client.get(LIST), client.get(PAGE), client.post(PAGE, {"sha256": sha256})]
        return [answer.status_code for answer in got]

    assert tried() == [403, 403, 403]
    nina.user_permissions.add(Permission.objects.get(codename="view_acknowledgement"))
    assert tried() == [200, 200, 403]
    assert "I have read this" not in client.get(PAGE).content.decode()
    nina.user_permissions.add(Permission.objects.get(codename="add_acknowledgement"))
    assert tried() == [200, 200, 302]
    assert client.put(PAGE).status_code == client.post(LIST).status_code == 405


def test_strangers_and_tenants_hosts_see_nothing(directory: Path, acme: Any, olga: User) -> None:
    for path in (LIST, PAGE):
        assert Client(headers={"Host": "localhost"}).get(path)["Location"].startswith("/admin/login/")
        tenants = Client(headers={"Host": "acme.localhost"})
        tenants.force_login(olga, backend="django.contrib.auth.backends.ModelBackend")
        assert tenants.get(path).status_code == 404


@pytest.mark.parametrize("slug", ["nothing", "README", "..%2foperations", "late.md"])
def test_what_is_no_runbook_is_not_found(slug: str, directory: Path, browser: Client) -> None:
    assert browser.get(f"{LIST}{slug}/").status_code == 404
    assert browser.post(f"{LIST}{slug}/", {"sha256": ""}).status_code == 404


def test_a_deployment_without_them_says_so(directory: Path, settings: Any, browser: Client) -> None:
    settings.RUNBOOKS_DIRECTORY = directory / "not there"
    answer = browser.get(LIST)
    assert answer.status_code == 200
    assert "lacks docs/runbooks" in answer.content.decode()


def test_a_text_is_shown_and_runs_nothing() -> None:
    html = as_html(
        "# Title\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) [late](late.md) [out](https://example.com)\n\n"
        "<!-- for a generator -->\n| a | b |\n| --- | --- |\n| 1 | <b>2</b> |\n"
    )
    assert "<script" not in html
    assert "<b>" not in html
    assert 'href="javascript' not in html
    assert "generator" not in html
    assert "Title" not in html, "the page has it as its own heading"
    assert '<a href="../late/">' in html
    assert '<a href="https://example.com">' in html
    assert "<td>1</td>" in html


# -- the command -------------------------------------------------------------------------------------------------------


def command(capsys: Any, *arguments: str) -> str:
    capsys.readouterr()
    call_command("runbooks", *arguments)
    return str(capsys.readouterr().out)


def test_the_command_lists_and_acknowledges(directory: Path, capsys: Any) -> None:
    assert "3 of 3 wait to be read" in command(capsys)
    with pytest.raises(SystemExit) as left:
        call_command("runbooks", "list", "--check")
    assert left.value.code == 1
    assert command(capsys, "acknowledge", "late", "--actor", "erin") == "Acknowledged: late.\n"
    assert "no_leader, queue_old" in command(capsys, "acknowledge", "--all", "--actor", "erin")
    assert "nothing was left" in command(capsys, "acknowledge", "--all", "--actor", "erin")
    assert "All are acknowledged." in command(capsys, "list", "--check")
    edit(directory, "late")
    listed = json.loads(command(capsys, "list", "--json"))
    assert listed["acknowledged"] == []
    states = {each["slug"]: (each["current"], each["acknowledged_by"]) for each in listed["runbooks"]}
    assert states == {"late": (False, "erin"), "no_leader": (True, "erin"), "queue_old": (True, "erin")}
    done = json.loads(command(capsys, "acknowledge", "--all", "--actor", "erin", "--json"))
    assert done["acknowledged"] == ["late"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["acknowledge", "--actor", "erin"], "Name one runbook"),
        (["acknowledge", "late", "--all", "--actor", "erin"], "Name one runbook"),
        (["acknowledge", "late"], "Say with --actor"),
        (["acknowledge", "late", "--actor", " "], "Say with --actor"),
        (["acknowledge", "nothing", "--actor", "erin"], "There is no runbook 'nothing'"),
    ],
)
def test_the_command_refuses_with_a_sentence(directory: Path, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("runbooks", *arguments)
