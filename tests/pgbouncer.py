"""Debian's PgBouncer on loopback, by a configuration of the test's own, as an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from apps.tenants import machine
from tests.clusters import free_port, home

WORDS = {"dbname": "dbname", "host": "host", "port": "port", "user": "user", "password": "password"}


def program() -> str | None:
    return shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")


@contextmanager
def pgbouncer(mode: str, **settings: str) -> Iterator[str]:
    """The URL of a pooler before the tests' own database, which is of the same name there."""
    params = machine.connection_kwargs()
    target = " ".join(f"{word}={params[key]}" for key, word in WORDS.items() if params.get(key))
    port = free_port()
    with home() as directory:
        user = _user(str(params.get("host") or ""))
        lines = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": mode,
            "logfile": str(directory / "log"),
            **settings,
        }
        own = "\n".join(f"{name} = {value}" for name, value in lines.items())
        (directory / "ini").write_text(f"[databases]\n{params['dbname']} = {target}\n[pgbouncer]\n{own}\n")
        identity: dict[str, Any] = {}
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        found = program()
        assert found is not None
        process = subprocess.Popen(
            [found, "-q", str(directory / "ini")], stderr=subprocess.DEVNULL, **identity
        )
        try:
            url = f"postgresql://{params['user']}@127.0.0.1:{port}/{params['dbname']}"
            _wait(url, process, directory / "log")
            yield url
        finally:
            process.kill()
            process.wait(10)


def _user(host: str) -> pwd.struct_passwd | None:
    """For root, whoever owns the server's socket, which may be for that user alone; it does not run as root."""
    if os.geteuid() != 0:
        return None
    if host.startswith("/"):
        return pwd.getpwuid(Path(host).stat().st_uid)
    return pwd.getpwnam("nobody")


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            said = log.read_text() if log.exists() else ""
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.02)
