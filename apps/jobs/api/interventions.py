"""Tasks that need a person: which ones, how bad it is, and running one at once."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from apps.jobs import runs
from apps.jobs.api.access import JobAccessView, visible_job
from apps.jobs.api.body import reason_of
from apps.jobs.api.interventions_schema import (
    OF_USER,
    TASK_ID,
    TASK_TYPE,
    USER_ID,
    InterventionSummaryShape,
    InterventionTaskListShape,
    InterventionTasksShape,
    ManuallyTriggeredShape,
)
from apps.jobs.api.schema import ReasonShape
from apps.jobs.interventions import (
    WORST_FIRST,
    intervention_summary,
    intervention_tasks,
    needy_jobs,
    task_payloads,
)
from apps.tenants.api.access import listed_user, member_of, path_user
from apps.tenants.api.paging import envelope
from apps.tenants.api.schema import PAGING, ErrorShape

_OF_A_USER = {400: ErrorShape, 403: ErrorShape}


class AllTasksNeedingIntervention(JobAccessView):
    @extend_schema(
        operation_id="tasks_needing_intervention_list",
        parameters=[OF_USER, *PAGING],
        responses={200: InterventionTaskListShape, **_OF_A_USER},
    )
    def get(self, request: Request) -> Response:
        """The member's tasks that need somebody, the tenant's for admins and owners, the worst first."""
        tenant = member_of(request).tenant
        needy = needy_jobs(tenant, listed_user(request, request.query_params.get("user_id")))
        page = envelope(needy, request, "tasks", lambda jobs: task_payloads(tenant, jobs), order=WORST_FIRST)
        return Response(page)


class TasksNeedingIntervention(JobAccessView):
    @extend_schema(
        operation_id="tasks_needing_intervention",
        parameters=[USER_ID],
        responses={200: InterventionTasksShape, **_OF_A_USER},
    )
    def get(self, request: Request, user_id: str) -> Response:
        """The user's tasks in a cool-off, in quarantine, or with three or more failures in a row, the worst first."""
        tasks = intervention_tasks(member_of(request).tenant, path_user(request, user_id))
        return Response({"success": True, "tasks": tasks, "count": len(tasks)})


class TaskInterventionSummary(JobAccessView):
    @extend_schema(
        operation_id="task_intervention_summary",
        parameters=[USER_ID],
        responses={200: InterventionSummaryShape, **_OF_A_USER},
    )
    def get(self, request: Request, user_id: str) -> Response:
        """How many of the user's tasks need somebody, by type, and how long already."""
        summary = intervention_summary(member_of(request).tenant, path_user(request, user_id))
        return Response({"success": True, **summary})


class ManualTrigger(JobAccessView):
    @extend_schema(
        operation_id="tasks_manual_trigger",
        parameters=[TASK_TYPE, TASK_ID],
        request=ReasonShape,
        responses={202: ManuallyTriggeredShape, 400: ErrorShape, 403: ErrorShape, 404: ErrorShape},
    )
    def post(self, request: Request, task_type: str, task_id: str) -> Response:
        """End the task's cool-off and run it now. A quarantine ends by resuming or changing the job."""
        job, member = visible_job(request, task_id), member_of(request)
        if job.task_type != task_type:
            raise NotFound("There is no such task of this type.")
        execution_id = runs.job_run_now(
            tenant=member.tenant, job_id=job.id, reason=reason_of(request), actor=member.actor
        )
        answer = {
            "success": True,
            "task_id": job.id,
            "execution_id": execution_id,
            "message": "The task will run as soon as a worker is free.",
        }
        return Response(answer, status=status.HTTP_202_ACCEPTED)
