"""Postgres for a checkout without one: started on the first connection while DATABASE_URL is unset.

- Several processes may ask at once; one starts the server, under a lock, and all get the same one.
- The server outlives the process that started it, however that one dies. It inherits a locked file, and whether
  that lock is held is the only thing asked to learn if it lives: no pid to be reused, no list to go stale.
- Every process using it holds a shared lock that the kernel drops at its death, so `stop()` knows of other users.
- The application's role is a plain one, as row security needs. Only the owner of the files reaches the socket.

The variables are read here and not in the settings, because `make clean` runs this without them:
EMBEDDED_POSTGRES_DATA (directory, default var/) and EMBEDDED_POSTGRES_BIN (other binaries, with their own data).
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from scheduler_saas.embedded_site import EmbeddedPostgresError, Site, site_from_environment

ROLE = DATABASE = "scheduler"
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


class _Process:
    """What this process knows and holds."""

    guard = threading.RLock()
    site: Site | None = None
    in_use: int | None = None  # descriptor of the shared lock
    started = False


def is_configured() -> bool:
    """True when the embedded server is the database: DATABASE_URL is unset or empty."""
    return not os.environ.get("DATABASE_URL")


def connection_settings() -> dict[str, str]:
    """HOST, PORT, USER, PASSWORD and NAME as in `DATABASES`; starts the server unless it runs.

    Cheap when called again. Raises EmbeddedPostgresError when DATABASE_URL is set, or the server cannot be had.
    """
    if not is_configured():
        raise EmbeddedPostgresError("DATABASE_URL is set: the embedded Postgres is not used")
    with _Process.guard:
        if _Process.site is None or not _is_alive(_Process.site):
            _Process.site = site_from_environment()
            _join(_Process.site)
        return {
            "HOST": str(_Process.site.socket),
            "PORT": PORT,
            "USER": ROLE,
            "PASSWORD": "",
            "NAME": DATABASE,
        }


def database_url(name: str = DATABASE) -> str:
    """The server as a DATABASE_URL, for a child process that shall use the database `name`."""
    host = connection_settings()["HOST"]
    return f"postgresql://{ROLE}@/{name}?{urlencode({'host': host, 'port': PORT})}"


def started_here() -> bool:
    """True when this very process started the server."""
    return _Process.started


def stop(*, force: bool = False) -> bool:
    """Stop the server unless another process uses it (`force`: even then). Returns whether it is down now."""
    with _Process.guard:
        site = _Process.site or site_from_environment()
        with _locked(site.home / "lock"):
            if not force and not _is_unused(site):
                return False
            _stop(site.home)
        _leave()
        return True


def remove() -> None:
    """Stop every server of this checkout, whatever its version, and delete what it kept."""
    with _Process.guard:
        site = _Process.site or site_from_environment()
        _leave()
        for root in {site.root, site.home.parent}:
            for home in root.glob("postgres-*"):
                with _locked(home / "lock"):
                    _stop(home)
                    shutil.rmtree(home)
        with suppress(FileNotFoundError):
            shutil.rmtree(site.socket)
        if site.home.parent != site.root:
            shutil.rmtree(site.home.parent)


def _join(site: Site) -> None:
    with _locked(site.home / "lock"):
        admin = _connect_or_start(site)
        with admin:
            _create_role_and_database(admin)
        if _Process.in_use is None:
            _Process.in_use = _open(site.home / "users.lock")
        fcntl.flock(_Process.in_use, fcntl.LOCK_SH)


def _leave() -> None:
    if _Process.in_use is not None:
        os.close(_Process.in_use)
    _Process.site, _Process.in_use, _Process.started = None, None, False


def _connect_or_start(site: Site) -> psycopg.Connection[Any]:
    deadline = time.monotonic() + START_WITHIN
    while True:
        try:
            return psycopg.connect(
                host=str(site.socket), port=PORT, user=ADMIN, dbname=ADMIN, autocommit=True
            )
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"the embedded Postgres does not answer: {error}") from error
        life = _open(site.home / "server.lock")
        try:
            fcntl.flock(life, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # it lives, but starts, recovers or stops just now
            time.sleep(0.05)
        else:
            _start(site, life)
        finally:
            os.close(life)


def _start(site: Site, life: int) -> None:
    """`life` is the locked file that the server inherits; nobody else holds it, so no server runs on this data."""
    data, log = site.home / "data", site.home / "server.log"
    if not (data / "PG_VERSION").exists():
        _initialise(site, data)
    # What a crash or a reboot left: Postgres would refuse to start if the pid in it belonged to anyone by now.
    (data / "postmaster.pid").unlink(missing_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.old"))
    options = {**SERVER_SETTINGS, "unix_socket_directories": str(site.socket)}
    arguments = shlex.join(f"--{name}={value}" for name, value in options.items())
    _run(
        "pg_ctl",
        ["start", "-w", f"-t{START_WITHIN:.0f}", "-D", data, "-l", log, "-o", arguments],
        site,
        life=life,
    )
    _Process.started = True


def _initialise(site: Site, data: Path) -> None:
    # Renamed when whole: being killed half-way leaves no half a cluster.
    partial = data.with_name("data.partial")
    if partial.exists():
        shutil.rmtree(partial)
    locale = ["--locale=C.UTF-8"]
    if site.major >= 17:  # its own, the same wherever it runs
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    _run("initdb", ["--auth=trust", "--encoding=UTF8", "-U", ADMIN, *locale, "-D", partial], site)
    partial.rename(data)


def _run(program: str, arguments: Sequence[str | Path], site: Site, *, life: int | None = None) -> None:
    # A file takes the messages, not a pipe: the server would keep that open for as long as it runs.
    with (site.home / f"{program}.log").open("w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            [site.bin / program, *arguments],
            **site.as_server(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=() if life is None else (life,),
        )
        if done.returncode != 0:
            output.seek(0)
            raise EmbeddedPostgresError(f"{program} failed (see {site.home}): {output.read()[-2000:]}")


def _create_role_and_database(admin: psycopg.Connection[Any]) -> None:
    if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone() is None:
        # CREATEDB is for the tests. Neither superuser nor BYPASSRLS: both would see through row security.
        admin.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS")
    if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
        admin.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")


def _is_alive(site: Site) -> bool:
    try:
        life = _open(site.home / "server.lock")
    except OSError:
        return False
    try:
        fcntl.flock(life, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(life)
    return False


def _is_unused(site: Site) -> bool:
    if _Process.in_use is not None:
        users, own = _Process.in_use, None
    else:
        users = own = _open(site.home / "users.lock")
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if own is None:  # a refused conversion has dropped the lock we had
            fcntl.flock(users, fcntl.LOCK_SH)
        return False
    finally:
        if own is not None:
            os.close(own)
    return True


def _stop(home: Path) -> None:
    """Ask for a fast shutdown, then for an immediate one; return when no process of the server is left."""
    life = _open(home / "server.lock")
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


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _main(arguments: list[str]) -> None:
    """`python -m scheduler_saas.embedded start|stop|remove|url`, as the Makefile uses it."""
    match arguments:
        case ["start"]:
            connection_settings()
        case ["url"]:
            print(database_url())
        case ["stop"]:
            stop(force=True)
        case ["remove"]:
            remove()
        case _:
            raise SystemExit("usage: python -m scheduler_saas.embedded start|stop|remove|url")


if __name__ == "__main__":
    import sys

    try:
        _main(sys.argv[1:])
    except EmbeddedPostgresError as problem:
        raise SystemExit(str(problem)) from None
