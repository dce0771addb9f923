"""Every advisory lock has a key of the registry, and a key is for ever.

Read from the source: a lock under a key of its own works in every test, until the day on which it meets another's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.leadership import locks

pytestmark = pytest.mark.same_on_every_postgres

PROJECT = Path(__file__).resolve().parents[2]
REGISTRY = "apps.leadership.locks"
# Add lines; never change one. A scheduler of the release before must meet the same lock.
CLASSES = {"CLASS": 0x5C4E, "TOTALS_CLASS": 0x5C4F, "SCRATCH_CLASS": 0x5C50}
LOCKS = {"LEADER": 1, "PLATFORM_JOBS": 2, "CLAIMS": 3, "ALERTS": 4}

_CALL = re.compile(r"pg_(?:try_)?advisory_\w+\s*\(\s*((?:%\(\w+\)s|[^,()])*)\s*(,?)", re.IGNORECASE)
_LOOK = re.compile(r"\b(?:classid|objid)\s*=\s*(\S+)", re.IGNORECASE)
_SQL_KEY = {"classid": "%(class)s", "objid": "%(id)s"}


def test_values_are_what_they_always_were() -> None:
    classes = {name: value for name, value in vars(locks).items() if name.endswith("CLASS")}
    assert classes == CLASSES
    assert {lock.name: lock.value for lock in locks.Lock} == LOCKS


def test_no_two_uses_share_a_key() -> None:
    assert len(set(CLASSES.values())) == len(CLASSES)
    assert len({lock.value for lock in locks.Lock.__members__.values()}) == len(locks.Lock.__members__)
    assert all(0 < value < 2**31 for value in (*CLASSES.values(), *LOCKS.values())), "two int4 keys"


def sources(suffix: str) -> Iterator[tuple[str, str]]:
    for package in ("apps", "scheduler_saas"):
        for path in sorted((PROJECT / package).rglob(f"*{suffix}")):
            yield str(path.relative_to(PROJECT)), path.read_text(encoding="utf-8")


def test_every_lock_that_is_taken_has_a_key_of_the_registry() -> None:
    found = {path: strays(source) for path, source in sources(".py")}
    found |= {path: strays_of_sql(source) for path, source in sources(".sql")}
    assert {path: stray for path, stray in found.items() if stray} == {}


def test_the_reading_finds_the_locks_that_there_are() -> None:
    """Guards the test above: one that reads nothing would find nothing."""
    with_locks = {
        path for path, source in sources(".py") if "advisory" in source and list(_calls(ast.parse(source)))
    }
    assert with_locks >= {
        "apps/executions/exclusive.py",
        "apps/operations/statements.py",
        "apps/leadership/alone.py",
        "scheduler_saas/demo/database.py",
    }
    assert [path for path, source in sources(".sql") if _CALL.search(source)] == [
        "apps/leadership/sql/try_lock.sql",
        "apps/leadership/sql/unlock.sql",
    ]


@pytest.mark.parametrize(
    "source",
    [
        'cursor.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS, lock])',  # whose CLASS?
        f'from {REGISTRY} import CLASS\nCLASS = 7\ncursor.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS, 1])',
        f'from {REGISTRY} import CLASS\ncursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [0x5C4E, 1])',
        f'from {REGISTRY} import CLASS\ncursor.execute("SELECT pg_advisory_xact_lock(4711)")',
        f'from {REGISTRY} import CLASS\ncursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLASS])',
        f'from {REGISTRY} import CLASS\ncursor.execute("SELECT pg_advisory_xact_lock_shared(23628, %s)", [CLASS])',
        f'from {REGISTRY} import CLASS\nSQL = f"SELECT pg_advisory_lock({{CLASS + 1}}, 1)"',
        f'from {REGISTRY} import CLASS\nSQL = "SELECT pg_advisory_lock(%s, %s)"',  # who knows with what
        'KEY = {"class": 0x5C4E, "id": 1}',
    ],
)
def test_other_keys_are_found(source: str) -> None:
    assert strays(source)


@pytest.mark.parametrize(
    "source",
    [
        f'from {REGISTRY} import CLASS\ncursor.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS, lock])',
        f'from {REGISTRY} import CLASS, Lock\nSQL = f"SELECT pg_advisory_xact_lock({{CLASS}}, {{Lock.CLAIMS}})"',
        f'from {REGISTRY} import CLASS, Lock\nKEY = {{"class": CLASS, "id": int(Lock.LEADER)}}',
        '"""It never waits in `pg_advisory_lock`."""',
    ],
)
def test_keys_of_the_registry_are_not(source: str) -> None:
    assert strays(source) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_lock(23630, 1)",
        "SELECT pg_advisory_unlock(%(id)s)",
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 23630",
    ],
)
def test_other_keys_are_found_in_sql(statement: str) -> None:
    assert strays_of_sql(statement)


def strays_of_sql(statement: str) -> list[str]:
    """Locks in a statement's file whose key is not the parameters `class` and `id`."""
    calls = [match[0] for match in _CALL.finditer(statement) if (match[1], match[2]) != ("%(class)s", ",")]
    looks = [
        match[0]
        for match in _LOOK.finditer(statement)
        if "pg_locks" in statement and match[1] not in _SQL_KEY.values()
    ]
    return calls + looks


def strays(source: str) -> list[str]:
    """Locks in a module whose key does not begin with a class that it imported from the registry."""
    if "advisory" not in source.lower() and '"class"' not in source:
        return []
    tree = ast.parse(source)
    known = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == REGISTRY
        for alias in node.names
        if alias.name in CLASSES
    } - {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    found = [text for text, key in _calls(tree) if key not in known]
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):  # the parameters of statements' files
            pairs = zip(node.keys, node.values, strict=True)
            values = {key.value: value for key, value in pairs if isinstance(key, ast.Constant)}
            if {"class", "id"} <= values.keys() and _name(values["class"]) not in known:
                found.append(ast.unparse(node))
    return found


def _calls(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Each use of an advisory lock's function in a string, with the name that is the first half of its key."""
    given = {
        id(part): node.args[1]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and len(node.args) > 1
        for part in ast.walk(node.args[0])
    }
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(_piece(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = node.value
        else:
            continue
        for match in _CALL.finditer(text):
            params = given.get(id(node))
            if not match[2]:  # one integer
                yield match[0], None
            elif match[1] == "%s":
                first = params.elts[:1] if isinstance(params, (ast.List, ast.Tuple)) else []
                yield match[0], _name(first[0]) if first else None
            else:
                yield match[0], match[1].strip("{}") if match[1].startswith("{") else None


def _piece(part: ast.expr) -> str:
    if isinstance(part, ast.FormattedValue):
        return f"{{{ast.unparse(part.value)}}}"
    return str(part.value) if isinstance(part, ast.Constant) else ""


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None
