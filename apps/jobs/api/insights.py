"""What a list of jobs shows beside them: how many each category has, and how each job went lately."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.executions.recent import Recent, recent_outcomes
from apps.jobs.api.access import JobAccess, id_of, own_only
from apps.jobs.api.insights_schema import JOB_IDS, OUTCOMES, CategoriesShape, OutcomesShape
from apps.jobs.categories import categories_of
from apps.jobs.selectors import ids_of
from apps.tenants.api.access import member_of
from apps.tenants.api.errors import InvalidFields
from apps.tenants.api.paging import integer_param
from apps.tenants.api.schema import ErrorShape

MAX_JOBS = 100
DEFAULT_OUTCOMES, MAX_OUTCOMES = 20, 50


class JobInsights(JobAccess):
    @extend_schema(operation_id="jobs_categories", filters=False, responses={200: CategoriesShape})
    @action(detail=False)
    def categories(self, request: Request) -> Response:
        """How many jobs each category has, by status: the member's, or the tenant's for admins and owners."""
        member = member_of(request)
        categories = categories_of(member.tenant, user_id=own_only(member))
        return Response({"categories": categories, "total_jobs": sum(row["job_count"] for row in categories)})

    @extend_schema(
        operation_id="jobs_outcomes",
        filters=False,
        parameters=[JOB_IDS, OUTCOMES],
        responses={200: OutcomesShape, 400: ErrorShape},
    )
    @action(detail=False)
    def outcomes(self, request: Request) -> Response:
        """The latest outcomes of up to 100 jobs by nominal time, the oldest first: what finished, what is live (it is
        shown as running, and `state` tells what waits), and ranges of times that were skipped.

        Jobs that the member may not see are left out, as those that do not exist.
        """
        member = member_of(request)
        asked = _job_ids(request)
        count = integer_param(request, "count", DEFAULT_OUTCOMES, 1, MAX_OUTCOMES)
        job_ids = ids_of(member.tenant, asked, user_id=own_only(member))
        found = recent_outcomes(tenant_id=member.tenant.pk, job_ids=job_ids, count=count)
        shown = {str(job_id): [_outcome(row) for row in rows] for job_id, rows in found.items()}
        return Response({"outcomes": shown})


def _outcome(row: Recent) -> dict[str, Any]:
    shown = asdict(row)
    del shown["job_id"]
    return shown


def _job_ids(request: Request) -> list[int]:
    """The ids that the query string names, each once. Raises InvalidFields (400)."""
    named = [text.strip() for text in request.query_params.get("job_id", "").split(",", MAX_JOBS)]
    job_ids = {id_of(text) for text in named}
    if len(named) > MAX_JOBS or 0 in job_ids:
        raise InvalidFields({"job_id": f"Use 1 to {MAX_JOBS} ids of jobs, with commas between them."})
    return sorted(job_ids)
