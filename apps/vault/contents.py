"""Contents that are there, and letting go of those that nobody can run any more. In the tenant's scope."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from apps.vault.models import JobContent

_PRESENT = """
SELECT job_id, version FROM unnest(%s::bigint[], %s::integer[]) AS wanted (job_id, version)
JOIN vault_jobcontent AS content USING (job_id, version)
"""


def contents_present(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of these (job_id, version) that the vault has, whether or not they can be opened."""
    wanted = set(pairs)
    if not wanted:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_PRESENT, [list(column) for column in zip(*wanted, strict=True)])
        return {(job_id, version) for job_id, version in cursor.fetchall()}


def contents_hold(job_id: int) -> None:
    """Until the transaction ends, nobody else deletes contents of this job."""
    list(JobContent.objects.select_for_update().filter(job_id=job_id).order_by("pk").values_list("pk"))


def contents_delete(job_id: int, versions: Iterable[int]) -> int:
    """How many there were. That nobody refers to them is for the caller to know."""
    gone, _ = JobContent.objects.filter(job_id=job_id, version__in=list(versions)).delete()
    return gone
