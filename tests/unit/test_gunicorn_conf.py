"""What the web server's access log holds."""

from __future__ import annotations

import runpy
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

pytestmark = pytest.mark.same_on_every_postgres
ANSWER = SimpleNamespace(status="200 OK", sent=1, headers=[])


def line_of(path: str) -> str:
    conf = runpy.run_path("gunicorn.conf.py")
    logger: Any = conf["logger_class"](Config())
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": path, "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "::1"}
    atoms = logger.atoms(ANSWER, SimpleNamespace(headers=[]), environ, timedelta(seconds=1))
    text: str = conf["access_log_format"] % logger.atoms_wrapper_class(atoms)
    return text


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/join/a-token.of:mine?x=1", "/join/…"),
        ("/dashboard/new-password/MTI/c1x-0f5e/?x=1", "/dashboard/new-password/MTI/…/?x=1"),
        ("/dashboard/jobs/7/?tab=why", "/dashboard/jobs/7/?tab=why"),
        ("/api/scheduler/jobs/join/", "/api/scheduler/jobs/join/"),
    ],
)
def test_links_that_open_something_are_logged_without_what_opens_it(path: str, logged: str) -> None:
    assert f'"GET {logged} HTTP/1.1"' in line_of(path)


def test_the_server_takes_the_logger() -> None:
    config = Config()
    config.set("logger_class", runpy.run_path("gunicorn.conf.py")["logger_class"])
    assert config.logger_class.__name__ == "TokenlessLogger"
