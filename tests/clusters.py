"""Servers of a test's own: what one test does to its server (fill it up, kill it, promote it) no other test shall meet.

The binaries and the operating-system user are the embedded server's. A server is migrated once for the whole run and
copied from then on.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scheduler_saas.embedded.site import site_from_environment
from tests.replicas import ROOT

ROLE = DATABASE = "scheduler"
SETTINGS = {
    "unix_socket_permissions": "0777",
    "shared_buffers": "32MB",
    "max_locks_per_transaction": "256",
    "timezone": "UTC",
    "fsync": "off",  # these servers are killed, the machine is not
}


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        return int(one.getsockname()[1])


class Cluster:
    """One server, in `home`, on 127.0.0.1 (`listen` for other addresses) and on a socket in `home`."""

    def __init__(self, home: Path, *, listen: str = "127.0.0.1", **settings: str) -> None:
        self.site = site_from_environment()
        self.home, self.data = home, home / "data"
        self.port = free_port()
        self.settings = {**SETTINGS, "listen_addresses": listen, **settings}
        home.mkdir(mode=0o755, exist_ok=True)
        home.chmod(0o755)
        self._give(home)

    @property
    def major(self) -> int:
        return self.site.major

    def url(self, role: str = ROLE, database: str = DATABASE, *, host: str = "127.0.0.1") -> str:
        return f"postgresql://{role}@{host}:{self.port}/{database}"

    def admin(self, database: str = DATABASE) -> psycopg.Connection[tuple[Any, ...]]:
        """A superuser's session."""
        return psycopg.connect(self.url("postgres", database), autocommit=True)

    def initialise(self) -> None:
        self.run(
            "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "postgres", "-D", self.data
        )
        with (self.data / "pg_hba.conf").open("a") as rules:  # from a namespace of the network
            rules.write("host all all 0.0.0.0/0 trust\n")

    def copy(self, data: Path) -> None:
        """The data of a server that is stopped."""
        shutil.copytree(data, self.data)
        for path in (self.data, *self.data.rglob("*")):
            self._give(path)

    def start(self) -> None:
        options = {**self.settings, "port": str(self.port), "unix_socket_directories": str(self.home)}
        words = " ".join(f"--{name}={value}" for name, value in options.items())
        self.run("pg_ctl", "start", "-w", "-D", self.data, "-l", self.home / "log", "-o", words)

    def stop(self, mode: str = "fast") -> None:
        with suppress(subprocess.CalledProcessError):
            self.run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.data)

    def kill(self) -> None:
        """As a power failure would: SIGKILL to every process of it."""
        head = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{head}/task/{head}/children").read_text().split()
        for pid in (head, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(Path(f"/proc/{pid}").exists() for pid in (head, *children)):
            time.sleep(0.01)

    def run(self, program: str, *arguments: str | Path) -> None:
        # A file and not a pipe, which the server would keep open for as long as it runs.
        with (self.home / f"{program}.out").open("w+") as output:
            done = subprocess.run(
                [self.site.bin / program, *arguments], **self.site.as_server(), stdout=output, stderr=output
            )
            if done.returncode:
                output.seek(0)
                raise subprocess.CalledProcessError(done.returncode, program, output.read())

    def _give(self, path: Path) -> None:
        if self.site.user is not None:
            os.chown(path, self.site.user.pw_uid, self.site.user.pw_gid, follow_symlinks=False)


def manage(url: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py ARGUMENTS` on that database, to its end."""
    env = {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def shared_directory(factory: pytest.TempPathFactory) -> Path:
    """The run's own, also where its processes have one each (xdist)."""
    base = factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


def template(shared: Path) -> Path:
    """The data of a migrated server with the tenants acme and bravo; made by whoever asks first. `shared` is a
    directory of this run's, which all of its processes know."""
    with (shared / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        data = shared / "cluster-data"
        if not data.exists():
            with home() as directory:
                made = Cluster(directory)
                _make(made)
                shutil.move(made.data, data)
        return data


def _make(made: Cluster) -> None:
    made.initialise()
    made.start()
    try:
        with made.admin("postgres") as admin:
            admin.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB NOSUPERUSER NOBYPASSRLS")
            admin.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        for arguments in (["migrate", "-v0"], ["create_tenant", "acme"], ["create_tenant", "bravo"]):
            done = manage(made.url(), *arguments)
            assert done.returncode == 0, done.stderr
        with made.admin() as admin:
            admin.execute(
                "UPDATE tenants_plan SET min_interval_seconds = 1, max_concurrency = 0, allowed_tasks = '{*}'"
            )
    finally:
        made.stop()


@contextmanager
def cluster(shared: Path, **settings: str) -> Iterator[Cluster]:
    """A running server of the test's own, from the template."""
    with home() as directory:
        made = Cluster(directory, **settings)
        made.copy(template(shared))
        made.start()
        try:
            yield made
        finally:
            made.stop("immediate")


@contextmanager
def home() -> Iterator[Path]:
    """A directory that the server's user can reach (pytest's own it cannot), removed afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="scheduler-cluster-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
