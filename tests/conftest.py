"""Fixtures for all resources outside this process that tests need."""

import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from asgiref.sync import SyncToAsync
from django.db import connection, connections
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser

from tests.support import environment, fork_server
from tests.support.chromium import running_chromium
from tests.support.databases import database, migrated_database
from tests.support.distribution import Distribution, longest_first
from tests.support.own_databases import OwnDatabases
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost

# Stacks of tests are forked from a process that has the libraries already. Those of benchmarks are not.
fork_server.use()
# An example may take as long as a busy machine needs.
settings.register_profile(
    "without limits of time", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("without limits of time")
OWN_STACK = pytest.StashKey[Stack]()
MIGRATED = pytest.StashKey[str]()
# The name of a value that the first process of a test run passes to the others.
TEMPLATE = "migrated_template"
END_OTHER_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@pytest.fixture
def rabbitmq_url() -> Iterator[str]:
    """Yield the address of a RabbitMQ virtual host for this test alone."""
    with fresh_vhost() as url:
        yield url


@pytest.fixture
def postgresql_url(migrated_template: str) -> Iterator[str]:
    """Yield the address of a migrated PostgreSQL database for the programs that this test starts."""
    with database(migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(pytestconfig: pytest.Config) -> Iterator[str]:
    """Yield the address of a migrated PostgreSQL database to copy, to which no client may be connected."""
    if shared := _shared_template(pytestconfig):
        yield shared
        return
    with migrated_database() as url:
        yield url


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, pytestconfig: pytest.Config
) -> None:
    """Copy this process's own database from the one that was migrated for all processes."""
    if shared := _shared_template(pytestconfig):
        connection.settings_dict["TEST"]["TEMPLATE"] = urlsplit(shared).path.removeprefix("/")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """End the sessions of this process's threads, some of which never end, before the database is dropped."""
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(END_OTHER_SESSIONS)
        connection.close()


@pytest.fixture
def own_database(db: None, tmp_path: Path) -> Iterator[OwnDatabases]:
    """Yield a function that gives an app a migrated SQLite database of its own: `own_database("risk")`."""
    with OwnDatabases.within(tmp_path) as own:
        yield own


@pytest.fixture
def new_database_connections(transactional_db: None) -> Iterator[None]:
    """Close this process's connections after a test that has ended all of them at the server.

    Each thread has its own: this one, and the one in which Django runs the views of asynchronous tests.
    """
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium."""
    return environment.chromium_path()


@pytest.fixture(scope="session")
def node() -> str:
    """Return the path of Node.js."""
    return environment.node_path()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Yield one Chromium for a module, in which each test opens a context with `browser.new_context()`.

    While it runs, an event loop counts as running in this thread. So a module with browser tests can have
    no asynchronous tests, and can use no Django model in the test's own process.
    """
    with running_chromium(chromium) as browser:
        yield browser


@pytest.fixture(scope="session")
def dtd() -> Path:
    """Return the path of Worldpay's document type definition."""
    return environment.dtd_path()


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory, migrated_template: str) -> Iterator[Stack]:
    """Yield the product as separate processes, for tests that leave all of them running."""
    with (
        fresh_vhost() as broker_url,
        database(migrated_template) as database_url,
        Stack(tmp_path_factory.mktemp("stack"), broker_url=broker_url, database_url=database_url) as stack,
    ):
        yield stack


@pytest.fixture
def start_stack(
    tmp_path: Path, rabbitmq_url: str, postgresql_url: str, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Stack]]:
    """Yield a function that starts a stack for this test: `start_stack(webs=2, without=["risk"])`."""
    with ExitStack() as running:

        def start(**options: Any) -> Stack:
            stack = Stack(tmp_path, broker_url=rabbitmq_url, database_url=postgresql_url, **options)
            request.node.stash[OWN_STACK] = stack
            return running.enter_context(stack)

        yield start


NEEDS: dict[str, list[Callable[[], object]]] = {
    "rabbitmq": [environment.broker_url],
    "postgresql": [environment.database_url],
    "browser": [environment.chromium_path, environment.broker_url, environment.database_url],
    "node": [environment.node_path],
    "docs": [environment.docs_python],
    "nginx": [environment.nginx_path],
    "dtd": [environment.dtd_path],
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test, or fail it in CI, if it is marked with something that this machine lacks."""
    for marker, needed in NEEDS.items():
        if item.get_closest_marker(marker):
            for find in needed:
                find()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the product's processes if a test with them fails."""
    report = yield
    stack = item.stash.get(OWN_STACK, None) or getattr(item, "funcargs", {}).get("shared_stack")
    if report.failed and stack is not None:
        report.sections.append(("Logs of the stack", stack.log_tails()))
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Migrate one database for all processes of a test run, and give each process its address.

    If that fails, each process tries it by itself, and the tests that need a database fail.
    """
    config: pytest.Config = node.config
    if MIGRATED not in config.stash:
        config.stash[MIGRATED] = ""
        if environment.DATABASE_URL.startswith("postgres"):
            closing = ExitStack()
            config.add_cleanup(closing.close)
            with suppress(psycopg.Error, subprocess.CalledProcessError):
                config.stash[MIGRATED] = closing.enter_context(migrated_database())
    node.workerinput[TEMPLATE] = config.stash[MIGRATED]


def _shared_template(config: pytest.Config) -> str:
    """Return the address of the database that was migrated for all processes; "" for a single process."""
    return str(getattr(config, "workerinput", {}).get(TEMPLATE, ""))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Distribution | None:
    """Return our scheduler if files are not to be divided among processes."""
    return Distribution(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests for the processes, after they were put in a random order."""
    if hasattr(config, "workerinput"):
        longest_first(items)
