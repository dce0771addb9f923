"""Matrix B over HTTP: every route, every kind of caller, and the status that each must get."""

from __future__ import annotations

from string import Formatter
from typing import Any

import pytest

from tests.contract.asking import undone
from tests.isolation.callers import body_of, by_key, closed_callers, open_callers, people
from tests.isolation.routes import ROUTES, Route
from tests.isolation.seeds import canary
from tests.isolation.urlconf import offered_methods

# What a path may name that is no object of somebody's: whom the rows are of, and words of ours.
_NO_OBJECT = {"user"}
# Routes about the caller's own things, which only both Alices have.
_NOTHING_OF_ONES_OWN = {"connection-detail": {201, 404}}
NAMED_USERS = [route for route in ROUTES if "{user}" in route.path]


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def path_of(route: Route) -> str:
    return route.path.partition("?")[0]


def named_in(route: Route) -> set[str]:
    """The objects of its path; those of its query string are a filter, which finds nothing of others'."""
    return {name for _, name, _, _ in Formatter().parse(path_of(route)) if name}


def asked_as(send: Any, route: Route, objects: dict[str, Any]) -> Any:
    return send(route.method, route.path.format(**objects), route.body)


class TestTheTable:
    def test_every_route_and_method_has_a_row(self) -> None:
        """A new route without a row in the table fails here."""
        offered = {(name, method) for name, methods in offered_methods().items() for method in methods}
        assert offered == {(route.name, route.method) for route in ROUTES}

    @pytest.mark.parametrize("route", ROUTES, ids=name_of)
    def test_every_row_follows_the_rules(self, route: Route) -> None:
        """The statuses in the table are statements too; these are the ones they have to agree with."""
        if named_in(route) - _NO_OBJECT:
            colleagues = 200 if route.shared else 403
            assert (route.member, route.viewer, route.elsewhere) == (colleagues, colleagues, 404)
        if "{user}" in route.path:
            assert (route.member, route.viewer) == (403, 403)
        if route.method != "GET":
            assert route.viewer == 403
            assert not route.shared
        assert route.owner in (200, 201, 202, 204) or route.name == "health"
        if "?" not in route.path:
            assert route.admin in {route.owner} | _NOTHING_OF_ONES_OWN.get(route.name, set())


class TestRoutes:
    @pytest.mark.parametrize("path", sorted({path_of(route) for route in ROUTES}))
    def test_methods_without_a_row_are_not_allowed(self, objects: Any, cast: Any, path: str) -> None:
        offered = {route.method for route in ROUTES if path_of(route) == path}
        send = by_key(cast.alice, cast.host)
        for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE"} - offered):
            for slash in ("", "/"):
                response = send(method, path.format(**objects) + slash, {})
                assert response.status_code == 405, (method, response.content)
                assert set(response["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == offered
                assert response.json()["detail"]

    @pytest.mark.parametrize("route", ROUTES, ids=name_of)
    def test_who_gets_what(self, objects: Any, cast: Any, other_cast: Any, route: Route) -> None:
        for caller, (send, column) in open_callers(cast, other_cast).items():
            with undone():
                response = asked_as(send, route, objects)
                said = body_of(response)
            assert response.status_code == getattr(route, column), (caller, said)
            if column not in ("owner", "admin") and not (route.shared and column != "elsewhere"):
                echoed = objects["user"].encode() if "{user}" in route.path else b"\0"
                assert canary(cast.tenant).encode() not in said.replace(echoed, b""), caller
            if response.status_code >= 400 and route.name != "health":
                assert response.json()["detail"], caller

    @pytest.mark.parametrize("route", ROUTES, ids=name_of)
    def test_everyone_else_is_turned_away(
        self, objects: Any, cast: Any, other_cast: Any, route: Route
    ) -> None:
        for kind, (send, status) in closed_callers(cast, other_cast).items():
            with undone():
                response = asked_as(send, route, objects)
            assert response.status_code == status, (kind, response.content)
            assert response.json()["detail"], kind
            assert canary(cast.tenant).encode() not in body_of(response), kind

    @pytest.mark.parametrize("route", NAMED_USERS, ids=name_of)
    def test_other_users_paths_say_nothing_of_who_exists(
        self, objects: Any, cast: Any, other_cast: Any, route: Route
    ) -> None:
        others = [
            cast.alice.user_id,
            str(cast.alice.legacy_user_id),
            cast.ann.user_id,
            other_cast.alice.user_id,
            "nobody-at-all",
            "77777777",
            "%20",
            "0",
        ]
        for column, membership in people(cast).items():
            if column in ("owner", "admin"):
                continue
            send, answers = by_key(membership, cast.host), set()
            for user in others:
                response = asked_as(send, route, {**objects, "user": user})
                assert response.status_code == 403, (column, user)
                answers.add(response.content)
            assert len(answers) == 1, column

    @pytest.mark.parametrize("route", NAMED_USERS, ids=name_of)
    def test_a_user_of_another_tenant_is_as_unknown_as_none(
        self, objects: Any, cast: Any, other_cast: Any, route: Route
    ) -> None:
        send = by_key(other_cast.alice, other_cast.host)
        with undone():
            foreign = asked_as(send, route, objects)
        with undone():
            nobody = asked_as(send, route, {**objects, "user": "nobody-at-all"})
        assert foreign.status_code == nobody.status_code == route.elsewhere
        assert _without_times(foreign.json(), objects["user"]) == _without_times(
            nobody.json(), "nobody-at-all"
        )


def _without_times(payload: Any, user: str) -> Any:
    """`payload` without the user it echoes and without what a clock says."""
    return {
        key: None if value == user or key == "last_updated" or key.endswith("_at") else value
        for key, value in payload.items()
    }
