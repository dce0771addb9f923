"""What can be done with a job beside changing it, and what a schedule would do."""

from __future__ import annotations

from dataclasses import replace

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.jobs import services
from apps.jobs.admission import trigger_columns, trigger_rule
from apps.jobs.api.access import JobAccess, expected_version, job_response, visible_job
from apps.jobs.api.body import BLANK, flat_fields, json_object, reason_of
from apps.jobs.api.schema import (
    COUNT,
    JOB_ID,
    JobShape,
    NextRunsShape,
    PreviewBodyShape,
    PreviewShape,
    ReasonShape,
    TriggeredShape,
)
from apps.jobs.calendars.selectors import blackouts_for, refuse_foreign_calendar
from apps.jobs.fields import complaints_of_calendar
from apps.jobs.payloads import next_runs_payload, trigger_payload
from apps.jobs.recurrence.errors import ScheduleError
from apps.jobs.recurrence.wording import describe
from apps.jobs.schedules import database_now, rule_of
from apps.jobs.selectors import plan_of
from apps.jobs.specs import JobRefused, changed
from apps.tenants.api.access import member_of
from apps.tenants.api.errors import Conflict, InvalidFields
from apps.tenants.api.paging import integer_param
from apps.tenants.api.schema import IF_MATCH, ErrorShape

DEFAULT_COUNT, MAX_COUNT = 10, 100


class JobActions(JobAccess):
    @extend_schema(
        operation_id="jobs_pause",
        parameters=[JOB_ID, IF_MATCH],
        request=ReasonShape,
        responses={200: JobShape, 404: ErrorShape},
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, job_id: str) -> Response:
        """Stop the schedule, with a reason; runs that exist go on."""
        job, member = visible_job(request, job_id), member_of(request)
        job = services.job_pause(
            tenant=member.tenant,
            job_id=job.id,
            reason=reason_of(request),
            actor=member.actor,
            expected_version=expected_version(request),
        )
        return job_response(request, job)

    @extend_schema(
        operation_id="jobs_resume",
        parameters=[JOB_ID, IF_MATCH],
        request=ReasonShape,
        responses={200: JobShape, 404: ErrorShape},
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, job_id: str) -> Response:
        """Go on with the next time from now; the times in between are recorded as skipped."""
        job, member = visible_job(request, job_id), member_of(request)
        job = services.job_resume(
            tenant=member.tenant,
            job_id=job.id,
            reason=reason_of(request),
            actor=member.actor,
            expected_version=expected_version(request),
        )
        return job_response(request, job)

    @extend_schema(
        operation_id="jobs_trigger",
        parameters=[JOB_ID],
        request=ReasonShape,
        responses={202: TriggeredShape, 404: ErrorShape},
    )
    @action(detail=True, methods=["post"])
    def trigger(self, request: Request, job_id: str) -> Response:
        """Run the job once, now, beside its schedule."""
        job, member = visible_job(request, job_id), member_of(request)
        execution_id = services.job_trigger(
            tenant=member.tenant, job_id=job.id, reason=reason_of(request), actor=member.actor
        )
        answer = {
            "success": True,
            "job_id": str(job.id),
            "execution_id": execution_id,
            "message": "The job will run as soon as a worker is free.",
        }
        return Response(answer, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        operation_id="jobs_next_runs",
        parameters=[JOB_ID, COUNT],
        responses={200: NextRunsShape, 400: ErrorShape, 404: ErrorShape, 409: ErrorShape},
    )
    @action(detail=True, url_path="next-runs", url_name="next-runs")
    def next_runs(self, request: Request, job_id: str) -> Response:
        """The times to come by the job's schedule (also while it is paused); clock changes and blackouts are marked."""
        job = visible_job(request, job_id)
        count = integer_param(request, "count", DEFAULT_COUNT, 1, MAX_COUNT)
        try:
            rule = rule_of(job)
            runs = next_runs_payload(
                rule,
                job.timezone,
                database_now(),
                count,
                blackouts=blackouts_for(member_of(request).tenant, job.calendar_id),
                job=job,
            )
        except ValueError as error:
            raise Conflict(f"The job's schedule is broken: {error}") from error
        return Response(
            {
                "job_id": str(job.id),
                "status": job.status,
                "frequency": describe(rule),
                "timezone": job.timezone,
                "next_runs": runs,
            }
        )

    @extend_schema(
        operation_id="jobs_preview", request=PreviewBodyShape, responses={200: PreviewShape, 400: ErrorShape}
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """What a schedule would do, or why it cannot be; nothing is saved."""
        body = dict(json_object(request))
        count = body.pop("count", DEFAULT_COUNT)
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MAX_COUNT:
            raise InvalidFields({"count": f"Use a whole number from 1 to {MAX_COUNT}."})
        fields = flat_fields(body, plain=frozenset({"timezone", "calendar"}))
        if "policies" in body:
            raise InvalidFields({"policies": "A preview is of a schedule alone."})
        spec, now, tenant = changed(BLANK, fields), database_now(), member_of(request).tenant
        least = plan_of(tenant).min_interval_seconds
        for name, sentence in complaints_of_calendar(spec.calendar_id):
            raise JobRefused({name: sentence})
        refuse_foreign_calendar(tenant, spec.calendar_id)
        try:
            rule = trigger_rule(spec.trigger, now=now, least=least)
            blackouts = blackouts_for(tenant, spec.calendar_id)
        except ScheduleError as error:
            raise JobRefused({error.field: error.sentence}) from error
        stored = replace(spec.trigger, **trigger_columns(spec.trigger, rule))
        return Response(
            {
                "trigger": trigger_payload(stored),
                "frequency": describe(rule),
                "timezone": stored.timezone,
                "next_runs": next_runs_payload(rule, stored.timezone, now, count, blackouts=blackouts),
            }
        )
