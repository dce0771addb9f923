"""Tenants and the people in them.

`Domain`, `ApiKey` and `User` are read before any tenant is known and carry no row security; they hold no customer
content. Everything else here is visible to its own tenant alone.
"""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django_tenants.models import DomainMixin, TenantMixin


class Role(models.TextChoices):
    """What a member may do, weakest first. Members see their own objects, admins and owners the tenant's."""

    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def weaker_of(self, other: "Role") -> "Role":
        return min(self, other, key=lambda role: role.rank)


class Scope(models.TextChoices):
    """What a key may be used for. A key without scopes may be used for all that its role may do."""

    READ = "read"
    WRITE = "write"


class InvitationStatus(models.TextChoices):
    """What has become of an invitation."""

    OPEN = "open"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ACCEPTED = "accepted"


class KeyStatus(models.TextChoices):
    """What has become of a key."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class User(AbstractUser):
    """A person who signs in: on-call staff (`is_staff`) or a member of tenants."""


class Plan(models.Model):
    """Quotas. A limit of a tenant is a column here, never a constant in code."""

    name = models.CharField(max_length=50, unique=True)
    max_jobs = models.PositiveIntegerField(default=1000)
    min_interval_seconds = models.PositiveIntegerField(default=60, validators=[MinValueValidator(1)])
    max_timeout_seconds = models.PositiveIntegerField(default=3600)
    retention_days = models.PositiveIntegerField(default=30)  # of finished executions; 0: for ever
    requests_per_minute = models.PositiveIntegerField(
        default=600
    )  # of each key and each account; 0: no limit
    max_concurrency = models.PositiveIntegerField(default=50)  # executions that run at once; 0: no limit
    executions_per_minute = models.PositiveIntegerField(default=0)  # 0: no limit
    executions_per_day = models.PositiveIntegerField(default=0)  # of UTC; 0: no limit
    allowed_tasks = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    redact = ArrayField(models.CharField(max_length=100), default=list, blank=True)  # keys, in any case

    def __str__(self) -> str:
        return self.name


class Tenant(TenantMixin):
    """A customer. `schema_name` names the schema of its vault and is its short name everywhere."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        DELETING = "deleting"

    auto_create_schema = False  # services.tenant_create makes the schema
    name = models.CharField(max_length=200)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(db_default=Now())
    deletion_due_at = models.DateTimeField(null=True, blank=True)  # before it nothing of it is deleted

    def __str__(self) -> str:
        return str(self.schema_name)


class Domain(DomainMixin):
    """A host name that is a tenant's."""


class Membership(models.Model):
    """A person's place in a tenant. `user_id` is canonical; `legacy_user_id` is the integer of older systems."""

    id: int
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="memberships")
    tenant_id: int
    account = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    account_id: int
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    user_id = models.CharField(max_length=200)
    legacy_user_id = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "id"], name="membership_tenant_id"),
            models.UniqueConstraint(fields=["tenant", "account"], name="membership_one_per_account"),
            models.UniqueConstraint(fields=["tenant", "user_id"], name="membership_one_per_user_id"),
            models.UniqueConstraint(fields=["tenant", "legacy_user_id"], name="membership_one_per_legacy_id"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} ({self.role})"


class Invitation(models.Model):
    """A place in a tenant that waits for somebody who reads the mail of an address. Of its token the SHA-256 is kept.

    It goes with the membership of who gave it.
    """

    id: int
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)
    tenant_id: int
    invited_by = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    email = models.CharField(max_length=150)  # and the username it becomes
    role = models.CharField(max_length=10, choices=Role)
    token_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "token_hash"], name="invitation_one_per_token"),
            # A new one to the same address takes the place of the one before.
            models.UniqueConstraint(
                fields=["tenant", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_one_open_per_address",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.role})"


class UserIdentity(models.Model):
    """The integer and the string that name one user of a tenant."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    legacy_user_id = models.BigIntegerField()
    user_id = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "user identities"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "legacy_user_id"], name="identity_one_per_legacy_id"),
            models.UniqueConstraint(fields=["tenant", "user_id"], name="identity_one_per_user_id"),
        ]

    def __str__(self) -> str:
        return f"{self.legacy_user_id} = {self.user_id}"


class ApiKey(models.Model):
    """A member's key. Shown once; only its SHA-256 is kept. No row security: it is read to learn the tenant."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="api_keys")
    tenant_id: int
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="api_keys")
    membership_id: int
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, unique=True)
    secret_hash = models.CharField(max_length=64)
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    scopes = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    replaced_by = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    replaced_by_id: int | None

    def __str__(self) -> str:
        return f"{self.prefix} {self.name}"


class AuditEntry(models.Model):
    """Who did what to what, and why. Row security lets nobody change or delete one.

    Entries outlive their tenant: what is left of one that was deleted is its number here, and the row is emptied.
    """

    tenant = models.ForeignKey(
        Tenant, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+"
    )
    tenant_id: int | None
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=100)
    object_type = models.CharField(max_length=50, blank=True)
    object_id = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-at"], name="audit_of_tenant"),
            # What reconcile could not repair lately, of all tenants: asked by a metric.
            models.Index(
                fields=["-at"],
                condition=models.Q(action__in=["reconcile.run", "platforms.reconcile"]),
                name="audit_of_repairs",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_type} {self.object_id}"


class IdempotentRequest(models.Model):
    """A POST that was done under a key of its caller's choosing, and the answer (`tenants.idempotency`)."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    sealed = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "membership", "key"], name="idempotent_once_per_key")
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "created_at"], name="idempotent_to_prune"),
            models.Index(fields=["membership"], name="idempotent_of_member"),
        ]

    def __str__(self) -> str:
        return f"{self.key} of membership {self.membership.pk}"
