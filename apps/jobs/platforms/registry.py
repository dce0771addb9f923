"""The platforms that members can connect.

One more is one more `register`. A deployment that has its own calls it from a module that TASK_MODULES names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.executions.targets.endpoint import endpoint_task
from apps.jobs.models import PLATFORM_CATEGORY
from apps.jobs.specs import JobSpec, TriggerSpec

DAY = 86_400  # seconds


class UnknownPlatform(LookupError):
    """Nothing of that name can be connected; the message is a sentence that names what can."""


@dataclass(frozen=True, slots=True)
class PlatformType:
    """`name` is short and for programs ("gsc"), `title` for people. `schedule` is what a new monitoring job gets."""

    name: str
    title: str
    schedule: TriggerSpec

    @property
    def task_type(self) -> str:
        return f"{self.name}_insights"

    def job_spec(self, user_id: str | None) -> JobSpec:
        """The monitoring job that a user's connection must have."""
        return JobSpec(
            name=f"{self.title} insights",
            trigger=self.schedule,
            target=self.task_type,
            payload={"platform": self.name},
            user_id=user_id,
            task_type=self.task_type,
            task_category=PLATFORM_CATEGORY,
            platform=self.name,
        )


_platforms: dict[str, PlatformType] = {}


def register(platform: PlatformType) -> PlatformType:
    """Offer `platform`, and its task, to every tenant. Raises DuplicateTaskError, or ValueError for a bad name."""
    endpoint_task(
        platform.task_type,
        title=f"{platform.title} insights",
        category=PLATFORM_CATEGORY,
        platform=platform.name,
    )
    _platforms[platform.name] = platform
    return platform


def get(name: str) -> PlatformType:
    """Raises UnknownPlatform."""
    try:
        return _platforms[name]
    except KeyError:
        raise UnknownPlatform(f"There is no such platform; use one of {', '.join(names())}.") from None


def names() -> list[str]:
    return sorted(_platforms)


# Once a day, counted from when the job was made: a wall-clock time would ask for all users' insights at once.
GSC = register(PlatformType("gsc", "Google Search Console", TriggerSpec.every(DAY)))
BING = register(PlatformType("bing", "Bing Webmaster Tools", TriggerSpec.every(DAY)))


def monitors(columns: Mapping[str, Any]) -> bool:
    """Whether a job of these columns may be in its category: in that of monitoring jobs, none stands in for one."""
    if columns["task_category"] != PLATFORM_CATEGORY:
        return True
    kind = _platforms.get(str(columns["platform"]))
    return kind is not None and columns["target"] == columns["task_type"] == kind.task_type
