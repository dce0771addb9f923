"""The last results of the test matrix as checks, and where they are kept: files of a checkout, and a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

from django.conf import settings
from django.db import transaction

from apps.operations.gates import record
from apps.operations.gates.matrix import BY_KEY, ROWS, Row
from apps.operations.gates.record import Checkout, Result
from apps.operations.gates.report import Check
from apps.operations.models import Evidence
from apps.tenants.context import all_tenants_scope
from apps.tenants.services import Refused, audit

_FIELDS = tuple(field.name for field in fields(Result))


def release() -> Checkout:
    """What runs here: the checkout, else the commit that the image was built of."""
    found = record.checkout(settings.BASE_DIR)
    return found if found.commit else Checkout(settings.RELEASE_COMMIT, bool(settings.RELEASE_COMMIT))


def evidence_record(*, path: Path, actor: str) -> Result:
    """Keep the result in `path` for gates elsewhere. Raises `Refused` where it is none."""
    try:
        result = record.read(path)
    except (record.NotAResult, OSError) as error:
        raise Refused(str(error)) from error
    if result.row not in BY_KEY:
        raise Refused(f"The matrix has no row {result.row!r}.")
    with all_tenants_scope(), transaction.atomic():
        Evidence.objects.create(**{name: getattr(result, name) for name in _FIELDS})
        audit(
            actor=actor,
            action="gate.record",
            tenant=None,
            object_type="evidence",
            object_id=result.row,
            data={
                "before": {},
                "after": {"commit": result.commit, "passed": result.passed, "failed": result.failed},
            },
        )
    return result


def results_of(row: Row) -> list[Result]:
    """What is known of runs of the row, the latest last."""
    found = [
        Result(**values)
        for values in Evidence.objects.filter(row=row.key).order_by("-ran_at").values(*_FIELDS)[:50]
    ]
    with suppress(record.NotAResult, OSError):  # it has not been run here
        found.append(record.read(Path(settings.EVIDENCE_DIR) / f"{row.key}.json"))
    return sorted(found, key=lambda result: result.ran_at)


def matrix_checks(gate: int) -> Iterator[Check]:
    """That the rows of the gate have passed on what runs here."""
    here = release()
    for row in ROWS:
        if row.gate == gate:
            wrong = _of_release(here) or _wrong(row, here, results_of(row))
            yield Check(f"matrix {row.key}: {row.what}", not wrong, wrong or _passed(row, here))


def _of_release(here: Checkout) -> str:
    if not here.commit:
        return "Which commit runs here is not known: set RELEASE_COMMIT, or run this in a checkout with git."
    if not here.clean:
        return (
            f"What runs here is {here.commit[:12]} with changes: commit or remove them, and run the matrix."
        )
    return ""


def _wrong(row: Row, here: Checkout, results: list[Result]) -> str:
    """Why the row does not count as passed here, and what to run; "" if it does."""
    run = f"run `{row.command}` on {here.commit[:12]}"
    if not results:
        return f"Row {row.key} has not been run: {run}, and `manage.py gate record` its file."
    ours = [result for result in results if result.commit == here.commit]
    if not ours:
        return f"The last result of row {row.key} is of commit {results[-1].commit[:12]}: {run}."
    last = ours[-1]
    if not last.clean_tree:
        return f"Row {row.key} was run on a tree with changes that are not committed: {run}, without any."
    if last.failed:
        return f"{last.failed} of {last.tests} tests of row {row.key} failed: mend them, and {run} or its successor."
    if last.skipped or not last.passed:
        return f"{last.skipped} tests of row {row.key} were skipped, {last.passed} passed: {run} where all can be run."
    if not last.complete:
        return f"Row {row.key} was not run to its end: {run}."
    return ""


def _passed(row: Row, here: Checkout) -> str:
    last = [result for result in results_of(row) if result.commit == here.commit][-1]
    postgres = f" on Postgres {last.postgres}" if last.postgres else ""
    return (
        f"{last.passed} passed on {last.commit[:12]}{postgres} in {last.seconds:.0f} s,"
        f" {last.ran_at:%Y-%m-%d %H:%M} UTC."
    )
