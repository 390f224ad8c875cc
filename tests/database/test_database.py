"""Nothing waits for the database for ever, neither statements nor work that needs a thread."""

import asyncio
import contextlib
import gc
import select
import threading
from typing import Any

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection as django_connection

from checkout.conf import conf
from checkout.database import bounded_connection
from checkout.database.bounded_connection import BoundedConnection
from checkout.database.primary_connection import PrimaryConnection
from messaging.concurrency import database
from messaging.concurrency.database import in_thread
from messaging.outbox.notify import Bell, _listen_once
from payments_gateway import settings as product_settings
from payments_gateway.databases import database as database_settings, replica
from payments_gateway.environment import Environment
from tests.support import environment
from tests.support.proxy import Proxy

# Options of Django and psycopg that are no connection parameters.
OF_DJANGO = ("pool", "server_side_binding", "prepare_threshold")


@pytest.fixture
async def silent(settings, monkeypatch):
    """Yield a connection to a server that has just stopped answering, but acknowledges packets."""
    settings.CHECKOUT_DATABASE_SECONDS = 0.1
    monkeypatch.setattr(bounded_connection, "GRACE_SECONDS", 0.1)
    network = Proxy(environment.database_url())
    await network.accept()
    connection = await asyncio.to_thread(BoundedConnection.connect, network.url, autocommit=True)
    network.hold()
    yield connection
    connection.close()
    await network.close()


@pytest.mark.postgresql
async def test_a_server_that_falls_silent_holds_nobody(silent):
    with pytest.raises(psycopg.OperationalError):
        await asyncio.to_thread(silent.execute, "SELECT 1")
    assert silent.closed


@pytest.fixture
def no_garbage_collection():
    gc.disable()
    yield
    gc.enable()


async def connect_in_a_thread(address: str) -> None:
    await asyncio.to_thread(BoundedConnection.connect, address)


async def listen_as_a_relay_does(address: str) -> None:
    await _listen_once({"conninfo": address}, "payments_outboxmessage", Bell())


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("connect", [connect_in_a_thread, listen_as_a_relay_does])
async def test_an_attempt_to_connect_that_times_out_leaves_no_socket_behind(connect):
    hung_up = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await asyncio.wait_for(reader.read(), 10)
        hung_up.set()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        await connect(f"host=127.0.0.1 port={port} connect_timeout=2")
    async with asyncio.timeout(5):
        await hung_up.wait()
    server.close()


@pytest.mark.postgresql
def test_what_has_a_time_out_of_its_own_keeps_its_connection(settings):
    settings.CHECKOUT_DATABASE_SECONDS = 20
    with BoundedConnection.connect(environment.database_url(), autocommit=True) as connection:
        assert list(connection.notifies(timeout=0.01)) == []
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.postgresql
def test_the_product_connects_with_bounds_at_both_ends():
    options = product_settings.DATABASES["default"]["OPTIONS"]
    assert options["pool"]["connection_class"] is PrimaryConnection
    parameters = {name: value for name, value in options.items() if name not in OF_DJANGO}
    with psycopg.connect(environment.database_url(), **parameters) as connection:
        told = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]
    assert told == [("10s",), ("20s",)]


@pytest.mark.postgresql
def test_a_transaction_that_the_server_has_ended_during_a_pause_of_our_host_counts_as_an_outage():
    with BoundedConnection.connect(environment.database_url()) as connection:
        connection.execute("SET idle_in_transaction_session_timeout = 1")
        ended, _, _ = select.select([connection.fileno()], [], [], 10)
        assert ended
        # The server's reason is lost if its end of the connection is closed already when we send.
        with pytest.raises(psycopg.OperationalError, match=r"idle-in-transaction timeout|server closed"):
            connection.execute("SELECT 1")
        assert connection.closed


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("query", "limits"),
    [
        ("currentSchema=pg_catalog", ("10s", "20s", "pg_catalog")),
        ("options=-c%20statement_timeout%3D3s", ("3s", "20s", '"$user", public')),
    ],
)
def test_options_in_an_address_leave_the_other_bounds(query: str, limits: tuple[str, ...]):
    options = database_settings(f"{environment.database_url()}?{query}", Environment())["OPTIONS"]
    with psycopg.connect(environment.database_url(), options=options["options"]) as connection:
        told = [
            connection.execute(f"SHOW {name}").fetchone()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "search_path")
        ]
    assert told == [(limit,) for limit in limits]


def test_blank_options_in_an_address_send_none_to_a_proxy_that_takes_none():
    address = "postgres://payments:x@proxy.example/payments?options=%20"
    for settings in (database_settings(address, Environment()), replica(address, Environment())):
        assert "options" not in settings["OPTIONS"]
        assert settings["OPTIONS"]["tcp_user_timeout"] == 10_000


async def every_thread_busy_until(free: threading.Event) -> "list[asyncio.Task[bool]]":
    threads = range(conf.database_threads)
    busy = [asyncio.create_task(in_thread(free.wait)) for _ in threads]
    await asyncio.sleep(0)
    return busy


async def test_work_that_no_thread_takes_up_is_refused_and_not_begun(monkeypatch):
    monkeypatch.setattr(database, "QUEUE_SECONDS", 0.1)
    free = threading.Event()
    begun: list[int] = []
    busy = await every_thread_busy_until(free)
    try:
        with pytest.raises(OperationalError):
            await in_thread(begun.append, 1)
    finally:
        free.set()
        await asyncio.gather(*busy)
    await in_thread(begun.append, 2)
    assert begun == [2]


async def test_a_caller_who_leaves_is_not_told_that_the_database_is_busy():
    free = threading.Event()
    waiting = asyncio.create_task(in_thread(free.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    free.set()


async def test_work_that_fails_after_its_caller_has_left_is_reported_only_for_a_defect(monkeypatch):
    # Otherwise a timer would keep the job for as long, and asyncio its report.
    monkeypatch.setattr(database, "QUEUE_SECONDS", 0.1)
    reported, is_over = [], asyncio.Event()

    def note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        reported.append(str(context["exception"]))
        if "a defect" in reported:
            is_over.set()

    asyncio.get_running_loop().set_exception_handler(note)
    for error in (OperationalError("away"), InterfaceError("away"), ValueError("a defect")):
        await fail_without_a_caller(error)
    async with asyncio.timeout(10):
        await is_over.wait()
    gc.collect()
    assert reported == ["a defect"]


async def fail_without_a_caller(error: Exception) -> None:
    free = threading.Event()

    def work() -> None:
        free.wait()
        raise error

    waiting = asyncio.create_task(in_thread(work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    free.set()


async def test_work_that_waits_for_a_thread_is_done_although_its_caller_has_left():
    free, done = threading.Event(), threading.Event()
    busy = await every_thread_busy_until(free)
    waiting = asyncio.create_task(in_thread(done.set))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    free.set()
    await asyncio.gather(*busy)
    assert await in_thread(done.wait, 10)


async def test_work_whose_callers_have_left_is_not_begun_after_the_limit(monkeypatch):
    monkeypatch.setattr(database, "QUEUE_SECONDS", 0.1)
    free = threading.Event()
    begun: list[int] = []
    busy = await every_thread_busy_until(free)
    leaving = [asyncio.create_task(in_thread(begun.append, number)) for number in range(1000)]
    await asyncio.sleep(0)
    for caller in leaving:
        caller.cancel()
    try:
        await asyncio.gather(*leaving, return_exceptions=True)
        with pytest.raises(OperationalError):
            await in_thread(begun.append, -1)  # begins to wait last, so the others' time is over, too
    finally:
        free.set()
        await asyncio.gather(*busy)
    await in_thread(begun.append, -2)
    assert begun == [-2]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("new_database_connections")
async def test_when_the_database_has_ended_all_idle_connections_no_caller_finds_out():
    meeting = threading.Barrier(3)
    await asyncio.gather(*(in_thread(use_a_connection, meeting) for _ in range(meeting.parties)))
    await in_thread(end_connections)
    await asyncio.gather(*(in_thread(use_a_connection, meeting) for _ in range(meeting.parties)))


def use_a_connection(meeting: threading.Barrier) -> None:
    """Use a database connection, and return when all parties of the barrier do."""
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    meeting.wait(20)


def end_connections() -> None:
    """End every connection to the test database."""
    name = django_connection.settings_dict["NAME"]
    with psycopg.connect(environment.database_url(), autocommit=True) as operator:
        operator.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
        )


@pytest.mark.postgresql
def test_a_statement_whose_table_was_altered_fails_once_and_not_for_as_long_as_the_connection_lives():
    table = "of_the_next_version"
    select = f"SELECT id, name FROM {table}"  # noqa: S608
    with psycopg.connect(environment.database_url(), autocommit=True) as staff:
        staff.execute(f"CREATE TABLE {table} (id int, name varchar(10))".encode())
        try:
            with BoundedConnection.connect(environment.database_url(), autocommit=True) as connection:
                connection.prepare_threshold = 1
                for _ in range(3):
                    connection.execute(select.encode())
                staff.execute(f"ALTER TABLE {table} ALTER COLUMN name TYPE varchar(20)".encode())
                with pytest.raises(psycopg.errors.FeatureNotSupported):
                    connection.execute(select.encode())
                assert connection.closed
        finally:
            staff.execute(f"DROP TABLE {table}".encode())
