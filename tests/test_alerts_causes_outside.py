"""As test_alerts_causes: what only somebody outside can see, told by a Prometheus that scrapes a web process.

Its rules are the product's, but that what has to last for a minute has to last for a second here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
import pytest
import yaml
from django.conf import settings

from apps.leadership.locks import CLASS, Lock
from apps.operations.alerts.definitions import ALERTS, STALE_SECONDS
from tests import test_alerts_causes, test_alerts_causes_data
from tests.alerts import Watch
from tests.clusters import Cluster, cluster, free_port, shared_directory
from tests.replicas import wait_for
from tests.runbooks import REPAIRS, OnCall
from tests.web import served

QUICK = {"interval": "100ms", "for": "1s"}
RULES = Path(settings.BASE_DIR) / "docs" / "monitoring" / "prometheus-rules.yml"


def test_each_alert_has_its_cause_and_its_repair() -> None:
    runbooks = {alert.runbook for alert in ALERTS}
    assert REPAIRS.keys() == runbooks
    there = {**vars(test_alerts_causes), **vars(test_alerts_causes_data), **globals()}
    assert {runbook for runbook in runbooks if f"test_{runbook}" not in there} == set()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(shared_directory(tmp_path_factory)) as made:
        yield made


@pytest.fixture(scope="module")
def prometheus(server: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    directory = tmp_path_factory.mktemp("prometheus")
    with served(server.url(), directory) as web, scraping(web, directory) as address:
        yield address


@contextmanager
def scraping(web: int, directory: Path) -> Iterator[str]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian's package prometheus)")
    rules = re.sub(r"(interval|for): \d+s", lambda found: f"{found[1]}: {QUICK[found[1]]}", RULES.read_text())
    (directory / "rules.yml").write_text(rules)
    job = {"job_name": "web", "static_configs": [{"targets": [f"127.0.0.1:{web}"]}]}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [job],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


class Outside(Watch):
    """An alert as that Prometheus has it."""

    address: str

    def comes_to(self, state: str) -> None:
        """`firing`, or `inactive`."""
        wait_for(lambda: self._state() == state, f"{self.alert.name} is {state}", seconds=30)
        self.saw(state == "firing")

    def _state(self) -> str:
        """Empty before it has been evaluated."""
        with suppress(URLError), urlopen(f"{self.address}/api/v1/rules") as answer:
            (group,) = json.load(answer)["data"]["groups"]
            (rule,) = [rule for rule in group["rules"] if rule["name"] == self.alert.name]
            return str(rule["state"]) if rule["health"] == "ok" else ""
        return ""


@pytest.fixture
def watch(
    server: Cluster, prometheus: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Outside]:
    with OnCall(server.url(), tmp_path) as on_call:
        watch = Outside(request.node.name.removeprefix("test_"), on_call)
        watch.address = prometheus
        yield watch
        watch.assert_mended()


def test_database_down(watch: Outside, server: Cluster) -> None:
    watch.comes_to("inactive")
    server.stop()
    watch.comes_to("firing")

    def docker(words: list[str]) -> None:
        """For whoever has the server of `compose.yaml`; this one has no service manager but its own program."""
        assert words == ["compose", "start", "postgres"]
        server.start()

    watch.on_call.stand_ins["docker"] = docker
    watch.act()
    watch.comes_to("inactive")


def test_alerts_stale(watch: Outside, server: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS_INTERVAL", "0.5")
    watch.comes_to("firing")  # nobody has ever evaluated them
    watch.act("*No worker runs*")
    watch.comes_to("inactive")
    with closing(psycopg.connect(server.url(), autocommit=True)) as hangs:
        hangs.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS, Lock.ALERTS])
        ages = "UPDATE operations_alertstate SET evaluated_at = evaluated_at - make_interval(secs => %s)"
        hangs.execute(ages, [STALE_SECONDS])
        watch.comes_to("firing")
        ((holder, *_),) = watch.read("*Workers run and should evaluate*")
        watch.act("End it.", pid=holder)
        watch.comes_to("inactive")
