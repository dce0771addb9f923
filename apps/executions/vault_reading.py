"""Reading a tenant's vault for a worker: through Django's connection, inside that tenant's scope, in one go."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from django.db import InterfaceError, OperationalError, connection

from apps.executions.targets.context import EndpointContent
from apps.tenants.context import all_tenants_scope, tenant_scope
from apps.tenants.crypto import CannotOpen
from apps.tenants.models import Tenant
from apps.vault import services as vault

logger = logging.getLogger(__name__)
T = TypeVar("T")
FRESH_SECONDS = 60.0


class Key(NamedTuple):
    tenant_id: int
    job_id: int
    version: int


class Surroundings(NamedTuple):
    """Of a tenant. A rotated secret or a new URL is told by a notification; `expires` (monotonic) is when it is looked
    for without one.
    """

    schema_name: str
    endpoint: EndpointContent | None
    secrets: Mapping[str, list[str]]
    expires: float
    redact: tuple[str, ...] = ()  # keys whose values are not kept, of its plan


class Read(NamedTuple):
    """Contents with their size in characters. What is missing is left out; a tenant that is gone is None."""

    tenant: Surroundings | None
    contents: dict[Key, tuple[dict[str, Any], int]]


def read(tenant_id: int, keys: list[Key], names: Iterable[str]) -> Read:
    """The tenant's surroundings with the secrets of these names, and these contents and the secrets that they name.

    Raises Django's OperationalError or InterfaceError while the database is away.
    """
    try:
        return _read_vault(tenant_id, keys, names)
    except (OperationalError, InterfaceError):
        # The server was restarted, perhaps: once more on a new connection.
        connection.close()
        return _read_vault(tenant_id, keys, names)


def _read_vault(tenant_id: int, keys: list[Key], names: Iterable[str]) -> Read:
    with all_tenants_scope():
        tenant = Tenant.objects.select_related("plan").filter(pk=tenant_id).first()
    if tenant is None:
        return Read(None, {})
    with tenant_scope(tenant):
        found = _open_contents(keys)
        wanted = {*names, *filter(None, (_secret_name(content) for content, _ in found.values()))}
        values = {name: _opened(partial(vault.secret_get, name), tenant, f"secret {name}") for name in wanted}
        endpoint = _opened(vault.endpoint_get, tenant, "endpoint")
    surroundings = Surroundings(
        schema_name=str(tenant.schema_name),
        endpoint=None if endpoint is None else EndpointContent(endpoint.url, endpoint.secrets),
        secrets={name: [] if value is None else [value] for name, value in values.items()},
        expires=monotonic() + FRESH_SECONDS,
        redact=tuple(tenant.plan.redact),
    )
    return Read(surroundings, found)


def _opened(get: Callable[[], T | None], tenant: Tenant, what: str) -> T | None:
    """As if it were not there when it cannot be opened: only the jobs that need it fail, and say what they miss."""
    try:
        return get()
    except CannotOpen as error:
        logger.warning("tenant %s: its %s cannot be opened: %s", tenant.schema_name, what, error)
        return None


def _open_contents(keys: list[Key]) -> dict[Key, tuple[dict[str, Any], int]]:
    contents = vault.contents_get((key.job_id, key.version) for key in keys)
    found = {key: contents.get((key.job_id, key.version)) for key in keys}
    return {key: (content, len(json.dumps(content))) for key, content in found.items() if content is not None}


def _secret_name(content: dict[str, Any]) -> str | None:
    """None also for what no secret is called: what the database cannot look up would take the other contents along."""
    name = content.get("secret")
    return name if isinstance(name, str) and name.isprintable() else None
