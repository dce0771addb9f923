"""What every part of the API has in common, for its description."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer, inline_serializer
from rest_framework import serializers

Shape = serializers.Serializer[Any]


@extend_schema_serializer(many=False)  # a list's answer is one page, not an array
class PageShape(Shape):
    total_count = serializers.IntegerField()
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


# Not a class: there the field `errors` would stand for the serializer's own attribute.
ErrorShape = inline_serializer(
    "Error", {"detail": serializers.CharField(), "errors": serializers.DictField(required=False)}
)
extend_schema_serializer(many=False)(type(ErrorShape))  # of a list, too, it is one object

LIMIT = OpenApiParameter("limit", OpenApiTypes.INT, description="1 to 500, 50 where it is left out.")
OFFSET = OpenApiParameter("offset", OpenApiTypes.INT)
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, description="The `next_cursor` of the page before.")
PAGING = [LIMIT, OFFSET, CURSOR]
IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The version you have read; 412 if it is old.",
)
