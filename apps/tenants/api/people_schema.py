"""Members and their keys as the API takes and shows them. Bodies are checked here; what is allowed, by services."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.validators import RegexValidator
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from apps.tenants.api.schema import PAGING, PageShape, Shape
from apps.tenants.models import InvitationStatus, KeyStatus, Role, Scope, User

DEFAULT_LIFETIME = timedelta(days=90)
MAX_OVERLAP_HOURS = 7 * 24
_ONE_LINE = RegexValidator(
    r"\A[^\x00-\x1f\x7f-\x9f\u2028\u2029]+\Z", "Use one line of characters that can be shown."
)
# A user id stands in paths and query strings.
_USER_ID = RegexValidator(r"\A[\w.@+:|=-]+\Z", "Use letters, digits and . @ + - _ : | = only.")


class UserIdField(serializers.CharField):
    """A user id; an integer, as older systems send it, is its text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=200, validators=[_USER_ID], **kwargs)


class MemberBodyShape(Shape):
    username = serializers.CharField(
        max_length=150,
        validators=[User.username_validator],
        help_text="The name or the e-mail address that the person signs in with, on every tenant.",
    )
    role = serializers.ChoiceField(choices=Role.values, default=Role.MEMBER)
    user_id = UserIdField(required=False, help_text="The canonical id; the username where it is left out.")
    legacy_user_id = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=-(2**63),
        max_value=2**63 - 1,
        help_text="The integer of an older system that names the same user.",
    )


class RoleBodyShape(Shape):
    role = serializers.ChoiceField(choices=Role.values)


class MemberShape(Shape):
    id = serializers.IntegerField()
    user_id = serializers.CharField()
    legacy_user_id = serializers.IntegerField(allow_null=True)
    username = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.values)
    created_at = serializers.DateTimeField()


class MemberListShape(PageShape):
    members = MemberShape(many=True)


class KeyBodyShape(Shape):
    name = serializers.CharField(max_length=100, validators=[_ONE_LINE])
    user_id = UserIdField(required=False, help_text="The member whose key it is; you, where it is left out.")
    role = serializers.ChoiceField(
        choices=Role.values,
        required=False,
        help_text="No higher than the member's and yours; the weaker of the two where it is left out.",
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.values),
        required=False,
        min_length=1,
        max_length=len(Scope.values),
        help_text="Those of your own key where they are left out.",
    )
    expires_at = serializers.DateTimeField(required=False, help_text="In 90 days where it is left out.")

    def validate_expires_at(self, value: datetime) -> datetime:
        if value <= timezone.now():
            raise serializers.ValidationError("This time has passed.")
        return value


class RotateBodyShape(Shape):
    overlap_hours = serializers.IntegerField(
        default=24, min_value=0, max_value=MAX_OVERLAP_HOURS, help_text="How long the old key is still valid."
    )


class KeyShape(Shape):
    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="The part of the key that is no secret.")
    user_id = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.values)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.values))
    status = serializers.ChoiceField(choices=KeyStatus.values)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    replaced_by = serializers.IntegerField(allow_null=True, help_text="The key that a rotation made.")


class MintedKeyShape(KeyShape):
    key = serializers.CharField(help_text="The key itself. Keep it: it is not shown again.")


class KeyListShape(PageShape):
    api_keys = KeyShape(many=True)


class InvitationBodyShape(Shape):
    email = serializers.EmailField(
        max_length=150,
        validators=[User.username_validator],
        help_text="Where the link is mailed to, and the username of whoever takes it.",
    )
    role = serializers.ChoiceField(choices=Role.values, default=Role.MEMBER)


class InvitationShape(Shape):
    id = serializers.IntegerField()
    email = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.values)
    status = serializers.ChoiceField(choices=InvitationStatus.values)
    invited_by = serializers.CharField(help_text="The user id of who gave it.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class MadeInvitationShape(InvitationShape):
    link = serializers.CharField(
        help_text="A copy of the link, not shown again. It makes a member as the mailed one does, but cannot set a "
        "password."
    )


class InvitationListShape(PageShape):
    invitations = InvitationShape(many=True)


MEMBER_ID = OpenApiParameter("member_id", OpenApiTypes.INT, OpenApiParameter.PATH)
KEY_ID = OpenApiParameter("key_id", OpenApiTypes.INT, OpenApiParameter.PATH)
_USER = OpenApiParameter("user_id", OpenApiTypes.STR, description="In any of its forms.")
INVITATION_ID = OpenApiParameter("invitation_id", OpenApiTypes.INT, OpenApiParameter.PATH)
INVITATION_FILTERS = [OpenApiParameter("status", OpenApiTypes.STR, enum=InvitationStatus.values), *PAGING]
MEMBER_FILTERS = [OpenApiParameter("role", OpenApiTypes.STR, enum=Role.values), _USER, *PAGING]
KEY_FILTERS = [OpenApiParameter("status", OpenApiTypes.STR, enum=KeyStatus.values), _USER, *PAGING]
