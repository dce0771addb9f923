"""A gate as a whole: its checks one after the other, whatever becomes of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial

from django.db import transaction

from apps.operations.gates.evidence import matrix_checks
from apps.operations.gates.isolation import leakage_checks, vault_checks
from apps.operations.gates.leaders import leader_checks, term_checks
from apps.operations.gates.ledger import duplicate_checks, epoch_checks, tick_checks
from apps.operations.gates.readiness import drift_checks, runbook_checks, user_id_checks
from apps.operations.gates.report import GATES, Check, GateReport
from apps.tenants.context import all_tenants_scope

logger = logging.getLogger(__name__)
Source = Callable[[], Iterable[Check]]

SOURCES: dict[int, list[tuple[str, Source]]] = {
    1: [("isolation", leakage_checks), ("vaults", vault_checks)],
    2: [
        ("leader", leader_checks),
        ("terms", term_checks),
        ("duplicates", duplicate_checks),
        ("epochs", epoch_checks),
        ("ticks", tick_checks),
    ],
    3: [("user ids", user_id_checks), ("drift", drift_checks), ("runbooks", runbook_checks)],
}
# What the product adds, which apps know nothing of; see `scheduler_saas.gates`.
PRODUCT: dict[int, list[tuple[str, Source]]] = {gate: [] for gate in GATES}


def run(number: int) -> GateReport:
    checks: list[Check] = []
    matrix: Source = partial(matrix_checks, number)
    for name, source in (*PRODUCT[number], *SOURCES[number], ("matrix", matrix)):
        try:
            # A savepoint where there is a transaction, so that a statement that fails takes no other check along.
            with all_tenants_scope(), transaction.atomic():
                checks.extend(source())
        except Exception as error:  # whatever it is, the gate is not passed, and the other checks are made
            logger.exception("the checks of %s could not be made", name)
            said = " ".join(str(error).split())[:200]
            checks.append(Check(name, False, f"This could not be checked: {type(error).__name__}: {said}"))
    return GateReport(number, tuple(checks))
