"""Matrix B: a connection is in the scope it says it is in, whatever happens to its statements."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import DatabaseError, InternalError, connection, transaction

from apps.jobs.models import Job
from apps.tenants.context import all_tenants_scope, current_schema_name, tenant_scope
from apps.tenants.machine import database_url
from apps.tenants.models import Tenant
from tests.isolation.callers import body_of, by_key
from tests.isolation.raw import rows
from tests.isolation.seeds import canary, seed


@pytest.fixture
def seeded(db, acme, bravo, cast, other_cast):
    seed(acme, cast.alice)
    seed(bravo, other_cast.alice)


def test_a_scope_ends_with_its_block_whatever_happens(seeded, acme, bravo):
    with pytest.raises(ZeroDivisionError), tenant_scope(acme):
        with tenant_scope(bravo):
            assert {job.tenant_id for job in Job.objects.all()} == {bravo.pk}
        assert {job.tenant_id for job in Job.objects.all()} == {acme.pk}
        raise ZeroDivisionError
    assert current_schema_name() == "public"
    assert Job.objects.count() == 0


def test_rolled_back_scopes_and_savepoints(seeded, acme, bravo):
    """A setting made inside a transaction goes when that is rolled back; the next query must not notice."""
    for tenant in (acme, bravo) * 25:
        with pytest.raises(ZeroDivisionError), transaction.atomic(), tenant_scope(tenant):
            assert {job.tenant_id for job in Job.objects.all()} == {tenant.pk}
            with pytest.raises(DatabaseError), transaction.atomic(), all_tenants_scope():
                rows("SELECT 1/0")
            assert {job.tenant_id for job in Job.objects.all()} == {tenant.pk}
            raise ZeroDivisionError
        assert Job.objects.count() == 0
        with tenant_scope(bravo if tenant is acme else acme):
            assert tenant.pk not in {job.tenant_id for job in Job.objects.all()}


def test_another_thread_starts_outside_every_tenant(live_db, acme, cast):
    seed(acme, cast.alice)

    def count() -> int:
        try:
            return Job.objects.count()
        finally:
            connection.close()

    with tenant_scope(acme):
        assert Job.objects.count() == 1
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(count).result() == 0
        hop = async_to_sync(sync_to_async(count, thread_sensitive=False))
        assert hop() == 0
        assert Job.objects.count() == 1


def _close_all(pool: ThreadPoolExecutor, threads: int) -> None:
    """Close the connection of each thread: they wait for one another, so none does it twice."""
    together = threading.Barrier(threads)

    def close() -> None:
        together.wait(30)
        connection.close()

    for closed in [pool.submit(close) for _ in range(threads)]:
        closed.result(30)


def test_hops_between_threads_and_tasks_stay_in_their_tenants(live_db, acme, bravo, cast, other_cast):
    """Tasks of two tenants take turns at every await, on a few threads that serve both."""
    seed(acme, cast.alice)
    seed(bravo, other_cast.alice)

    def seen(tenant: Tenant) -> set[int]:
        with tenant_scope(tenant):
            first = {job.tenant_id for job in Job.objects.all()}
            return first | {row[0] for row in rows("SELECT tenant_id FROM executions_executionlog")}

    async def ask(tenant: Tenant, pool: ThreadPoolExecutor) -> None:
        for _ in range(50):
            found = await sync_to_async(seen, thread_sensitive=False, executor=pool)(tenant)
            assert found == {tenant.pk}
            outside = await sync_to_async(Job.objects.count, thread_sensitive=False, executor=pool)()
            assert outside == 0

    async def both() -> None:
        with ThreadPoolExecutor(2) as pool:
            await asyncio.gather(*(ask(tenant, pool) for tenant in (acme, bravo) * 3))
            await asyncio.to_thread(_close_all, pool, 2)

    asyncio.run(both())


def test_requests_of_two_tenants_on_the_same_threads(live_db, acme, bravo, cast, other_cast):
    """Also behind a request that failed, whose transaction was rolled back."""
    seed(acme, cast.alice)
    seed(bravo, other_cast.alice)
    sides = [
        (by_key(cast.alice, cast.host), canary(bravo)),
        (by_key(other_cast.alice, other_cast.host), canary(acme)),
    ]

    def ask(number: int) -> None:
        send, foreign = sides[number % 2]
        for method, path in (("GET", "jobs"), ("POST", "jobs"), ("GET", "execution-logs"), ("GET", "jobs/1")):
            response = send(method, path, {} if method == "POST" else None)
            assert response.status_code in (200, 400, 404)
            assert foreign.encode() not in body_of(response)
        assert Job.objects.count() == 0, "a request left its tenant behind"

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(ask, number) for number in range(60)]:
            done.result()
        _close_all(pool, 3)


def test_cancelled_statements_never_show_another_tenant(live_db, acme, bravo, cast, other_cast):
    """A statement that sets the scope may be cancelled like any other; the query behind it must then not run."""
    seed(acme, cast.alice)
    seed(bravo, other_cast.alice)
    connection.ensure_connection()
    stop = threading.Event()
    pid = [rows("SELECT pg_backend_pid()")[0][0]]

    def spam() -> None:
        with psycopg.connect(database_url(), autocommit=True) as session:
            while not stop.is_set():
                # Many from one statement: a busy machine would else let this thread send few.
                session.execute(
                    "SELECT pg_cancel_backend(%s), pg_sleep(0.001) FROM generate_series(1, 20)", pid
                )

    thread = threading.Thread(target=spam)
    thread.start()
    foreign = answered = cancelled = 0
    try:
        while answered < 20_000 or cancelled <= 100:  # a busy machine spams slowly
            assert answered < 200_000, "the spam hits nothing, so this proves nothing"
            tenant = acme if (answered + cancelled) % 2 else bravo
            try:
                with tenant_scope(tenant):
                    if answered % 3:
                        seen = rows("SELECT tenant_id FROM jobs_job")
                    else:
                        with transaction.atomic():
                            seen = rows("SELECT tenant_id FROM jobs_job")
            except DatabaseError:
                cancelled += 1
                continue
            finally:
                if connection.connection is not None:
                    pid[0] = connection.connection.info.backend_pid
            answered += 1
            foreign += [row[0] for row in seen] != [tenant.pk]
    finally:
        stop.set()
        thread.join()
    assert foreign == 0


def test_a_scope_that_was_not_applied_closes_the_connection(live_db, acme):
    """The search path fails to apply: nothing runs on that connection any more."""
    with tenant_scope(acme):
        assert Tenant.objects.count() == 1
    broken = Tenant(schema_name="x" * 63)
    with tenant_scope(broken):
        connection.ensure_connection()
        with psycopg.connect(database_url(), autocommit=True) as session:
            pid = connection.connection.info.backend_pid
            session.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(DatabaseError):
            Tenant.objects.count()
        assert connection.connection is None
    assert Tenant.objects.count() == 0


def test_the_session_of_a_get_cannot_write(db, acme):
    with tenant_scope(acme), pytest.raises(InternalError, match="read-only"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        Job.objects.create(tenant=acme, name="x", trigger_type="manual", target="t", task_type="t")
