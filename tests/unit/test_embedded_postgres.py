"""The embedded server, with real processes, on a private data directory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from scheduler_saas import embedded
from scheduler_saas.embedded.site import PROJECT, Site

# Every process joins, reports the server it sees, and lives on as a user of it until its standard input closes.
JOIN = """
import sys, psycopg
from scheduler_saas import embedded
with psycopg.connect(embedded.database_url()) as session:
    started, = session.execute("SELECT pg_postmaster_start_time()::text").fetchone()
print(started, embedded.started_here(), sep="|", flush=True)
sys.stdin.read()
"""
Joiner = subprocess.Popen[str]


class Checkout:
    """A private data directory, and processes that use it."""

    def __init__(self, data: Path) -> None:
        self.environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "TMPDIR"}}
        self.environment["EMBEDDED_POSTGRES_DATA"] = str(data)
        self.joined: list[Joiner] = []

    def join(self) -> Joiner:
        process = subprocess.Popen(
            [sys.executable, "-c", JOIN],
            cwd=PROJECT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.joined.append(process)
        return process

    def command(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "scheduler_saas.embedded", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()


def report_of(process: Joiner) -> tuple[str, bool]:
    """(start time of the server, whether this process started it)"""
    assert process.stdout is not None
    started, here = process.stdout.readline().strip().split("|")
    return started, here == "True"


def leave(process: Joiner) -> None:
    process.communicate()
    assert process.returncode == 0


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path / "data")
    yield made
    for process in made.joined:
        process.kill()
        process.communicate()
    made.command("remove")


@pytest.fixture
def in_process(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's own use of `embedded`, pointed at the private directory and back."""
    monkeypatch.setattr(embedded._Process, "site", None)
    monkeypatch.setattr(embedded._Process, "in_use", None)
    monkeypatch.setattr(embedded._Process, "started", False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("EMBEDDED_POSTGRES_DATA", checkout.environment["EMBEDDED_POSTGRES_DATA"])


def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def test_processes_starting_at_once_share_one_server(checkout: Checkout) -> None:
    reports = [report_of(process) for process in [checkout.join() for _ in range(5)]]
    assert len({started for started, _ in reports}) == 1
    assert sum(here for _, here in reports) == 1


def test_server_outlives_the_kill_of_its_starter_and_knows_its_users(
    checkout: Checkout, in_process: None
) -> None:
    starter = checkout.join()
    started, here = report_of(starter)
    assert here
    starter.send_signal(signal.SIGKILL)
    starter.wait()

    user = checkout.join()
    assert report_of(user) == (started, False)
    assert not embedded.stop(), "stopped under another process's feet"
    with psycopg.connect(embedded.database_url()) as session:
        session.execute("SELECT 1")
    leave(user)
    assert embedded.stop(), "the dead starter still counts as a user"

    assert report_of(checkout.join()) > (started, True), "not startable again"


def test_crashed_server_is_started_again_in_spite_of_what_it_left(
    checkout: Checkout, in_process: None
) -> None:
    home = Path(embedded.connection_settings()["HOST"]).parent
    with psycopg.connect(embedded.database_url()) as session:
        session.execute("CREATE TABLE kept AS SELECT 1 AS one")
    postmaster = home / "data" / "postmaster.pid"
    os.kill(int(postmaster.read_text().split()[0]), signal.SIGKILL)
    site = embedded._Process.site
    assert site is not None
    until(lambda: not embedded.server.is_alive(site))
    # The worst case of a stale file: its pid is somebody else's by now, here that of this very process.
    postmaster.write_text(
        postmaster.read_text().replace(postmaster.read_text().split()[0], str(os.getpid()), 1)
    )

    with psycopg.connect(embedded.database_url()) as session:
        assert session.execute("SELECT one FROM kept").fetchone() == (1,)
    assert embedded.stop()


def test_role_is_plain_and_owns_its_database(checkout: Checkout, in_process: None) -> None:
    with psycopg.connect(embedded.database_url()) as session:
        assert session.execute(
            "SELECT rolname, rolcanlogin, rolcreatedb, rolsuper, rolbypassrls, rolcreaterole"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone() == ("scheduler", True, True, False, False, False)
        assert session.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        ).fetchone() == ("scheduler",)
        settings = "SELECT current_setting('listen_addresses'), current_setting('fsync'), current_setting('TimeZone')"
        assert session.execute(settings).fetchone() == ("", "on", "UTC")
    assert embedded.stop()


def test_deep_directory_gets_a_short_socket(checkout: Checkout, tmp_path: Path) -> None:
    checkout.environment["EMBEDDED_POSTGRES_DATA"] = str(tmp_path.joinpath("data", *["deep directory"] * 12))
    started, here = report_of(checkout.join())
    assert (bool(started), here) == (True, True)


def test_with_a_database_url_nothing_is_touched(
    checkout: Checkout, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/scheduler")
    assert not embedded.is_configured()
    with pytest.raises(embedded.EmbeddedPostgresError, match="DATABASE_URL is set"):
        embedded.connection_settings()
    assert not Path(checkout.environment["EMBEDDED_POSTGRES_DATA"]).exists()


def test_binaries_that_do_not_run_are_named(tmp_path: Path) -> None:
    site = Site(root=tmp_path, original_bin=tmp_path / "nowhere")
    with pytest.raises(embedded.EmbeddedPostgresError, match="nowhere/postgres does not run"):
        _ = site.major


def test_private_directory_stays_private(checkout: Checkout, in_process: None, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    os.environ["EMBEDDED_POSTGRES_DATA"] = str(private)  # undone by the fixture's monkeypatch
    home = Path(embedded.connection_settings()["HOST"]).parent
    # Root's server runs as another user, who cannot come here; anybody else's runs as themselves.
    assert home.is_relative_to(private) == (os.geteuid() != 0)
    assert home.stat().st_uid != 0
    assert private.stat().st_mode & 0o777 == 0o700
    embedded.remove()
    assert not home.exists()
