"""Where an export goes: a directory or a zip file, for its owner's eyes alone, under its name only when it is whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

MANIFEST = "manifest.json"


class File:
    """Takes lines, and knows how many and which there were."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._hash = stream, hashlib.sha256()
        self.rows = self.size = 0

    def line(self, text: str) -> None:
        data = text.encode() + b"\n"
        self._stream.write(data)
        self._hash.update(data)
        self.rows += 1
        self.size += len(data)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class Archive(Protocol):
    def file(self, name: str) -> AbstractContextManager[File]: ...
    def finish(self, manifest: str) -> None: ...


class _Directory:
    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def file(self, name: str) -> Iterator[File]:
        with (self._path / name).open("xb") as stream:
            yield File(stream)

    def finish(self, manifest: str) -> None:
        (self._path / MANIFEST).write_text(manifest + "\n", encoding="utf-8")


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextmanager
    def file(self, name: str) -> Iterator[File]:
        with self._archive.open(name, "w", force_zip64=True) as stream:
            yield File(stream)

    def finish(self, manifest: str) -> None:
        self._archive.writestr(MANIFEST, manifest + "\n")


@contextmanager
def archive_at(out: Path) -> Iterator[Archive]:
    """Writes to `<out>.partial`, which becomes `out` at the end and is removed if there is an error."""
    partial = out.with_name(f"{out.name}.partial")
    try:
        if out.suffix == ".zip":
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with (
                os.fdopen(descriptor, "wb") as stream,
                zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
            ):
                yield _Zip(archive)
        else:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(mode=0o700)
            yield _Directory(partial)
        partial.rename(out)
    except BaseException:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
        raise
