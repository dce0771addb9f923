"""Accounts, memberships, keys, and sign-ins that failed."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.tenants import services
from apps.tenants.models import ApiKey, Membership, User, UserIdentity
from apps.tenants.operators import TENANT_FILTER, OperatorsAdmin, ReadOnlyAdmin, actor_of, column, with_reason


@admin.register(User)
class AccountAdmin(OperatorsAdmin, DjangoUserAdmin):  # type: ignore[type-arg, misc]
    """On-call staff are made here; members' accounts by `create_member`. Accounts are switched off, not deleted."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_staff", "is_superuser", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active")
    ordering = ("username",)
    search_numbers = ("id",)
    search_texts = ("username", "email")
    readonly_fields = ("last_login", "date_joined")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    list_display = ("user_id", "tenant", "role", "legacy_user_id", "account", "created_at")
    list_filter = (TENANT_FILTER, "role")
    list_select_related = ("tenant", "account")
    ordering = ("-id",)
    search_numbers = ("id", "legacy_user_id")
    search_texts = ("user_id", "account__username")


@admin.register(UserIdentity)
class UserIdentityAdmin(ReadOnlyAdmin):
    list_display = ("user_id", "legacy_user_id", "tenant", "created_at")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant",)
    ordering = ("-id",)
    search_numbers = ("legacy_user_id",)
    search_texts = ("user_id",)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """The text of a key is known to its owner alone, and its hash is nobody's business."""

    list_display = ("prefix", "name", "tenant", "member", "role", "state", "expires_at", "created_at")
    list_filter = (TENANT_FILTER, "role", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant", "membership")
    ordering = ("-id",)
    search_texts = ("prefix", "name")
    fields = (
        "prefix",
        "name",
        "tenant",
        "membership",
        "role",
        "scopes",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    actions = ("revoke",)

    @column("member")
    def member(self, key: ApiKey) -> str:
        return key.membership.user_id

    @column("state", label={"valid": "success", "revoked": "danger", "expired": "warning"})
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "revoked"
        return "expired" if key.expires_at and key.expires_at <= timezone.now() else "valid"

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("tenants.change_apikey"))

    @admin.action(description="Revoke …", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        return with_reason(
            self,
            request,
            queryset,
            action="revoke",
            title="Revoke API keys",
            sentence="Whoever uses these keys will be refused from now on. A key cannot be brought back.",
            perform=lambda key, reason: services.api_key_revoke(
                key=key, actor=actor_of(request), reason=reason
            ),
        )


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ReadOnlyAdmin):
    """Failed sign-ins. Deleting one lets the person try again before the lock-out ends."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time", "path_info")
    ordering = ("-attempt_time",)
    search_texts = ("username", "ip_address")
    fields = ("username", "ip_address", "user_agent", "failures_since_start", "attempt_time", "path_info")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("axes.delete_accessattempt"))
