"""The Postgres of a run: made anew in var/bench, on a port of its own, with the settings that every figure depends on.

The binaries are those of the embedded server (the wheel's, or Debian's with `make bench POSTGRES=15`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from scheduler_saas.embedded.site import PROJECT, Site, site_from_environment

ROLE = "scheduler"
HOME = PROJECT / "var" / "bench"
SETTINGS = {
    "shared_buffers": "512MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "max_locks_per_transaction": "256",  # a schema a tenant, a partition a day
    "timezone": "UTC",
}
SHOWN = ("server_version", *SETTINGS, "max_wal_size", "checkpoint_timeout", "autovacuum", "jit", "work_mem")


@contextmanager
def running_server() -> Iterator[str]:
    """Its URL without a database's name, for a plain role that may create databases. One run at a time."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("Another benchmark is running in this checkout.") from None
        os.set_inheritable(lock.fileno(), False)
        site = replace(site_from_environment(), root=HOME)
        data, port = site.home / "data", _free_port()
        _stop(site, data)  # of a run that was killed
        shutil.rmtree(data, ignore_errors=True)
        _run(
            site,
            "initdb",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-U",
            "postgres",
            "-D",
            data,
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": site.socket,
            **SETTINGS,
        }
        arguments = " ".join(f"-c {name}={value}" for name, value in options.items())
        _run(site, "pg_ctl", "start", "-w", "-D", data, "-l", site.home / "server.log", "-o", arguments)
        try:
            with psycopg.connect(
                f"postgresql://postgres@127.0.0.1:{port}/postgres", autocommit=True
            ) as admin:
                # Neither superuser nor BYPASSRLS: both would see through row security.
                admin.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
            yield f"postgresql://{ROLE}@127.0.0.1:{port}"
        finally:
            _stop(site, data)
            shutil.rmtree(data, ignore_errors=True)


def settings_of(url: str) -> dict[str, str]:
    """What the server says of itself."""
    with psycopg.connect(f"{url}/postgres", autocommit=True) as session:
        return {name: str(session.execute(f"SHOW {name}").fetchone()[0]) for name in SHOWN}  # type: ignore[index]


def _stop(site: Site, data: Path) -> None:
    if (data / "postmaster.pid").exists():
        command = [site.bin / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data]
        subprocess.run(command, **site.as_server(), check=False, capture_output=True)


def _run(site: Site, program: str, *arguments: object) -> None:
    with (HOME / f"{program}.log").open("w+") as log:  # not a pipe: the server would keep it open
        command = [str(site.bin / program), *map(str, arguments)]
        if subprocess.run(command, **site.as_server(), stdout=log, stderr=log, check=False).returncode:
            log.seek(0)
            raise SystemExit(f"{program} failed:\n{log.read()[-2000:]}")


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])
