"""The tables of a tenant's schema. `sealed` columns hold ciphertext of JSON; `vault.services` opens and seals."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Cast, Coalesce, Now


class JobContent(models.Model):
    """A version of what a job sends: parameters, headers, body. An edit adds a version; runs name the one they use."""

    job_id = models.BigIntegerField()
    version = models.IntegerField()
    sealed = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job_id", "version"], name="content_one_per_version")
        ]

    def __str__(self) -> str:
        return f"content {self.version} of job {self.job_id}"


class Secret(models.Model):
    """A named value that targets may use and nobody reads back."""

    name = models.CharField(max_length=100, unique=True)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class Endpoint(models.Model):
    """Where a tenant's work is delivered. Its signing secrets are newest first; two of them during a rotation."""

    name = models.CharField(max_length=100, unique=True, default="default")
    url = models.URLField(max_length=2000)
    sealed_secrets = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.name}: {self.url}"


class Connection(models.Model):
    """A platform that a member has connected. Its credentials go in and are never shown again."""

    user_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null: an old row knows only the integer
    legacy_user_id = models.BigIntegerField(null=True)
    platform = models.CharField(max_length=50)
    label = models.CharField(max_length=200, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    sealed = models.BinaryField(null=True)
    credentials_updated_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Coalesce("user_id", Cast("legacy_user_id", models.CharField())),
                "platform",
                name="connection_one_per_platform",
            )
        ]

    def __str__(self) -> str:
        return f"{self.platform} of {self.user_id or self.legacy_user_id}"


class NotificationChannel(models.Model):
    """Where a tenant is told of its jobs. Its address is sealed, with the secret that signs a webhook's messages.

    Of `job_id`, `task_type` and `user_id` those that are set narrow it to jobs that have them.
    """

    class Kind(models.TextChoices):
        EMAIL = "email"
        WEBHOOK = "webhook"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    sealed = models.BinaryField(null=True)  # null only while the row is made, for its id goes into it
    events = ArrayField(models.CharField(max_length=10))
    job_id = models.BigIntegerField(null=True)
    task_type = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null: of every type
    user_id = models.CharField(max_length=200, null=True)  # noqa: DJ001 - null: of everybody
    enabled = models.BooleanField(default=True)
    last_sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, null=True)  # noqa: DJ001 - null: the last message arrived
    last_error_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
