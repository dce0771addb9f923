"""The states an execution passes through. The picture is in `docs/state_machine.md`."""

from django.db import models


class State(models.TextChoices):
    """Of a live row. A finished execution is no longer here but in the ledger."""

    PENDING = "pending"
    LEASED = "leased"


class Outcome(models.TextChoices):
    """Of a finished execution."""

    SUCCESS = "success"
    FAILED = "failed"


class AttemptOutcome(models.TextChoices):
    """Of one try. `lost` is a lease that expired: the worker died, hung, or was cut off. `released` was cut short by a
    worker that was told to stop. `cancelled` was stopped by a person.
    """

    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"
    LOST = "lost"
    RELEASED = "released"
    CANCELLED = "cancelled"


class Kind(models.TextChoices):
    """Why an execution exists. A tick of the schedule is unique by (job, scheduled_for); the others are not ticks.
    An imported one ran in another system, before this one knew of it.
    """

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    RETRY = "retry"
    BACKFILL = "backfill"
    IMPORTED = "imported"


class SkipReason(models.TextChoices):
    """Why nominal times had no execution."""

    OVERLAP = "overlap"
    MISFIRE = "misfire"
    PAUSED = "paused"
    QUOTA = "quota"
    WINDOW = "window"
    EDITED = "edited"
    COOL_OFF = "cool_off"
