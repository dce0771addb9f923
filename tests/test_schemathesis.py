"""Strangers' requests, made up from the API's own description, to the running server: no 5xx, and no answer whose
status, content type or shape is not described.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract import records
from tests.factories import MembershipFactory, key_of
from tests.web import served

pytestmark = pytest.mark.same_on_every_postgres

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 3  # of each operation, for each caller and each of three sets of ids
# Always the same requests: a run that fails can be repeated, and one that passes was no luck.
BOUNDED = hypothesis_settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# What a path may name, by `records.small`'s names: real objects, so that requests get past the 404.
_IDS = {
    "job_id": ("job", "paused", "failing"),
    "log_id": ("success", "failed"),
    "execution_id": ("failed", "pending"),
    "task_id": ("failing",),
    "task_type": ("type",),
    "user_id": ("user",),
    "key_id": ("key",),
    "member_id": ("colleague",),
    "invitation_id": ("invitation",),
}


@pytest.fixture
def server(live_db: str, tmp_path: Path) -> Iterator[str]:
    with served(live_db, tmp_path, LEADER_TRUST_WINDOW="3600") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("caller", ["owner of acme", "member of acme", "owner of bravo"])
def test_nothing_is_answered_that_is_not_described(
    server: str, cast: Any, other_cast: Any, caller: str
) -> None:
    asks = {"owner of acme": cast.alice, "member of acme": cast.bob, "owner of bravo": other_cast.alice}[
        caller
    ]
    colleague = MembershipFactory(tenant=cast.tenant, username="eve", role="member")
    # Bravo's owner asks for Acme's objects, Bob for his own and those of a colleague.
    own, foreign = records.small(asks), records.small(colleague)
    asked = _Asking(server, f"{asks.tenant.schema_name}.localhost", key_of(asks)[1])
    made_up = (GenerationMode.NEGATIVE, dict[str, Any]())
    seen = asked.ask_everything([made_up, (GenerationMode.POSITIVE, own), (GenerationMode.POSITIVE, foreign)])
    assert seen.failures == []
    assert seen.statuses["200"] > 20, seen.statuses
    assert seen.statuses["400"] > 20, seen.statuses
    assert asked.is_still_known()


class _Asking:
    """One caller's made-up requests."""

    def __init__(self, server: str, host: str, key: str) -> None:
        self.server = server
        self.headers = {"Host": host, "Authorization": f"Bearer {key}"}
        self.session = requests.Session()
        self.statuses: Counter[str] = Counter()
        self.failures: list[str] = []

    def ask_everything(self, ways: list[tuple[GenerationMode, dict[str, Any]]]) -> _Asking:
        schema = schemathesis.openapi.from_url(f"{self.server}/api/scheduler/schema", headers=self.headers)
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) > 30
        for operation in operations:
            for mode, ids in ways:
                self._ask(operation, mode, ids)
        return self

    def is_still_known(self) -> bool:
        """Whether the key still opens anything: all that was asked with it would have proved little otherwise."""
        return self._get("jobs") == 200

    def _get(self, path: str) -> int:
        return self.session.get(f"{self.server}/api/scheduler/{path}", headers=self.headers).status_code

    def _ask(self, operation: Any, mode: GenerationMode, ids: dict[str, Any]) -> None:
        strategy = operation.as_strategy(generation_mode=mode)

        @BOUNDED
        @given(case=strategy)
        def ask(case: Any) -> None:
            for name in case.path_parameters or {}:
                for known in _IDS.get(name, ()):
                    if known in ids:
                        case.path_parameters[name] = ids[known]
            response = case.call(base_url=self.server, headers=self.headers, session=self.session)
            self.statuses[str(response.status_code)] += 1
            try:
                case.validate_response(response, checks=CHECKS, headers=self.headers)
            except FailureGroup as group:
                told = f"{case.method} {case.formatted_path} {response.status_code}"
                self.failures += [f"{told}: {one.title}: {one.message[:300]}" for one in group.exceptions]

        ask()
