"""The server process: made, started, asked whether it lives, stopped.

It inherits a locked file, `server.lock`, as do all its backends. Whether that lock is held is the only thing asked
to learn if it lives: there is no pid to be reused, and no list of processes to go stale.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from scheduler_saas.embedded.locks import open_lock
from scheduler_saas.embedded.site import SOCKET_NAME, EmbeddedPostgresError, Site

PORT = "5432"
ADMIN = "postgres"
START_WITHIN = 90.0
STOP_WITHIN = 30.0
LOG_BYTES = 16 * 1024 * 1024
#: Sized for a small machine that also runs everything else; durability as in production.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "max_locks_per_transaction": "256",  # a schema a tenant, a partition a day
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m[%p]%a:",
}


def connect_or_start(site: Site) -> tuple[psycopg.Connection[Any], bool]:
    """A superuser's session, and whether the server had to be started for it.

    The caller holds the lock that lets one process at a time do this.

    Raises EmbeddedPostgresError when the server does not start, or not answer within START_WITHIN seconds.
    """
    deadline = time.monotonic() + START_WITHIN
    started = False
    address = f"user={ADMIN} dbname={ADMIN}"
    while True:
        try:
            return psycopg.connect(address, host=str(site.socket), port=PORT, autocommit=True), started
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"the embedded Postgres does not answer: {error}") from error
        life = open_lock(site.home / "server.lock")
        try:
            fcntl.flock(life, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # it lives, but starts, recovers or stops just now
            time.sleep(0.05)
        else:
            _start(site, life)
            started = True
        finally:
            os.close(life)


def _start(site: Site, life: int) -> None:
    """`life` is the locked file that the server inherits; nobody else holds it, so nothing runs on this data."""
    data, log = site.home / "data", site.home / "server.log"
    if not (data / "PG_VERSION").exists():
        _initialise(site, data, life)
    # What a crash or a reboot left: Postgres would refuse to start if the pid in them belonged to anyone by now.
    for stale in (data / "postmaster.pid", site.socket / f"{SOCKET_NAME}.lock"):
        stale.unlink(missing_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.old"))
    options = {**SERVER_SETTINGS, "unix_socket_directories": str(site.socket)}
    arguments = shlex.join(f"--{name}={value}" for name, value in options.items())
    wait = f"--timeout={START_WITHIN:.0f}"
    _run("pg_ctl", ["start", "-w", wait, "-D", data, "-l", log, "-o", arguments], site, life)


def _initialise(site: Site, data: Path, life: int) -> None:
    # Renamed when whole: being killed half-way leaves no half a cluster.
    partial = data.with_name("data.partial")
    if partial.exists():
        shutil.rmtree(partial)
    locale = ["--locale=C.UTF-8"]
    if site.major >= 17:  # its own, the same wherever it runs
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    _run("initdb", ["--auth=trust", "--encoding=UTF8", "-U", ADMIN, *locale, "-D", partial], site, life)
    partial.rename(data)


def _run(program: str, arguments: Sequence[str | Path], site: Site, life: int) -> None:
    # initdb inherits the lock too: should we die meanwhile, the next one waits for it to end.
    # A file takes the messages, not a pipe: the server would keep that open for as long as it runs.
    with (site.home / f"{program}.log").open("w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            [site.bin / program, *arguments],
            **site.as_server(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(life,),
        )
        if done.returncode != 0:
            output.seek(0)
            raise EmbeddedPostgresError(f"{program} failed (see {site.home}): {output.read()[-2000:]}")


def is_alive(site: Site) -> bool:
    """Whether any process of the server is left; a file's lock, no connection, so cheap."""
    try:
        life = open_lock(site.home / "server.lock")
    except OSError:
        return False
    try:
        fcntl.flock(life, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(life)
    return False


def stop(home: Path) -> None:
    """Ask for a fast shutdown, then for an immediate one; return when no process of the server is left."""
    life = open_lock(home / "server.lock")
    try:
        for ask in (signal.SIGINT, signal.SIGQUIT):
            deadline = time.monotonic() + STOP_WITHIN
            asked = False
            while time.monotonic() < deadline:
                with suppress(BlockingIOError):
                    fcntl.flock(life, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                if not asked:  # the lock is held, so the pid in the file is the server's
                    with suppress(OSError, ValueError, IndexError):
                        os.kill(int((home / "data" / "postmaster.pid").read_text().split()[0]), ask)
                        asked = True
                time.sleep(0.02)
        raise EmbeddedPostgresError(f"the server in {home} does not stop")
    finally:
        os.close(life)
