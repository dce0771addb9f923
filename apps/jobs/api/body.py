"""What a request's body says, in the flat names of the services; and their refusals, back as paths of the body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework.request import Request

from apps.jobs.payloads import POLICIES
from apps.jobs.specs import OWN_FIELDS, TRIGGER_FIELDS, JobRefused, JobSpec, TriggerSpec
from apps.tenants.api.body import json_object, only, shown
from apps.tenants.api.errors import InvalidFields

BLANK = JobSpec(name="", trigger=TriggerSpec(trigger_type=""))  # what a body fills in

__all__ = ["BLANK", "flat_fields", "json_object", "only", "refused"]

_OF_TRIGGER = {
    ("type" if name == "trigger_type" else name): name for name in TRIGGER_FIELDS if name != "timezone"
}
_OF_POLICIES = dict.fromkeys(POLICIES)
_PLAIN = frozenset(OWN_FIELDS) - {*POLICIES, "legacy_user_id", "calendar_id"} | {"timezone", "calendar"}
_PATHS = {flat: f"trigger.{name}" for name, flat in _OF_TRIGGER.items()} | {
    name: f"policies.{name}" for name in POLICIES
}
_PATHS["calendar_id"] = "calendar"


def reason_of(request: Request) -> Any:
    """The `reason` of a body that may have nothing else; a service says whether it will do. Raises InvalidFields."""
    return only(json_object(request), frozenset({"reason"})).get("reason", "")


def flat_fields(body: Mapping[str, Any], *, plain: frozenset[str] = _PLAIN) -> dict[str, Any]:
    """`trigger` and `policies` spread out beside the plain fields. Raises InvalidFields for keys that do not exist."""
    only(body, plain | {"trigger", "policies"})
    fields = {key: value for key, value in body.items() if key in plain}
    if isinstance(fields.get("user_id"), int) and not isinstance(fields["user_id"], bool):
        fields["user_id"] = str(fields["user_id"])  # as clients of older systems send it
    if "calendar" in fields:
        fields["calendar_id"] = _calendar_id(fields.pop("calendar"))
    fields |= dict(_spread(body, "trigger", _OF_TRIGGER))
    fields |= dict(_spread(body, "policies", {name: name for name in _OF_POLICIES}))
    return fields


def _calendar_id(given: Any) -> Any:
    """Ids go in and out as text; whether it is one of the tenant's is for the service to say."""
    text = given if isinstance(given, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else given


def _spread(body: Mapping[str, Any], key: str, names: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    if key not in body:
        return
    nested = body[key]
    if not isinstance(nested, Mapping):
        raise InvalidFields({key: "This has to be an object."})
    if unknown := sorted(str(name) for name in nested if name not in names):
        raise InvalidFields({f"{key}.{shown(name)}": "There is no such field." for name in unknown})
    for name, value in nested.items():
        yield names[name], value


def refused(error: JobRefused) -> InvalidFields:
    """A service's refusal as this API words it."""
    return InvalidFields({_PATHS.get(field, field): sentence for field, sentence in error.errors.items()})
