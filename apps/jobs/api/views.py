"""Jobs: list, create, read, change, delete."""

from __future__ import annotations

from typing import Any

from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.jobs import services
from apps.jobs.api.access import expected_version, job_response, visible_job
from apps.jobs.api.actions import JobActions
from apps.jobs.api.body import BLANK, flat_fields, json_object
from apps.jobs.api.filters import JobFilters, asked_jobs
from apps.jobs.api.history import JobHistory
from apps.jobs.api.insights import JobInsights
from apps.jobs.api.schema import (
    JOB_ID,
    JobBodyShape,
    JobListShape,
    JobShape,
)
from apps.jobs.models import Job
from apps.jobs.payloads import job_payloads
from apps.jobs.selectors import job_counts
from apps.jobs.specs import OWN_FIELDS, TRIGGER_FIELDS, changed
from apps.tenants.api.access import member_of, own_user_id
from apps.tenants.api.paging import envelope
from apps.tenants.api.schema import IF_MATCH, PAGING, ErrorShape

# A replacement that does not mention these leaves them: whose job it is, and where an import found it.
_KEPT = frozenset({"user_id", "legacy_user_id", "external_key"})


class JobViewSet(JobActions, JobHistory, JobInsights):
    lookup_url_kwarg = "job_id"
    lookup_value_regex = "[^/]+"
    # Where the description of the list finds its filters; `asked_jobs` applies them.
    queryset, filterset_class, filter_backends = Job.objects.none(), JobFilters, (DjangoFilterBackend,)

    @extend_schema(
        operation_id="jobs_list",
        filters=True,
        parameters=PAGING,
        responses={200: JobListShape, 400: ErrorShape, 403: ErrorShape},
    )
    def list(self, request: Request) -> Response:
        """The member's jobs; the tenant's for admins and owners."""
        tenant = member_of(request).tenant
        jobs, order = asked_jobs(request)
        page = envelope(jobs, request, "jobs", lambda rows: job_payloads(tenant, rows), order=order)
        return Response({**page, **job_counts(jobs)})

    @extend_schema(
        operation_id="jobs_create", request=JobBodyShape, responses={201: JobShape, 400: ErrorShape}
    )
    def create(self, request: Request) -> Response:
        """A new job. Members make their own."""
        member = member_of(request)
        fields = flat_fields(json_object(request))
        if fields.get("user_id") in (None, ""):
            fields["user_id"] = member.user_id
        fields["user_id"] = own_user_id(member, fields["user_id"])
        spec = changed(BLANK, fields)
        job = services.job_create(tenant=member.tenant, spec=spec, actor=member.actor)
        return job_response(request, job, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="jobs_read", parameters=[JOB_ID], responses={200: JobShape, 404: ErrorShape})
    def retrieve(self, request: Request, job_id: str) -> Response:
        """One job; its version is the ETag."""
        return job_response(request, visible_job(request, job_id), changed=False)

    @extend_schema(
        operation_id="jobs_change",
        parameters=[JOB_ID, IF_MATCH],
        request=JobBodyShape,
        responses={200: JobShape, 400: ErrorShape, 412: ErrorShape},
    )
    def partial_update(self, request: Request, job_id: str) -> Response:
        """Change the fields that the body names. Within `trigger` and `policies` too, unless `type` becomes another."""
        visible_job(request, job_id)
        return self._update(request, job_id, flat_fields(json_object(request)))

    @extend_schema(
        operation_id="jobs_replace",
        parameters=[JOB_ID, IF_MATCH],
        request=JobBodyShape,
        responses={200: JobShape, 400: ErrorShape, 412: ErrorShape},
    )
    def update(self, request: Request, job_id: str) -> Response:
        """Replace all that the job was asked; what the body leaves out gets its default, but the owner stays."""
        stored = visible_job(request, job_id)
        given = flat_fields(json_object(request))
        spec = changed(BLANK, given)
        fields = {name: getattr(spec, name) for name in OWN_FIELDS if name not in _KEPT}
        fields |= {name: getattr(spec.trigger, name) for name in TRIGGER_FIELDS}
        if "anchor_at" not in given and stored.trigger_type == spec.trigger.trigger_type:
            del fields["anchor_at"]  # repeating a PUT must not move the beat
        return self._update(request, job_id, fields | {name: given[name] for name in _KEPT & set(given)})

    @extend_schema(
        operation_id="jobs_delete",
        parameters=[JOB_ID, IF_MATCH],
        request=None,
        responses={200: JobShape, 404: ErrorShape, 412: ErrorShape},
    )
    def destroy(self, request: Request, job_id: str) -> Response:
        """Take the job out of service; the answer is what it was. Its history stays."""
        job, member = visible_job(request, job_id), member_of(request)
        services.job_delete(
            tenant=member.tenant,
            job_id=job.id,
            actor=member.actor,
            expected_version=expected_version(request),
        )
        return job_response(request, job)

    def _update(self, request: Request, job_id: str, fields: dict[str, Any]) -> Response:
        member = member_of(request)
        if "user_id" in fields:
            fields["user_id"] = own_user_id(member, fields["user_id"])
        job = services.job_update(
            tenant=member.tenant,
            job_id=int(job_id),
            changes=fields,
            actor=member.actor,
            expected_version=expected_version(request),
        )
        return job_response(request, job)
