"""Executions, one at a time or many: cancel, and run again."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from apps.executions.states import State
from apps.jobs import retries, runs
from apps.jobs.api.access import JobAccess, own_only, visible_execution
from apps.jobs.api.body import reason_of
from apps.jobs.api.runs_schema import (
    BULK_EXAMPLES,
    EXECUTION_ID,
    BulkRetriedShape,
    BulkRetryBody,
    CancelledShape,
    RetriedShape,
)
from apps.jobs.api.schema import ReasonShape
from apps.tenants.api.access import listed_user, member_of
from apps.tenants.api.body import checked
from apps.tenants.api.errors import Conflict
from apps.tenants.api.schema import ErrorShape

_ERRORS = {400: ErrorShape, 403: ErrorShape, 404: ErrorShape, 409: ErrorShape}
_FINISHED = "This execution has finished already; there is nothing to cancel."
_CANCELLED = {
    State.PENDING.value: "It was waiting and will not run.",
    State.LEASED.value: "It was running; its worker has been told to stop it.",
}


class ExecutionActions(JobAccess):
    lookup_url_kwarg = "execution_id"
    lookup_value_regex = "[^/]+"

    @extend_schema(
        operation_id="executions_cancel",
        parameters=[EXECUTION_ID],
        request=ReasonShape,
        responses={200: CancelledShape, **_ERRORS},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, execution_id: str) -> Response:
        """Take back an execution that waits, or stop one that runs. It ends as failed, cancelled by you."""
        row, member = visible_execution(request, execution_id), member_of(request)
        try:
            done = runs.run_cancel(
                tenant=member.tenant,
                execution=row,
                actor=member.actor,
                by=member.user_id,
                reason=reason_of(request),
            )
        except runs.AlreadyFinished:
            raise Conflict(_FINISHED) from None
        return Response(
            {"success": True, "execution_id": row.pk, "was": done.state, "message": _CANCELLED[done.state]}
        )

    @extend_schema(
        operation_id="executions_retry",
        parameters=[EXECUTION_ID],
        request=ReasonShape,
        responses={202: RetriedShape, **_ERRORS},
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, execution_id: str) -> Response:
        """Run a finished execution's job again, as the job is today: a new execution with a `webhook-id` of its own."""
        row, member = visible_execution(request, execution_id), member_of(request)
        done = retries.runs_retry(
            tenant=member.tenant,
            execution_ids=[row.pk],
            owner=own_only(member),
            actor=member.actor,
            reason=reason_of(request),
        )
        if sentence := done.refused.get(row.pk):
            raise PermissionDenied(sentence) if sentence == retries.NOT_YOUR_JOB else Conflict(sentence)
        answer = {
            "success": True,
            "execution_id": done.made[row.pk],
            "retry_of": row.pk,
            "message": "It will run again as soon as a worker is free.",
        }
        return Response(answer, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        operation_id="executions_bulk_retry",
        request=BulkRetryBody,
        responses={202: BulkRetriedShape, 400: ErrorShape, 403: ErrorShape},
        examples=BULK_EXAMPLES,
    )
    @action(detail=False, methods=["post"], url_path="bulk-retry", url_name="bulk-retry")
    def bulk_retry(self, request: Request) -> Response:
        """Run many again, by their ids or by a filter. Each is answered for itself; one that cannot loses no other."""
        asked = dict(checked(BulkRetryBody, request))
        member, reason, has_more = member_of(request), asked.pop("reason", ""), False
        ids = asked.pop("execution_ids", None)
        named = ids is not None
        if ids is None:
            del asked["status"]
            asked["user_id"] = listed_user(request, asked.get("user_id"))
            found = retries.failures_to_retry(member.tenant, owner=own_only(member), **asked)
            ids = list(found.values_list("pk", flat=True)[: retries.MAX_RETRIED + 1])
            ids, has_more = ids[: retries.MAX_RETRIED], len(ids) > retries.MAX_RETRIED
        done = retries.runs_retry(
            tenant=member.tenant,
            execution_ids=ids,
            owner=own_only(member),
            actor=member.actor,
            reason=reason,
            again=named,
        )
        return Response(
            {
                "success": not done.refused,
                "retried": [{"execution_id": new, "retry_of": old} for old, new in done.made.items()],
                "refused": [{"id": number, "detail": text} for number, text in done.refused.items()],
                "has_more": has_more,
            },
            status=status.HTTP_202_ACCEPTED,
        )
