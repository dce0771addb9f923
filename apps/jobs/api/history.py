"""What became of a job's times, and running those of the past that had no run."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.jobs.api.access import JobAccess, visible_job
from apps.jobs.api.body import json_object, only
from apps.jobs.api.history_schema import (
    AT,
    BACKFILL_EXAMPLES,
    ENTRIES,
    FROM,
    TO,
    BackfillBodyShape,
    BackfilledShape,
    WhyShape,
)
from apps.jobs.api.instants import instant_of, range_of
from apps.jobs.api.schema import JOB_ID
from apps.jobs.backfill import MAX_SPAN as BACKFILL_SPAN
from apps.jobs.backfill import Backfill, job_backfill
from apps.jobs.why import MAX_ENTRIES, MAX_SPAN, why_at, why_between
from apps.jobs.why_payload import why_payload
from apps.tenants.api.access import member_of
from apps.tenants.api.errors import InvalidFields
from apps.tenants.api.paging import integer_param
from apps.tenants.api.schema import ErrorShape

MAX_IDS = 100  # of an answer; the audit trail has them all
_BACKFILL_FIELDS = frozenset({"from", "to", "dry_run", "pace_seconds", "reason"})


class JobHistory(JobAccess):
    @extend_schema(
        operation_id="jobs_why",
        parameters=[JOB_ID, AT, FROM, TO, ENTRIES],
        responses={200: WhyShape, 400: ErrorShape, 403: ErrorShape, 404: ErrorShape},
    )
    @action(detail=True)
    def why(self, request: Request, job_id: str) -> Response:
        """What became of a nominal time of the job, or of all those of a range: outcome or skip, reason, epoch.

        A deleted job answers as well.
        """
        job, tenant = visible_job(request, job_id, with_deleted=True), member_of(request).tenant
        given = {name: request.query_params.get(name) for name in ("at", "from", "to")}
        limit = integer_param(request, "limit", MAX_ENTRIES, 1, MAX_ENTRIES)
        if given["at"]:
            if given["from"] or given["to"]:
                raise InvalidFields({"at": "Ask about one instant or about a range, not about both."})
            start = until = instant_of("at", given["at"])
            found = why_at(tenant=tenant, job=job, at=start)
        elif given["from"] or given["to"]:
            start, until = range_of(given["from"], given["to"], MAX_SPAN)
            found = why_between(tenant=tenant, job=job, start=start, until=until, limit=limit)
        else:
            raise InvalidFields({"at": "Name an instant with `at`, or a range with `from` and `to`."})
        return Response(why_payload(job, found, start=start, until=until, at=bool(given["at"])))

    @extend_schema(
        operation_id="jobs_backfill",
        parameters=[JOB_ID],
        request=BackfillBodyShape,
        responses={
            200: BackfilledShape,
            202: BackfilledShape,
            400: ErrorShape,
            403: ErrorShape,
            404: ErrorShape,
        },
        examples=BACKFILL_EXAMPLES,
    )
    @action(detail=True, methods=["post"])
    def backfill(self, request: Request, job_id: str) -> Response:
        """Run the times of a past range that have no execution, one after the other. Asking twice makes nothing twice.

        The times are those of the schedule as it is now, and run with the job's payload as it is now.
        """
        job, member = visible_job(request, job_id), member_of(request)
        body = only(json_object(request), _BACKFILL_FIELDS)
        start, until = range_of(body.get("from"), body.get("to"), BACKFILL_SPAN)
        dry_run, pace = body.get("dry_run", False), body.get("pace_seconds", 1)
        if not isinstance(dry_run, bool):
            raise InvalidFields({"dry_run": "Use true or false."})
        if not isinstance(pace, int | float) or isinstance(pace, bool):
            raise InvalidFields({"pace_seconds": "Use a number of seconds."})
        done = job_backfill(
            tenant=member.tenant,
            job_id=job.id,
            start=start,
            until=until,
            actor=member.actor,
            reason=body.get("reason", ""),
            pace_seconds=pace,
            dry_run=dry_run,
        )
        answer: dict[str, Any] = {
            "success": True,
            "job_id": str(job.id),
            "from": start,
            "to": until,
            "dry_run": dry_run,
            "found": done.found,
            "enqueued": len(done.execution_ids),
            "already": done.already,
            "execution_ids": done.execution_ids[:MAX_IDS],
            "message": _message(done, dry_run=dry_run, pace=pace),
        }
        return Response(answer, status=status.HTTP_200_OK if dry_run else status.HTTP_202_ACCEPTED)


def _message(done: Backfill, *, dry_run: bool, pace: float) -> str:
    if not done.found:
        return "The schedule names no time in this range."
    if not done.missing:
        return f"Each of the {done.found:,} times has an execution already."
    runs = "1 run" if done.missing == 1 else f"{done.missing:,} runs"
    if dry_run:
        return f"This would make {runs}, {pace:g} seconds apart; nothing was made."
    return f"{runs} will start, {pace:g} seconds apart, behind what the schedules ask for."
