"""The API of jobs, under `/api/scheduler/`, with or without a trailing slash."""

from django.urls import URLPattern, re_path

from apps.jobs.api.actions import JobNextRuns, JobPause, JobPreview, JobResume, JobTrigger
from apps.jobs.api.views import JobDetail, JobList

_JOB = r"^jobs/(?P<job_id>[^/]+)"

urlpatterns: list[URLPattern] = [
    re_path(r"^jobs/?$", JobList.as_view(), name="jobs"),
    re_path(r"^jobs/preview/?$", JobPreview.as_view(), name="jobs-preview"),
    re_path(rf"{_JOB}/?$", JobDetail.as_view(), name="job"),
    re_path(rf"{_JOB}/pause/?$", JobPause.as_view(), name="job-pause"),
    re_path(rf"{_JOB}/resume/?$", JobResume.as_view(), name="job-resume"),
    re_path(rf"{_JOB}/trigger/?$", JobTrigger.as_view(), name="job-trigger"),
    re_path(rf"{_JOB}/next-runs/?$", JobNextRuns.as_view(), name="job-next-runs"),
]
