"""A Postgres connection that is always in the scope it says it is in.

A *scope* is a pair: the schema whose tables come first, and whether row security shows every tenant. django-tenants
sends `SET search_path` before each cursor and carries on when that statement fails, so a cancelled statement leaves
the next query in the previous tenant. Here the pair is a property of the wrapper; a change is one statement, sent
before the next cursor is handed out, and a connection on which that statement failed is closed, not used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from django.utils.asyncio import async_unsafe
from django_tenants.postgresql_backend.base import DatabaseWrapper as TenantsWrapper
from django_tenants.postgresql_backend.base import FakeTenant, original_backend
from django_tenants.utils import get_public_schema_name
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

_APPLY = "SELECT set_config('search_path', %s, false), set_config('scheduler.all_tenants', %s, false)"


class Scope(NamedTuple):
    """What a connection may see: the tables on its `path`, and one tenant's shared rows or all of them."""

    path: str
    all_tenants: bool


class DatabaseWrapper(TenantsWrapper):
    """django-tenants' wrapper with its search path handling replaced by `Scope`.

    `refuse_route`, where it is set, gets a connection and another one beside it, the first time that this process
    connects, and raises what speaks against the way to the server: a scope that belongs to a session would be lost, or
    another client's found, where a pooler lends sessions by the transaction. `patience` are a connection's timeouts.
    """

    refuse_route: ClassVar[Callable[[Any, Any], None] | None] = None
    patience: ClassVar[dict[str, int]] = {}
    _accepted_routes: ClassVar[set[str]] = set()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._applied: Scope | None = None
        self._applied_in_transaction = False
        self.all_tenants = False
        self.migrating = (
            False  # the migrate command sets it: migrations under FORCE would see no rows, silently
        )
        self.direct_route = ""  # a scheduler's: a conninfo that goes before the settings
        super().__init__(*args, **kwargs)

    # -- the scope that is wanted ------------------------------------------------------------------------------

    @property
    def scope(self) -> Scope:
        path = ", ".join(f'"{schema}"' for schema in self._get_cursor_search_paths())
        return Scope(path, self.all_tenants or self.migrating)

    def set_scope(self, tenant: Any, *, all_tenants: bool, include_public: bool = True) -> None:
        """Want `tenant` (anything with a `schema_name`) from the next cursor on."""
        self.tenant = tenant
        self.schema_name = tenant.schema_name
        self.include_public_schema = include_public
        self.all_tenants = all_tenants
        self.set_settings_schema(self.schema_name)

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:
        """django-tenants' entrance; its own commands use it. Leaves the all-tenants view, whatever it was."""
        self.set_scope(tenant, all_tenants=False, include_public=include_public)

    def set_schema_to_public(self) -> None:
        self.set_tenant(FakeTenant(schema_name=get_public_schema_name()))

    # -- and its way to the server -----------------------------------------------------------------------------

    def get_connection_params(self) -> dict[str, Any]:
        if self.settings_dict.get("EMBEDDED"):
            from scheduler_saas import embedded

            settings = embedded.connection_settings()
            for key in ("HOST", "PORT", "USER", "PASSWORD"):
                self.settings_dict[key] = settings[key]
        params: dict[str, Any] = super().get_connection_params()
        if self.direct_route:
            params |= conninfo_to_dict(self.direct_route)
        return {**self.patience, **params}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._applied = None
        made = super().get_new_connection(conn_params)
        try:
            self._examine(made, conn_params)
        except BaseException:
            made.close()
            raise
        return made

    def _examine(self, made: Any, conn_params: dict[str, Any]) -> None:
        """Once a process and route: what lends sessions by the transaction does so from its first client on."""
        refuse, route = type(self).refuse_route, made.info.dsn
        if refuse is None or route in self._accepted_routes:
            return
        with super().get_new_connection(conn_params) as other:
            made.autocommit = other.autocommit = True  # Django sets its own when this is done
            refuse(made, other)
        self._accepted_routes.add(route)

    def _cursor(self, name: str | None = None) -> Any:
        cursor = original_backend.DatabaseWrapper._cursor(self, name=name)
        try:
            self._apply_scope()
        except BaseException:
            # Whether the server took the new scope is unknown, so nothing may run here any more.
            self._applied = None
            self.close()
            raise
        return cursor

    def _apply_scope(self) -> None:
        wanted = self.scope
        if wanted == self._applied:
            return
        status = self.connection.info.transaction_status
        if status == TransactionStatus.INERROR:
            return  # the server refuses all but ROLLBACK, after which `_applied` is unknown again
        with self.connection.cursor() as cursor, self.wrap_database_errors:
            cursor.execute(_APPLY, (wanted.path, "on" if wanted.all_tenants else "off"))
        self._applied = wanted
        self._applied_in_transaction = self.connection.info.transaction_status == TransactionStatus.INTRANS

    def _forget_scope(self) -> None:
        """A setting made inside a transaction or savepoint goes when that is rolled back."""
        self._applied = None
        self._applied_in_transaction = False

    @async_unsafe
    def commit(self) -> None:
        # COMMIT of a failed transaction is answered by ROLLBACK without an error.
        if self._applied_in_transaction:
            self._forget_scope()
        super().commit()

    @async_unsafe
    def rollback(self) -> None:
        self._forget_scope()
        super().rollback()

    @async_unsafe
    def savepoint_rollback(self, sid: str) -> None:
        try:
            super().savepoint_rollback(sid)
        finally:
            self._forget_scope()

    @async_unsafe
    def close(self) -> None:
        self._forget_scope()
        super().close()
