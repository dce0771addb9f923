"""The product under gunicorn, with the configuration that it is deployed with, for tests that need a socket."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings


@contextmanager
def served(database_url: str, directory: Path, **environment: str) -> Iterator[int]:
    """Its port on loopback; one worker process."""
    log = directory / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", "-w", "1", "scheduler_saas.wsgi"],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": database_url,
                "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.test",
                **environment,
            },
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(log.read_text())
        yield int(found[1])
    finally:
        process.terminate()
        process.wait(30)
