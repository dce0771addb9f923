"""The limit on open files, in processes of their own: what is lowered for one cannot be raised again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.same_on_every_postgres

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = """
import resource, sys
from scheduler_saas.descriptors import TooFewDescriptors, allow_connections
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    allow_connections(wanted)
except TooFewDescriptors as error:
    print(error)
else:
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def said(soft: int, hard: int, wanted: int) -> str:
    arguments = [sys.executable, "-c", SCRIPT, *map(str, (soft, hard, wanted))]
    return subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def test_the_soft_limit_is_raised_to_what_the_system_grants() -> None:
    assert said(256, 1024, 800) == "1024 1024"


def test_too_low_a_limit_is_refused_with_what_to_do() -> None:
    assert said(256, 1024, 5000) == (
        "5000 executions at once may take 5200 open files, and the system allows 1024:"
        " raise the limit (ulimit -Hn, LimitNOFILE) or lower WORKER_CONCURRENCY"
    )
