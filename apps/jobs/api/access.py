"""What every action on jobs and executions shares: which one, whose, at which version, and how a service's refusal is
answered.
"""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from apps.executions.models import Execution, ExecutionLog
from apps.executions.selectors import execution_of
from apps.jobs.api.body import refused
from apps.jobs.models import Job
from apps.jobs.payloads import job_payloads
from apps.jobs.quotas import QuotaExceeded
from apps.jobs.retries import NO_EXECUTION, NOT_YOUR_EXECUTION
from apps.jobs.selectors import job_of
from apps.jobs.specs import JobNotFound, JobRefused, VersionConflict
from apps.tenants.api.access import member_of
from apps.tenants.api.errors import InvalidFields, OverQuota, PreconditionFailed
from apps.tenants.api.views import TenantView
from apps.tenants.authentication import Member

_NOT_YOURS = "This job belongs to another user."


class JobAccessView(TenantView):
    def handle_exception(self, exc: Exception) -> Response:
        match exc:
            case JobRefused():
                exc = refused(exc)
            case JobNotFound():
                exc = NotFound("There is no such job.")
            case VersionConflict():
                exc = PreconditionFailed()
            case QuotaExceeded():
                exc = OverQuota(exc.detail, wait=exc.retry_after)
        return super().handle_exception(exc)


class JobAccess(ViewSetMixin, JobAccessView):
    """`JobAccessView` as a viewset."""


def visible_job(request: Request, job_id: str, *, with_deleted: bool = False) -> Any:
    """The job that a path names, if the member may see it. Raises NotFound (404), PermissionDenied (403)."""
    member = member_of(request)
    user_id, number = own_only(member), id_of(job_id)
    job: Any = number and job_of(member.tenant, number, user_id=user_id, with_deleted=with_deleted)
    if not job:
        raise NotFound("There is no such job.")
    if user_id is not None and not job.owned:
        raise PermissionDenied(_NOT_YOURS)
    return job


def visible_execution(request: Request, execution_id: str) -> Execution | ExecutionLog:
    """The execution that a path names, live or finished, if the member may see it. Raises as `visible_job`."""
    member = member_of(request)
    user_id, number = own_only(member), id_of(execution_id)
    row = number and execution_of(tenant_id=member.tenant.pk, execution_id=number, user_id=user_id)
    if not row:
        raise NotFound(NO_EXECUTION)
    if not row.owned:  # type: ignore[union-attr]  # annotated
        raise PermissionDenied(NOT_YOUR_EXECUTION)
    return row


def own_only(member: Member) -> str | None:
    """Whose objects alone the member may touch; None: everybody's."""
    return None if member.sees_tenant else member.user_id


def id_of(text: str) -> int:
    """The id that a path's part is, or 0, which nothing has."""
    is_id = text.isascii() and text.isdigit() and len(text) <= 19
    return int(text) if is_id and int(text) < 2**63 else 0


def expected_version(request: Request) -> int | None:
    """The version of `If-Match`; None without it or for `*`. Raises InvalidFields for what is no version."""
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    text = header.removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidFields({"If-Match": 'Send the ETag of the object as you read it, such as "3".'})
    return int(text)


def job_response(request: Request, job: Job, *, status: int = 200, changed: bool = True) -> Response:
    """The job as it is now, with its version as ETag. `changed`: read it again, for it comes from a service."""
    member = member_of(request)
    shown = job_of(member.tenant, job.id, with_deleted=True) if changed else job
    if shown is None:
        raise NotFound("There is no such job.")
    payload = job_payloads(member.tenant, [shown])[0]
    return Response(payload, status=status, headers={"ETag": f'"{shown.version}"'})
