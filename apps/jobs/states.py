"""What a job may be told, and what it may become. The picture is in `docs/state_machine.md`."""

from datetime import timedelta

from django.db import models

LATE = timedelta(seconds=15)  # behind its due time: the grace that jobs have by default
# One failure is noise and a second a coincidence; a third in a row does not go away by itself.
FAILING_IN_A_ROW = 3
LONGEST_COOL_OFF = 86_400  # seconds
ENDPOINT_GONE = "Its endpoint answered 410 Gone."  # the reason for which the scheduler itself pauses a job


class Trigger(models.TextChoices):
    CRON = "cron"
    INTERVAL = "interval"
    DATE = "date"
    MANUAL = "manual"


class Switch(models.TextChoices):
    """What the tenant asked: whether the schedule counts."""

    ACTIVE = "active"
    PAUSED = "paused"


class Status(models.TextChoices):
    """What the job is, from its switch and its cursor together (`selectors.status_of`)."""

    ACTIVE = "active"
    PAUSED = "paused"
    FAILED = "failed"
    NEEDS_INTERVENTION = "needs_intervention"
    COMPLETED = "completed"


class Misfire(models.TextChoices):
    """What becomes of ticks that are late by more than the grace: the latest runs, all do in turn, or none."""

    FIRE_ONCE = "fire_once"
    FIRE_ALL = "fire_all"
    SKIP = "skip"


class Overlap(models.TextChoices):
    """What becomes of a tick that is due while an execution of the job is still live: it is skipped, waits for its end,
    runs beside it, or takes its place.
    """

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"
    REPLACE = "replace"


class DstGap(models.TextChoices):
    NEXT_VALID = "next_valid"
    SKIP = "skip"


class DstOverlap(models.TextChoices):
    FIRST = "first"
    BOTH = "both"
