"""A server of the run's own, that may be crashed: the embedded one in an own directory, durable as in production."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection

from scheduler_saas.embedded import server
from scheduler_saas.embedded.site import SOCKET_NAME, site_from_environment

NAME = "scheduler"
#: The order of commits is read from their times.
SETTINGS = {
    "track_commit_timestamp": "on",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


class OwnServer:
    def __init__(self, root: Path) -> None:
        self._site = replace(site_from_environment(), root=root)
        self.start()

    def start(self) -> None:
        """After a crash, too: it recovers what was committed."""
        settings = dict(server.SERVER_SETTINGS)
        server.SERVER_SETTINGS.update(SETTINGS)
        try:
            admin, _ = server.connect_or_start(self._site)
        finally:
            server.SERVER_SETTINGS.clear()
            server.SERVER_SETTINGS.update(settings)
        with admin:
            if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [NAME]).fetchone() is None:
                # Neither superuser nor BYPASSRLS: both would see through row security.
                admin.execute(f"CREATE ROLE {NAME} LOGIN")
                admin.execute(f"CREATE DATABASE {NAME} OWNER {NAME}")

    def crash(self) -> None:
        """As `pg_ctl stop -m immediate`: every process of it ends at once, nothing is written any more."""
        os.kill(int((self._site.home / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)

    @property
    def alive(self) -> bool:
        return server.is_alive(self._site)

    def stop(self) -> None:
        server.stop(self._site.home)

    def log(self) -> str:
        return (self._site.home / "server.log").read_text(errors="replace")

    def settings(self) -> dict[str, Any]:
        """For Django's connection."""
        return {
            "HOST": str(self._site.socket),
            "PORT": server.PORT,
            "USER": NAME,
            "PASSWORD": "",
            "NAME": NAME,
            "EMBEDDED": False,
        }

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """For the relay."""
        return await asyncio.open_unix_connection(self._site.socket / SOCKET_NAME)


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Migrated and empty; Django's connection is to it meanwhile."""
    root = Path(tempfile.mkdtemp(prefix="chaos-"))
    root.chmod(0o755)  # the server's user has to reach what is in it
    before = dict(connection.settings_dict)
    ground: OwnServer | None = None
    try:
        ground = OwnServer(root)
        connection.close()
        connection.settings_dict.update(ground.settings())
        call_command("migrate", verbosity=0, interactive=False)
        yield ground
    finally:
        connection.close()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)
        if ground is not None:
            ground.stop()
        shutil.rmtree(root)
