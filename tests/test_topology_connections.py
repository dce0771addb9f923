"""Sessions: how many each process has, what happens when there is room for none, and when there is no server."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.chaos.checker import check
from tests.chaos.fleet import Fleet
from tests.chaos.history import read
from tests.chaos.recorder import recording
from tests.clusters import Cluster, cluster, manage, shared_directory
from tests.replicas import running_command, wait_for
from tests.seeding import seed
from tests.web import served

ROOM = 28
SCHEDULER, WORKER, WEB_THREADS = 1, 4, 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(shared_directory(tmp_path_factory), max_connections=str(ROOM)) as made:
        yield made


class Hog:
    """Other clients of the same role: as many as there is room for, and whoever leaves is followed by another."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.held: list[psycopg.Connection[Any]] = []
        self.full = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._fill)

    def _fill(self) -> None:
        while not self._stopping.is_set():
            try:
                self.held.append(psycopg.connect(self._url))
            except psycopg.OperationalError:
                self.full.set()
                time.sleep(0.002)

    def __enter__(self) -> Hog:
        self._thread.start()
        assert self.full.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._thread.join(10)
        for connection in self.held:
            connection.close()


def test_the_budget_of_each_process(server: Cluster, tmp_path: Path) -> None:
    """The numbers of docs/operations.md."""
    with ExitStack() as stack, server.admin() as admin:

        def sessions() -> list[str]:
            sql = "SELECT application_name FROM pg_stat_activity WHERE usename = 'scheduler'"
            return [name for (name,) in admin.execute(sql)]

        def of(kind: str) -> int:
            return Counter(name.split(" ")[1] if " " in name else "" for name in sessions())[kind]

        def open_files(command: str, *words: str) -> None:
            stack.enter_context(running_command(server.url(), tmp_path / command, command, *words))

        port = stack.enter_context(served(server.url(), tmp_path, WEB_THREADS=str(WEB_THREADS)))
        ask = f"http://127.0.0.1:{port}/readyz"
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: urllib.request.urlopen(ask, timeout=10).status, range(64)))
        assert 1 <= len(sessions()) <= WEB_THREADS
        web = len(sessions())
        open_files("run_scheduler", "--replica", "a")
        open_files("run_scheduler", "--replica", "b")
        open_files("run_worker", "--name", "w")
        wait_for(lambda: of("leader") == 2 * SCHEDULER, "two schedulers")
        wait_for(lambda: len(sessions()) == web + 2 * SCHEDULER + WORKER, "the worker's four", seconds=10)
        assert of("worker") == WORKER - 1, "the fourth, which reads contents, is Django's"


def test_with_no_room_left_the_leader_leads_and_the_others_come_back(server: Cluster, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    fleet = Fleet(server.url(), tmp_path / "log")
    said = fleet.log.read_text
    with server.admin() as admin, recording(admin) as recorder:

        def scalar(sql: str) -> Any:
            row = admin.execute(sql).fetchone()  # type: ignore[call-overload]
            assert row is not None
            return row[0]

        def done() -> int:
            return int(scalar("SELECT count(*) FROM executions_executionlog"))

        admin.execute("TRUNCATE leadership_leaderterm")  # of the test before
        seed(server.url(), runs)
        try:
            for member in fleet.members:
                fleet.start(member)
            wait_for(lambda: done() > 20, "it runs", seconds=60)
            connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'scheduler %'"
            wait_for(lambda: scalar(connected) >= 2 + 2 * 3, "all sessions")
            term = "SELECT epoch FROM leadership_leaderterm WHERE ended_at IS NULL"
            epoch, before = scalar(term), done()
            with Hog(server.url()):
                wait_for(lambda: done() > before + 40, "full, and it goes on", seconds=60)
                leader = f"(SELECT backend_pid FROM leadership_leaderterm WHERE epoch = {epoch})"
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    f" WHERE application_name LIKE 'scheduler %' AND pid <> {leader}"  # type: ignore[arg-type]
                )
                wait_for(lambda: said().count("no session (") >= 3, "the standby tries again")
                wait_for(lambda: said().count("the database session ended") >= 6, "the workers try again")
                assert "trying again in 0.4 s" in said(), "less and less often"
                assert scalar(term) == epoch, "the leader needs no new session"
                made = "SELECT count(*) FROM executions_execution"
                waiting = scalar(made)
                wait_for(lambda: scalar(made) > waiting + 20, "it goes on dispatching")
            wait_for(lambda: "connected again" in said(), "the standby is back")
            assert scalar(term) == epoch
            late = (
                "SELECT count(*) FROM executions_execution WHERE run_at < clock_timestamp() - interval '4 s'"
            )
            wait_for(lambda: scalar(late) == 0, "workers are back and have caught up")
            stopped_at = scalar("SELECT clock_timestamp()")
            assert fleet.stop(fleet.schedulers, seconds=15) == []
            wait_for(lambda: scalar(made) == 0, "an empty queue")
            assert fleet.stop(fleet.workers, seconds=20) == []
        finally:
            fleet.end()
        recorder.listen(0.2)
        history = read(admin, commits=recorder.commits, runs=runs, stopped_at=stopped_at)
        results = admin.execute(
            "SELECT execution_id, result FROM executions_executionoutput WHERE result IS NOT NULL"
        )
        history.results = dict(results.fetchall())
    assert check(history) == []
    assert fleet.deaths == []


def test_slots_can_be_kept_for_those_that_must_not_be_without(server: Cluster) -> None:
    """The recipes of docs/operations.md: a limit for the web's own login, slots that others cannot have."""
    with server.admin() as admin, ExitStack() as stack:
        admin.execute(
            "CREATE ROLE scheduler_web LOGIN NOSUPERUSER NOBYPASSRLS CONNECTION LIMIT 3 IN ROLE scheduler"
        )
        admin.execute("ALTER ROLE scheduler_web SET role = 'scheduler'")
        web = server.url("scheduler_web")
        assert manage(web, "check", "--database", "default").returncode == 0
        for _ in range(3):
            session = stack.enter_context(closing(psycopg.connect(web)))
            assert session.execute("SELECT current_user").fetchone() == ("scheduler",)
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(web)
        psycopg.connect(server.url()).close()
        if server.major >= 16:
            admin.execute("ALTER SYSTEM SET reserved_connections = 5")
            admin.execute("GRANT pg_use_reserved_connections TO scheduler")
            admin.execute("CREATE ROLE other LOGIN")
    if server.major >= 16:
        server.stop()
        server.start()
        with Hog(server.url("other")):
            for _ in range(3):
                psycopg.connect(server.url()).close()


def test_a_process_without_a_server_says_so_and_goes_on_trying(tmp_path: Path) -> None:
    """A refused port, a name that nobody knows, and a server that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        refused = closed.getsockname()[1]
    with ExitStack() as stack:
        silent = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0)))).getsockname()[1]
        cases = {
            "refused": (f"127.0.0.1:{refused}", "Connection refused"),
            "unknown": ("nobody.invalid:5432", "nobody.invalid"),
            "silent": (f"127.0.0.1:{silent}", "timeout expired"),
        }
        processes = {}
        for case, (address, _) in cases.items():
            url = f"postgresql://scheduler@{address}/scheduler?connect_timeout=2"
            command = "run_worker" if case == "refused" else "run_scheduler"
            processes[case] = stack.enter_context(running_command(url, tmp_path / case, command))
        for case, (_, reason) in cases.items():
            said = (tmp_path / case).read_text
            wait_for(lambda said=said: said().count("no database yet") >= 2, case)  # type: ignore[misc]
            assert reason in said()
            assert "trying again in 0.2 s" in said()
            assert processes[case].poll() is None
        for process in processes.values():
            process.terminate()
            process.wait(5)


def test_a_silent_server_is_given_up_whatever_the_url_says(live_db: str) -> None:
    from django.db import connection

    params = connection.get_connection_params()
    assert params["connect_timeout"] == 5
    assert params["tcp_user_timeout"] == 4000
