"""What the built-in tasks take. Their messages are read by whoever saves a job."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.executions.targets.headers import HeaderError, check_headers
from apps.executions.targets.ssrf import AddressPolicy, EgressRefusedError

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MAX_BODY = 256 * 1024


def _sendable_url(url: str) -> None:
    try:
        AddressPolicy.from_settings().check_url(url)
    except EgressRefusedError as error:
        raise serializers.ValidationError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def _sendable_headers(headers: dict[str, str]) -> None:
    try:
        check_headers(headers)
    except HeaderError as error:
        raise serializers.ValidationError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


class ExpectedStatusField(serializers.ListField):
    """Statuses that count as success. Left out: 200 to 299."""

    child = serializers.IntegerField(min_value=200, max_value=599)

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_empty=False, max_length=50, **options)


class HttpRequestParams(serializers.Serializer[Any]):
    """`url` left out: the tenant's endpoint. `secret` names one of the tenant's secrets to sign with."""

    url = serializers.CharField(required=False, validators=[_sendable_url])
    method = serializers.ChoiceField(choices=METHODS, default="POST")
    headers = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        default=dict,
        validators=[_sendable_headers],
    )
    body = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False, max_length=MAX_BODY)
    json = serializers.JSONField(required=False)
    expected_status = ExpectedStatusField()
    secret = serializers.CharField(required=False, max_length=100)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "body" in attrs and "json" in attrs:
            raise serializers.ValidationError({"json": ["Give a body or json, not both."]})
        return attrs


class HttpCheckParams(serializers.Serializer[Any]):
    """`min_tls_days`: fail when the server's certificate has fewer days left; needs an https URL."""

    url = serializers.CharField(validators=[_sendable_url])
    method = serializers.ChoiceField(choices=("GET", "HEAD"), default="GET")
    expected_status = ExpectedStatusField()
    min_tls_days = serializers.IntegerField(required=False, min_value=0, max_value=3650)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "min_tls_days" in attrs and not attrs["url"].lower().startswith("https://"):
            raise serializers.ValidationError({"min_tls_days": ["Needs an https:// URL."]})
        return attrs
