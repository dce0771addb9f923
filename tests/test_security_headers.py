"""What a browser is told, on every host and by every kind of answer; and production's settings by `check --deploy`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from tests.contract.client import MemberClient
from tests.isolation.callers import BASE

pytestmark = pytest.mark.same_on_every_postgres

STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
}


def policy(response: Any) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in response["Content-Security-Policy"].split(";"))
    return {name: values for name, _, values in parts}


def answers(cast: Any) -> dict[str, Any]:
    """One of each kind on a tenant's host and on the API host."""
    member, stranger = MemberClient(cast.alice), Client(headers={"Host": cast.host})
    return {
        "a list": member.get("jobs"),
        "created": member.send("POST", "jobs/preview", {"trigger": {"type": "manual"}}),
        "no key": stranger.get(BASE + "jobs"),
        "nothing there": member.get("nothing"),
        "no such path": stranger.get("/"),
        "a bad request": member.send("POST", "jobs", []),
        "unknown host": Client(headers={"Host": "nowhere.localhost"}).get(BASE + "jobs"),
        "the API host": MemberClient(cast.alice, host="api.localhost").get("jobs"),
        "the API host without a key": Client(headers={"Host": "api.localhost"}).get(BASE + "jobs"),
        "a probe": stranger.get("/healthz"),
    }


def test_tenants_hosts_have_the_strict_policy_whatever_they_answer(db: None, cast: Any) -> None:
    for kind, response in answers(cast).items():
        assert policy(response) == STRICT, kind
        assert response["X-Content-Type-Options"] == "nosniff", kind
        assert response["Referrer-Policy"] == "same-origin", kind
        assert response["Cross-Origin-Opener-Policy"] == "same-origin", kind
        assert "camera=()" in response["Permissions-Policy"], kind
        assert "Server" not in response, kind
        assert "X-Powered-By" not in response, kind


def test_nothing_of_the_api_is_kept_in_a_cache(db: None, cast: Any) -> None:
    for kind, response in answers(cast).items():
        if kind not in ("no such path", "a probe"):
            assert response["Cache-Control"] == "no-store", kind
    assert MemberClient(cast.alice).get("jobs")["X-Frame-Options"] == "DENY"


def test_the_operators_policy_is_theirs_alone(db: None, browser: Client) -> None:
    found = policy(browser.get("/admin/"))
    assert found["script-src"] == "'self' 'unsafe-inline' 'unsafe-eval'"
    assert found["default-src"] == "'none'"
    assert found["frame-ancestors"] == "'none'"
    assert "http" not in " ".join(found.values()), "nothing is loaded from elsewhere"
    assert policy(Client(headers={"Host": "acme.localhost"}).get("/admin/"))["script-src"] == "'self'"


def test_the_session_cookie_is_for_the_browser_alone(db: None, olga: Any) -> None:
    client = Client(headers={"Host": "localhost"})
    client.post("/admin/login/", {"username": "olga", "password": "correct horse battery"})
    for cookie in (client.cookies["sessionid"], client.cookies["csrftoken"]):
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert not cookie["domain"]


# -- production --------------------------------------------------------------------------------------------------------

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.prod",
    "SECRET_KEY": "".join(chr(33 + n) for n in range(60)),
    "VAULT_KEYS": "a key for this test",
    "DATABASE_URL": "postgres://scheduler@127.0.0.1:9/none",  # not connected to
    "PUBLIC_HOSTS": "admin.example.com",
}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=django_settings.BASE_DIR,
        env={**os.environ, **PRODUCTION, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_djangos_deployment_checks_find_nothing() -> None:
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
    careless = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", SECURE_HSTS_SECONDS="0")
    assert careless.returncode != 0, "the check does look"


@pytest.mark.parametrize("name", ["SECRET_KEY", "VAULT_KEYS", "DATABASE_URL"])
def test_production_does_not_start_without_its_secrets(name: str) -> None:
    done = run("manage.py", "check", **{name: ""})
    assert done.returncode != 0
    assert name in done.stderr


_ASK = """
import json, sys
from django.test.client import Client
from scheduler_saas.wsgi import application
from django.conf import settings
settings.ALLOWED_HOSTS = ["*"]
plain = Client(headers={"Host": "admin.example.com"}).get("/admin/login/")
client = Client(headers={"Host": "admin.example.com", "X-Forwarded-Proto": "https"})
probe = client.get("/healthz")
print(json.dumps({
    "plain": [plain.status_code, plain.get("Location")],
    "hsts": probe["Strict-Transport-Security"],
    "cookies": [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.SESSION_COOKIE_SECURE,
                settings.CSRF_COOKIE_SECURE, settings.SESSION_COOKIE_PATH, settings.SESSION_COOKIE_DOMAIN],
    "csp": probe["Content-Security-Policy"],
}))
"""


def test_production_speaks_tls_alone_and_says_so_for_a_year() -> None:
    done = run("-c", _ASK)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["plain"] == [301, "https://admin.example.com/admin/login/"]
    assert said["hsts"] == "max-age=31536000; includeSubDomains"
    assert said["cookies"] == ["__Host-sessionid", "__Host-csrftoken", True, True, "/", None]
    assert "default-src 'none'" in said["csp"]
