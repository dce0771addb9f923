"""The dashboard's pages as frames: who is let in, what stands in them, and the account's own pages."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend as LocMem
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import get_resolver, reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from apps.dashboard.accounts.passwords import POST_OFFICE
from apps.dashboard.pages import NAVIGATION, PAGES
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.models import AuditEntry, Tenant, User
from tests.contract import records
from tests.contract.fingerprints import fingerprints

pytestmark = [pytest.mark.django_db, pytest.mark.same_on_every_postgres]
PASSWORD = "correct horse battery"
TENANT_URLS = "scheduler_saas.urls_tenant"


class SlowMail(LocMem):
    """A mail server that takes as long as a test wants."""

    may_go = threading.Event()

    def send_messages(self, messages: Any) -> int:
        assert self.may_go.wait(10)
        return super().send_messages(messages)


class NoMail(LocMem):
    def send_messages(self, messages: Any) -> int:
        raise OSError("connection refused")


def path_of(name: str, **kwargs: Any) -> str:
    return reverse(name, TENANT_URLS, kwargs=kwargs)


def frames(job_id: int = 1) -> list[str]:
    """Every page that is for members alone."""
    found = []
    for pattern in get_resolver("apps.dashboard.page_urls").url_patterns:
        if getattr(pattern.callback, "view_class", None).__name__ in ("DashboardPage", "AccountPage"):  # type: ignore[union-attr]
            known = {"job_id": job_id} if "job_id" in pattern.pattern.converters else {}
            found.append(path_of(str(pattern.name), **known))
    assert len(found) == len(PAGES) + 1, "the form has two addresses, every other page one"
    return found


def browser_of(cast: Any, person: Any = None) -> Client:
    client = Client(headers={"Host": cast.host, "Accept": "text/html"})
    if person is not None:
        client.force_login(person.account, backend="django.contrib.auth.backends.ModelBackend")
    return client


def with_password(person: Any) -> User:
    account: User = person.account
    account.set_password(PASSWORD)
    account.email = f"{account.username}@example.com"
    account.save()
    return account


def actions(cast: Any) -> list[str]:
    """What the trail says of accounts."""
    with tenant_scope(cast.tenant):
        of_accounts = AuditEntry.objects.filter(tenant=cast.tenant, object_type="account")
        return list(of_accounts.order_by("id").values_list("action", flat=True))


class TestWhoIsLetIn:
    def test_members_of_every_role(self, cast: Any) -> None:
        for person in (cast.alice, cast.ann, cast.bob, cast.vic):
            browser = browser_of(cast, person)
            for path in frames():
                answer = browser.get(path)
                assert answer.status_code == 200, path
                assert answer["Cache-Control"].startswith("max-age=0, no-cache, no-store"), path

    def test_strangers_are_sent_to_sign_in_and_back(self, cast: Any) -> None:
        for path in frames():
            answer = browser_of(cast).get(path + "?status=failed")
            assert answer.status_code == 302
            assert (
                answer["Location"] == f"/dashboard/sign-in/?next={path.replace('/', '%2F')}%3Fstatus%3Dfailed"
            )

    def test_an_account_of_another_tenant_is_told_that_it_is_no_member(
        self, cast: Any, other_cast: Any
    ) -> None:
        browser = browser_of(cast, other_cast.alice)
        for path in frames():
            answer = browser.get(path)
            assert answer.status_code == 403, path
            assert b"You are no member of" in answer.content
        assert browser.post(path_of("dashboard-account"), {}).status_code == 403

    def test_one_that_was_switched_off_is_a_stranger(self, cast: Any) -> None:
        browser = browser_of(cast, cast.bob)
        User.objects.filter(pk=cast.bob.account_id).update(is_active=False)
        assert browser.get("/dashboard/").status_code == 302

    def test_the_host_alone_leads_there(self, cast: Any) -> None:
        assert browser_of(cast).get("/")["Location"] == "/dashboard/"

    def test_a_frame_holds_nothing_of_what_it_will_show(self, cast: Any) -> None:
        ids = records.small(cast.alice)
        job = ids["job"]
        for path in frames(int(job)):
            answer = browser_of(cast, cast.alice).get(path)
            assert b"hourly" not in answer.content, "a job's name"
            assert b"<script>" not in answer.content
            assert not re.search(rb'\son\w+="', answer.content), "no handler in the markup"
            assert b"style=" not in answer.content

    def test_looking_writes_nothing(self, cast: Any, bravo: Any) -> None:
        browser = browser_of(cast, cast.alice)
        before = fingerprints(cast.tenant, bravo)
        for path in (*frames(), *map(path_of, ("sign-in", "forgotten-password"))):
            browser.get(path)
        assert fingerprints(cast.tenant, bravo) == before

    def test_each_entry_of_the_navigation_marks_its_page(self, cast: Any) -> None:
        browser = browser_of(cast, cast.alice)
        for section, title in NAVIGATION:
            name = "dashboard-page" if section == "overview" else f"dashboard-{section}"
            page = browser.get(path_of(name)).content.decode()
            [current] = re.findall(r'aria-current="page">.*?</svg>\s*([^<]+)<', page, re.DOTALL)
            assert current.strip() == title


class TestSigningIn:
    def sign_in(self, cast: Any, username: str, password: str = PASSWORD, **more: str) -> Any:
        return browser_of(cast).post(path_of("sign-in"), {"username": username, "password": password, **more})

    def test_with_the_password_and_on_to_where_one_was_going(self, cast: Any) -> None:
        account = with_password(cast.bob)
        answer = self.sign_in(cast, account.username, next="/dashboard/executions/?status=failed")
        assert answer["Location"] == "/dashboard/executions/?status=failed"
        assert answer.cookies["sessionid"]["domain"] == ""
        assert actions(cast)[-1] == "session.begin"

    def test_never_to_another_host(self, cast: Any) -> None:
        account = with_password(cast.bob)
        for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
            assert self.sign_in(cast, account.username, next=elsewhere)["Location"] == "/dashboard/"

    def test_nobody_learns_who_is_a_member(self, cast: Any, other_cast: Any) -> None:
        bob, foreign = with_password(cast.bob), with_password(other_cast.bob)
        pages = [
            self.sign_in(cast, bob.username, "wrong"),
            self.sign_in(cast, "nobody", "wrong"),
            self.sign_in(cast, foreign.username, PASSWORD),
        ]
        said = {re.search(r'role="alert">([^<]+)<', page.content.decode())[1] for page in pages}  # type: ignore[index]
        assert said == {"No member here has this name and password. Both may be case-sensitive."}
        assert {page.status_code for page in pages} == {200}

    def test_a_name_beyond_any_account_is_one_more_failure(self, cast: Any) -> None:
        assert self.sign_in(cast, "x" * 400, "wrong").status_code == 200

    def test_too_many_failures_lock_out_and_a_right_password_of_another_tenants_counts(
        self, cast: Any, other_cast: Any
    ) -> None:
        foreign = with_password(other_cast.bob)
        with override_settings(AXES_ENABLED=True, AXES_FAILURE_LIMIT=3):
            for _ in range(3):
                answer = self.sign_in(cast, foreign.username)
        assert answer.status_code == 429
        assert b"Too many failed sign-ins. Wait 10 minutes; until then the right password" in answer.content

    def test_signing_out_takes_a_post(self, cast: Any) -> None:
        browser = browser_of(cast, cast.bob)
        assert browser.get(path_of("sign-out")).status_code == 405
        assert browser.post(path_of("sign-out"))["Location"] == "/dashboard/sign-in/"
        assert browser.get("/dashboard/").status_code == 302

    def test_to_sign_in_is_no_place_to_be_sent_on_to(self, cast: Any) -> None:
        here = path_of("sign-in")
        assert browser_of(cast, cast.bob).get(here, {"next": here})["Location"] == "/dashboard/"
        account = with_password(cast.bob)
        assert self.sign_in(cast, account.username, next=here)["Location"] == "/dashboard/"

    def test_who_is_signed_in_is_sent_on_and_who_is_no_member_is_not(
        self, cast: Any, other_cast: Any
    ) -> None:
        assert browser_of(cast, cast.bob).get(path_of("sign-in"))["Location"] == "/dashboard/"
        assert browser_of(cast, other_cast.bob).get(path_of("sign-in")).status_code == 200


class TestPasswords:
    def link(self) -> str:
        found = re.search(r"https?://[^/]+(/dashboard/new-password/\S+)", str(mail.outbox[-1].body))
        assert found
        return found[1]

    def ask(self, cast: Any, email: str) -> Any:
        answer = browser_of(cast).post(path_of("forgotten-password"), {"email": email})
        POST_OFFICE.submit(int).result()  # what was posted before it has gone out
        return answer

    def test_a_mailed_link_sets_one_once(self, cast: Any) -> None:
        account = with_password(cast.bob)
        assert b"Look into your mail" in self.ask(cast, account.email).content
        assert mail.outbox[-1].to == [account.email]
        link, browser = self.link(), browser_of(cast)
        form = browser.get(link)["Location"]
        chosen = {"new_password1": "a staple for bob", "new_password2": "a staple for bob"}
        assert b"too short" in browser.post(form, {"new_password1": "x", "new_password2": "x"}).content
        assert browser.post(form, chosen)["Location"] == "/dashboard/sign-in/"
        assert b"The new password is set." in browser.get("/dashboard/sign-in/").content
        account.refresh_from_db()
        assert account.check_password("a staple for bob")
        assert b"This link is not valid" in browser_of(cast).get(link).content
        assert actions(cast) == ["password.forgotten", "password.change"]

    def test_the_page_says_the_same_to_everybody_and_mails_members_alone(
        self, cast: Any, other_cast: Any
    ) -> None:
        bob, foreign = with_password(cast.bob), with_password(other_cast.bob)
        pages = {self.ask(cast, email).content for email in ("nobody@example.com", foreign.email)}
        assert mail.outbox == []
        pages |= {self.ask(cast, bob.email).content}
        assert len({re.sub(rb'data-csrf="[^"]+"', b"", page) for page in pages}) == 1
        assert len(mail.outbox) == 1

    def test_nobody_waits_for_the_mail_server(self, cast: Any, settings: Any) -> None:
        """Else the time that the page takes would tell who is a member."""
        account = with_password(cast.bob)
        settings.EMAIL_BACKEND = "tests.test_dashboard_pages.SlowMail"
        SlowMail.may_go.clear()
        try:
            page = browser_of(cast).post(path_of("forgotten-password"), {"email": account.email})
            assert b"Look into your mail" in page.content
            assert mail.outbox == []
        finally:
            SlowMail.may_go.set()
        POST_OFFICE.submit(int).result()
        assert len(mail.outbox) == 1

    def test_a_mail_server_that_fails_is_logged_and_told_nobody(
        self, cast: Any, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        account = with_password(cast.bob)
        settings.EMAIL_BACKEND = "tests.test_dashboard_pages.NoMail"
        assert b"Look into your mail" in self.ask(cast, account.email).content
        assert "Failed to send password reset email" in caplog.text

    def test_operators_are_mailed_none(self, cast: Any) -> None:
        """Their account opens every tenant; the mail of one address is not enough for that."""
        account = with_password(cast.bob)
        link = path_of(
            "new-password",
            uidb64=urlsafe_base64_encode(force_bytes(account.pk)),
            token=default_token_generator.make_token(account),
        )
        User.objects.filter(pk=account.pk).update(is_staff=True)
        assert b"Look into your mail" in self.ask(cast, account.email).content
        assert mail.outbox == []
        assert b"This link is not valid" in browser_of(cast).get(link, follow=True).content

    def test_a_link_is_none_where_its_account_is_no_member(self, cast: Any, other_cast: Any) -> None:
        account = with_password(cast.bob)
        self.ask(cast, account.email)
        assert b"This link is not valid" in browser_of(other_cast).get(self.link(), follow=True).content
        assert actions(other_cast) == []
        assert b"Choose a new password" in browser_of(cast).get(self.link(), follow=True).content

    def test_not_twice_within_minutes(self, cast: Any) -> None:
        account = with_password(cast.bob)
        for _ in range(3):
            self.ask(cast, account.email)
        assert len(mail.outbox) == 1

    def test_a_link_of_this_tenant_says_so_on_its_host(self, cast: Any) -> None:
        account = with_password(cast.bob)
        self.ask(cast, account.email)
        assert f"://{cast.host}/dashboard/new-password/" in str(mail.outbox[-1].body)
        assert cast.tenant.name in mail.outbox[-1].subject

    def test_who_knows_the_old_one_changes_it_and_other_sessions_end(self, cast: Any) -> None:
        account = with_password(cast.bob)
        here, elsewhere = browser_of(cast, cast.bob), browser_of(cast, cast.bob)
        path = path_of("dashboard-account")
        chosen = {"new_password1": "a staple for bob", "new_password2": "a staple for bob"}
        assert (
            b"not the password that you have now" in here.post(path, {"old_password": "x", **chosen}).content
        )
        assert b"The new password is set." in here.post(path, {"old_password": PASSWORD, **chosen}).content
        account.refresh_from_db()
        assert account.check_password("a staple for bob")
        assert here.get("/dashboard/").status_code == 200
        assert elsewhere.get("/dashboard/").status_code == 302
        assert actions(cast) == ["password.change"]

    def test_who_found_a_session_open_cannot_try_many_passwords(self, cast: Any) -> None:
        account, here = with_password(cast.bob), browser_of(cast, cast.bob)
        chosen = {"new_password1": "a staple for bob", "new_password2": "a staple for bob"}
        path = path_of("dashboard-account")
        with override_settings(AXES_ENABLED=True, AXES_FAILURE_LIMIT=3):
            tries = [here.post(path, {"old_password": f"guess {n}", **chosen}).status_code for n in range(3)]
            assert tries == [200, 200, 429]
            assert here.post(path, {"old_password": PASSWORD, **chosen}).status_code == 429
        account.refresh_from_db()
        assert account.check_password(PASSWORD)

    def test_a_token_of_an_account_is_no_token_of_another(self, cast: Any) -> None:
        bob, vic = with_password(cast.bob), with_password(cast.vic)
        uid = urlsafe_base64_encode(force_bytes(vic.pk))
        path = path_of("new-password", uidb64=uid, token=default_token_generator.make_token(bob))
        assert b"This link is not valid" in browser_of(cast).get(path, follow=True).content


def test_sessions_that_have_run_out_are_cleared(cast: Any) -> None:
    """As operators are told to, each day: of a session that nobody uses any more nothing else takes notice."""
    here, gone = browser_of(cast, cast.bob), browser_of(cast, cast.bob)
    Session.objects.filter(pk=gone.session.session_key).update(expire_date=records.now())
    call_command("clearsessions")
    assert list(Session.objects.values_list("pk", flat=True)) == [here.session.session_key]


class TestWhatGoesWrong:
    def test_a_browser_gets_a_page_and_everybody_else_json(self, cast: Any) -> None:
        for path in ("/dashboard/nowhere/", "/nowhere"):
            page, data = browser_of(cast).get(path), Client(headers={"Host": cast.host}).get(path)
            assert (page.status_code, data.status_code) == (404, 404)
            assert b"<h1>Nothing here</h1>" in page.content
            assert "no-store" in page["Cache-Control"], "it holds the token of the reader's forms"
            assert data.json() == {"detail": "There is nothing at this path."}
        assert browser_of(cast).get("/api/scheduler/nowhere").json()["detail"]

    def test_an_unknown_host_and_a_suspended_tenant(self, cast: Any) -> None:
        page = Client(headers={"Host": "nowhere.localhost", "Accept": "text/html"}).get("/")
        assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")
        with all_tenants_scope():
            Tenant.objects.filter(pk=cast.tenant.pk).update(status=Tenant.Status.SUSPENDED)
        page = browser_of(cast).get("/dashboard/")
        assert page.status_code == 403
        assert b"This tenant is suspended." in page.content

    def test_a_form_without_its_token(self, cast: Any) -> None:
        browser = Client(enforce_csrf_checks=True, headers={"Host": cast.host, "Accept": "text/html"})
        answer = browser.post(path_of("sign-in"), {"username": "x", "password": "y"})
        assert answer.status_code == 403
        assert b"The form has expired" in answer.content
