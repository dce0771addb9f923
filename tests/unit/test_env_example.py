"""`.env.example` names what the settings read, and nothing that nobody reads."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.same_on_every_postgres

PROJECT = Path(__file__).resolve().parents[2]
READERS = ["scheduler_saas/settings/*.py", "scheduler_saas/embedded/*.py", "gunicorn.conf.py"]
READ = re.compile(r"""\b(?:env(?:\.\w+)?\(\s*|environ\.get\(\s*|environ\[)["']([A-Z_]+)["']""")
DOCUMENTED = re.compile(r"^#?([A-Z_]+)=", re.MULTILINE)
INTERPOLATED = re.compile(r"\$\{([A-Z_]+)")


def test_variables_are_documented_and_read() -> None:
    read = {
        name for glob in READERS for path in PROJECT.glob(glob) for name in READ.findall(path.read_text())
    }
    interpolated = set(INTERPOLATED.findall((PROJECT / "compose.yaml").read_text()))
    documented = set(DOCUMENTED.findall((PROJECT / ".env.example").read_text()))
    assert read > {"DATABASE_URL", "WORKER_CONCURRENCY", "EMBEDDED_POSTGRES_BIN", "WEB_THREADS"}
    assert documented == read | interpolated
