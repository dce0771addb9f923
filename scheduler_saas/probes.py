"""What an orchestrator asks a web process: are you alive, and can you serve?"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse

from apps.leadership.fitness import UnfitServer
from apps.leadership.selectors import leader_silence
from scheduler_saas.checks import isolation_holds
from scheduler_saas.metrics import metrics


def healthz() -> JsonResponse:
    """The process answers. Says nothing of the database, lest an outage there restart every web process."""
    return JsonResponse({"status": "ok"})


def readyz() -> JsonResponse:
    """200 when the database answers, is migrated to this release, and keeps tenants apart; 503 says what is missing.

    `scheduler` tells of the leader for information alone: pages and the API serve as well without one, and taking all
    web processes out of service would leave nobody to say that it is away. That is for `health`, and for an alert.
    """
    scheduler: dict[str, Any] = {"leader": False, "heartbeat_age_seconds": None}
    checks = {"database": "ok", "migrations": "ok", "isolation": "ok"}
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            checks["migrations"] = "some are not applied"
        elif isolation_holds(databases=[DEFAULT_DB_ALIAS]):
            checks["isolation"] = "this database, or our role in it, does not keep tenants apart"
        if checks["migrations"] == "ok":
            silence = leader_silence()
            leads = silence is not None and silence <= settings.LEADER_TRUST_WINDOW
            scheduler = {"leader": leads, "heartbeat_age_seconds": silence}
    except UnfitServer:
        checks = {
            "database": "ok",
            "migrations": "unknown",
            "isolation": "a pooler in transaction mode is in the way",
        }
    except DatabaseError as error:
        checks = {"database": type(error).__name__, "migrations": "unknown", "isolation": "unknown"}
    ready = all(state == "ok" for state in checks.values())
    return JsonResponse(
        {"status": "ready" if ready else "not ready", "checks": checks, "scheduler": scheduler},
        status=200 if ready else 503,
    )


PROBES: dict[str, Callable[[], HttpResponse]] = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
