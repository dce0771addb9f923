"""Matrix A, payloads: what every endpoint answers is what the contract says, whatever the tenant holds."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.contract import mutation, records, schemas
from tests.contract.asking import asked, checked, filled, undone
from tests.contract.client import MemberClient
from tests.contract.deeds import DEEDS
from tests.contract.endpoints import LISTS, NEVER_EMPTY, READS, WITHOUT_SCHEMA, Endpoint
from tests.contract.schemas import executions
from tests.isolation.urlconf import offered_methods
from tests.plugins.worlds import World

SOME, MANY = 24, 2_000
EVERYTHING = [*READS, *DEEDS]
_BY_SCHEMA: dict[int, list[Endpoint]] = {}
for _endpoint in EVERYTHING:
    _BY_SCHEMA.setdefault(id(_endpoint.schema), []).append(_endpoint)
# Of lists with rows of every kind, by the first endpoint of their schema: the keys that stay null all the same. The
# last page has no next one, only the scheduler's own logs are of events, and these jobs' contents can be opened.
ALWAYS_NULL = {
    "jobs": {"next_cursor", "payload_error"},
    "logs": {"next_cursor", "event_type"},
    "events": {"next_cursor"},
    "needy": set[str](),
}
SHARED_SCHEMAS = list(_BY_SCHEMA.values())


def test_every_route_and_method_has_a_schema() -> None:
    offered = {(name, method) for name, methods in offered_methods().items() for method in methods}
    assert {(endpoint.route, endpoint.method) for endpoint in EVERYTHING} | WITHOUT_SCHEMA == offered


@pytest.mark.django_db
class TestEmptyTenant:
    @pytest.mark.parametrize("endpoint", [e for e in READS if e.empty], ids=str)
    @pytest.mark.parametrize("role", ["alice", "bob"])
    def test_an_empty_tenant(self, cast: Any, endpoint: Endpoint, role: str) -> None:
        asks = getattr(cast, role)
        status = endpoint.empty if role == "alice" or endpoint.member == 200 else endpoint.member
        ids = {"user": asks.user_id}
        payload = checked(MemberClient(asks), endpoint, ids, status=status or 0)
        if endpoint.key and status == 200 and endpoint.name not in NEVER_EMPTY:
            assert payload[endpoint.key] == []
            assert payload["total_count"] == 0


class TestShapes:
    @pytest.mark.parametrize("role", ["alice", "bob"])
    @pytest.mark.parametrize("endpoint", EVERYTHING, ids=str)
    def test_a_few_rows_of_each_kind(self, world: World, endpoint: Endpoint, role: str) -> None:
        status = endpoint.status if role == "alice" else endpoint.member
        checked(MemberClient(world.asker(role)), endpoint, world.ids(role), status=status)

    @pytest.mark.parametrize("endpoints", SHARED_SCHEMAS, ids=lambda same: str(same[0]))
    def test_each_key_and_type_is_guarded(self, world: World, endpoints: list[Endpoint]) -> None:
        """Remove each key once and change each type once: the schema must see it, and every place must be tried."""
        schema, tried = endpoints[0].schema, set()
        for endpoint in endpoints:
            with undone():
                payload = checked(MemberClient(world.cast.alice), endpoint, world.ids())
            for guard in mutation.guards(schema, payload):
                tried.add(guard.path)
                if not guard.is_item and guard.is_required:
                    assert schemas.violations(schema, guard.without(payload)), guard.path
                if guard.has_type:
                    assert schemas.violations(schema, guard.of_wrong_type(payload)), guard.path
        assert tried == set(mutation.places(schema))

    @pytest.mark.parametrize("name", ALWAYS_NULL)
    def test_each_key_has_a_value_somewhere(self, world: World, name: str) -> None:
        """A key that is null in every row of every kind has lost its value, which no schema sees."""
        [endpoints] = [same for same in SHARED_SCHEMAS if same[0].name == name]
        schema, ids, client = endpoints[0].schema, world.ids(), MemberClient(world.cast.alice)
        payloads = [checked(client, endpoint, ids) for endpoint in endpoints]
        found = {path for payload in payloads for path in mutation.filled_places(schema, payload)}
        missing = {path[-1] for path in set(mutation.places(schema)) - found}
        assert missing == ALWAYS_NULL[name]

    @pytest.mark.parametrize("endpoint", READS, ids=str)
    def test_with_and_without_a_trailing_slash(self, world: World, endpoint: Endpoint) -> None:
        client, ids = MemberClient(world.cast.alice), world.ids()
        plain = asked(client, endpoint, ids)
        slashed = client.get(endpoint.at(ids) + "/", **filled(endpoint.query, ids))
        assert (plain.status_code, slashed.status_code) == (200, 200)
        assert plain.json().keys() == slashed.json().keys()


@pytest.mark.django_db
class TestExport:
    """`execution-logs.csv`: the filtered logs as a file that a spreadsheet opens and does not run."""

    def test_it_has_the_columns_of_a_log_and_the_rows_of_the_list(self, cast: Any) -> None:
        client = MemberClient(cast.alice)
        assert _exported(client) == []
        ids = records.small(cast.alice)
        for query in ({}, {"status": "failed"}, {"status": "skipped"}, {"job_id": str(ids["job"])}):
            listed = client.ok("execution-logs", limit="500", **query)["logs"]
            rows = _exported(client, **query)
            assert [row["id"] for row in rows] == [str(log["id"]) for log in listed]
            assert rows
            assert [row["status"] for row in rows] == [log["status"] for log in listed]
            assert [row["error_message"] for row in rows] == [log["error_message"] or "" for log in listed]
            assert rows[0].keys() >= executions.CSV_COLUMNS

    @pytest.mark.parametrize("formula", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
    def test_formulas_are_inert(self, cast: Any, formula: str) -> None:
        made = records.Records(cast.alice)
        at = records.now()
        made.finished(
            made.job(), at, error_text=formula, job_name=formula, worker=formula, error_message=formula
        )
        [row] = _exported(MemberClient(cast.alice))
        for column in ("task_title", "worker", "error_message"):
            assert row[column].startswith("'"), column
            assert row[column].removeprefix("'").strip() == formula.strip(), column


def _exported(client: MemberClient, **query: str) -> list[dict[str, str]]:
    response = client.get("execution-logs.csv", **query)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/csv")
    assert "attachment" in response["Content-Disposition"]
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.django_db
class TestManyRows:
    """Thousands of rows in each list, made once for the walks through all of them."""

    def test_every_list_can_be_walked_and_costs_the_same(self, cast: Any, settings: Any) -> None:
        settings.LEADER_TRUST_WINDOW = 3600  # all of this takes a while
        client = MemberClient(cast.alice)
        few = records.large(cast.alice, SOME)
        cheap = {endpoint.name: self._queries(client, endpoint, few) for endpoint in READS}
        ids = records.large(cast.alice, MANY - SOME)
        for endpoint in READS:
            checked(client, endpoint, ids)
            # Fewer is as good: a page that is short of rows looks further back once more.
            assert self._queries(client, endpoint, ids) <= cheap[endpoint.name], endpoint.name
            assert cheap[endpoint.name] <= 25, endpoint.name
        for endpoint in LISTS:
            by_offset = self._walk(client, endpoint, by_cursor=False)
            by_cursor = self._walk(client, endpoint, by_cursor=True)
            assert by_offset == by_cursor
            assert len(set(by_cursor)) == len(by_cursor) == MANY

    @staticmethod
    def _queries(client: MemberClient, endpoint: Endpoint, ids: dict[str, Any]) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert asked(client, endpoint, ids).status_code == 200
        return len(queries)

    @staticmethod
    def _walk(client: MemberClient, endpoint: Endpoint, *, by_cursor: bool) -> list[Any]:
        seen: list[Any] = []
        position: dict[str, Any] = {}
        while True:
            page = client.ok(endpoint.at({}), **endpoint.query, limit=331, **position)
            assert schemas.violations(endpoint.schema, page) == []
            assert page["total_count"] == MANY
            seen += [row["id"] for row in page[endpoint.key]]
            if not page["has_more"]:
                assert page["next_cursor"] is None
                return seen
            assert len(page[endpoint.key]) == 331
            position = {"cursor": page["next_cursor"]} if by_cursor else {"offset": len(seen)}
