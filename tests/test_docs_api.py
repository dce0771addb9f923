"""docs/api.md, run: every shell block in order, in one bash, against a server, a scheduler and a worker that it starts.

The one thing that is not as on the page is the port, for somebody else may be using it. An answer shown under a block
has to be a part of what the block printed last: the same keys and types, at every depth.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings

pytestmark = pytest.mark.same_on_every_postgres

PAGE = Path(settings.BASE_DIR) / "docs" / "api.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_END = "end of block"
_FAILED = "----- failed -----"


class Block(NamedTuple):
    """`shown`: the answer that the page gives under the commands, or None."""

    line: int
    commands: str
    shown: Any


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        language, body = match.groups()
        if language == "sh":
            found.append(Block(text[: match.start()].count("\n") + 2, body, None))
        elif language == "json":
            assert text[: match.start()].endswith("```\n"), f"{body} shows the answer of no block"
            found[-1] = found[-1]._replace(shown=json.loads(body))
        else:
            raise AssertionError(f"a block in {language}, which nothing checks")
    return found


def last_answer(printed: str) -> Any:
    """The last of the JSON objects that a block printed one after the other."""
    decoder, answer, at = json.JSONDecoder(), None, 0
    while (at := printed.find("{", at)) >= 0:
        answer, at = decoder.raw_decode(printed, at)
    return answer


def differences(shown: Any, real: Any, path: str = "") -> Iterator[str]:
    """What `shown` says that is not so. Null agrees with anything: a value may be there or not yet."""
    if isinstance(shown, dict) and isinstance(real, dict):
        for name, value in shown.items():
            if name not in real:
                yield f"{path}.{name} is not there"
            else:
                yield from differences(value, real[name], f"{path}.{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        if shown and not real:
            yield f"{path} is empty"
        for value in shown[:1]:
            yield from differences(value, real[0] if real else value, f"{path}[0]")
    elif shown is not None and real is not None and type(shown) is not type(real):
        yield f"{path} is {real!r}"


@pytest.fixture
def shell(live_db: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A bash in an empty directory beside a `manage.py`, whose background processes end with it."""
    missing = [name for name in ("bash", "curl") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"the page is for people with {' and '.join(missing)}: install it to run this test")
    (tmp_path / "manage.py").symlink_to(Path(settings.BASE_DIR) / "manage.py")
    environment = {
        **os.environ,
        "DATABASE_URL": live_db,
        "DJANGO_SETTINGS_MODULE": "scheduler_saas.settings.dev",
        "PYTHONPATH": str(settings.BASE_DIR),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "LOG_LEVEL": "WARNING",
        "no_proxy": "*",
    }
    with (tmp_path / "processes.log").open("wb") as log:
        bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            yield bash
        finally:
            os.killpg(bash.pid, signal.SIGKILL)
            bash.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def printed_by(bash: subprocess.Popen[str], commands: str) -> str:
    """What `commands` print. Fails where one of them does."""
    assert bash.stdin is not None
    assert bash.stdout is not None
    bash.stdin.write(f"{commands}\necho; echo {_END}\n")
    bash.stdin.flush()
    lines: list[str] = []
    for line in bash.stdout:
        if line.rstrip("\n") == _END:
            return "".join(lines)
        if line.rstrip("\n") == _FAILED:  # what runs in the background holds the output open
            break
        lines.append(line)
    raise AssertionError(f"failed:\n{commands}\n{''.join(lines)}")


def test_the_page_is_true(shell: subprocess.Popen[str], tmp_path: Path) -> None:
    port = str(free_port())
    printed_by(
        shell, f"set -eo pipefail; trap 'echo; echo {_FAILED}' EXIT; export EGRESS_ALLOWED_PORTS={port}"
    )
    wrong = []
    for block in blocks(PAGE.read_text()):
        try:
            printed = printed_by(shell, block.commands.replace("8080", port))
        except AssertionError as error:
            log = (tmp_path / "processes.log").read_text()
            raise AssertionError(f"line {block.line}: {error}\n{log[-3000:]}") from None
        if block.shown is not None:
            answer = last_answer(printed)
            wrong += [f"line {block.line}: {text}: {answer}" for text in differences(block.shown, answer)]
    assert not wrong, "\n".join(wrong)


def test_answers_that_are_not_so_are_found() -> None:
    real = {"a": 1, "b": [{"c": "x", "d": None}], "e": []}
    for agreed in ({}, {"a": 2}, {"b": [{"c": "y"}]}, {"b": [{"d": "later"}]}, {"b": []}, {"a": None}):
        assert not list(differences(agreed, real)), agreed
    for not_so in ({"z": 1}, {"a": "1"}, {"b": [{"z": 1}]}, {"b": {}}, {"e": [1]}, {"b": [{"c": 3}]}):
        assert list(differences(not_so, real)), not_so
    assert last_answer('noise\n{"a": {"b": 1}}\n{"c": 2}\n') == {"c": 2}
    with pytest.raises(AssertionError, match="no block"):
        blocks("```sh\ntrue\n```\ntext\n```json\n{}\n```\n")
