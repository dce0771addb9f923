"""Tasks that the tenant's own endpoint does: the scheduler only says which one, for whom, and on which platform.

They are sent like an `http_request` without a URL, and signed as those are.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.executions.targets.builtin import execution_content, http_request
from apps.executions.targets.context import ExecutionContext, Resources, TargetResult
from apps.executions.targets.registry import task

MAX_URL = 2000


def endpoint_task(name: str, *, title: str, category: str, platform: str | None = None) -> None:
    """Register the task `name`, for every tenant. `platform`: the one that it is about; without, its parameters say so.

    Raises DuplicateTaskError, or ValueError for a bad name.
    """

    platform_field = _platform_field(of=platform)

    class EndpointParams(serializers.Serializer[Any]):
        """All of it is told to the endpoint, which alone knows what to do with it."""

        platform = platform_field
        website_url = serializers.RegexField(r"\Ahttps?://\S+\Z", required=False, max_length=MAX_URL)

    @task(name, params=EndpointParams, title=title, category=category, public=True)
    async def ask_endpoint(
        params: dict[str, Any], context: ExecutionContext, resources: Resources
    ) -> TargetResult:
        body = {
            "task_type": name,
            "platform": params.get("platform"),
            "website_url": params.get("website_url"),
            "user_id": context.user_id,
            **execution_content(context),
        }
        sent = {"method": "POST", "headers": {}, "json": body}
        return await http_request(sent, context, resources)


def _platform_field(*, of: str | None) -> Any:
    if of is not None:
        return serializers.ChoiceField(choices=[of], default=of)
    return serializers.CharField(required=False, max_length=50)


endpoint_task("oauth_token_monitoring", title="OAuth token monitoring", category="platforms")
endpoint_task("website_analysis", title="Website analysis", category="platforms")
