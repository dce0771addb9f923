"""A connected platform has one monitoring job: the database says so, and this says it in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError

from apps.jobs.specs import JobRefused

CONSTRAINT = "job_one_per_connected_platform"


class PlatformTaken(JobRefused):
    """The user has a monitoring job of that platform already."""

    def __init__(self) -> None:
        super().__init__({"platform": "This user has a monitoring job for this platform already."})


@contextmanager
def one_per_platform() -> Iterator[None]:
    """Around the statement that makes or changes a job, at the end of its transaction. Raises PlatformTaken."""
    try:
        yield
    except IntegrityError as error:
        cause: Any = error.__cause__
        if getattr(getattr(cause, "diag", None), "constraint_name", None) != CONSTRAINT:
            raise
        raise PlatformTaken from error
