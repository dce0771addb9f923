"""The result of a row of the test matrix as a file, `<directory>/<row>.json`, and the commit that it is a result of.

Written by the tests' plugin and by `own_command`, which may not need Django.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple


class Checkout(NamedTuple):
    """`commit` is "" outside a checkout; `clean`: nothing in it differs from that commit, and no file is beside it."""

    commit: str
    clean: bool


@dataclass(frozen=True, slots=True)
class Result:
    """How a run of a row ended. `complete`: all of its tests were run. A command of its own counts as one test."""

    row: str
    commit: str
    clean_tree: bool
    complete: bool
    passed: int
    failed: int
    skipped: int
    seconds: float
    postgres: str  # "" where there was none
    ran_at: datetime

    @property
    def tests(self) -> int:
        return self.passed + self.failed + self.skipped


class NotAResult(ValueError):
    """The file does not hold the result of a row."""


def checkout(root: Path) -> Checkout:
    """What is checked out at `root`."""
    if not (root / ".git").exists():
        return Checkout("", False)
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return Checkout(commit, not _git(root, "status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return Checkout("", False)


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],  # noqa: S607 - of the PATH, as in a shell
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def write(directory: Path, result: Result) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{result.row}.json"
    text = json.dumps({**asdict(result), "ran_at": result.ran_at.isoformat()}, indent=2) + "\n"
    scratch = path.with_suffix(".new")
    scratch.write_text(text)
    scratch.replace(path)
    return path


def read(path: Path) -> Result:
    """Raises NotAResult, and OSError where there is no such file."""
    try:
        said = json.loads(path.read_text())
        if any(not isinstance(said[name], kind) for name, kind in _KINDS.items()) or min(_counts(said)) < 0:
            raise TypeError("a value is of another kind")
        return Result(**{**said, "ran_at": datetime.fromisoformat(said["ran_at"]).astimezone(UTC)})
    except (ValueError, TypeError, LookupError) as error:
        raise NotAResult(f"{path} is not the result of a row of the matrix.") from error


_KINDS = {
    **dict.fromkeys(("row", "commit", "postgres", "ran_at"), str),
    **dict.fromkeys(("clean_tree", "complete"), bool),
    **dict.fromkeys(("passed", "failed", "skipped"), int),
}


def _counts(said: dict[str, Any]) -> list[float]:
    return [float(said[name]) for name in ("passed", "failed", "skipped", "seconds")]
