"""Fixtures for everything that tests need from outside this process."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, sync_playwright

from tests.support import environment
from tests.support.databases import database, migrated_database
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost

OWN_STACK = pytest.StashKey[Stack]()
END_OTHER_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
# Headless Chromium as root in a container, and without a request of its own to the outside.
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-gpu"]


@pytest.fixture
def rabbitmq_url() -> Iterator[str]:
    """The address of a RabbitMQ virtual host of this test alone."""
    with fresh_vhost() as url:
        yield url


@pytest.fixture
def postgresql_url(migrated_template: str) -> Iterator[str]:
    """The address of a migrated PostgreSQL database of this test alone, for programs that it starts."""
    with database(migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template() -> Iterator[str]:
    with migrated_database() as url:
        yield url


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """End what threads of this process still hold before the database is dropped: some live as long as it."""
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(END_OTHER_SESSIONS)
        connection.close()


@pytest.fixture
def new_database_connections(transactional_db: None) -> Iterator[None]:
    """For what comes after a test that ends every connection to its database, this thread's too."""
    yield
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    return environment.chromium_path()


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node.js."""
    return environment.node_path()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for a module; tests open a context of their own: `browser.new_context()`.

    While it runs, this thread counts as inside an event loop: a module with browser tests has no
    asynchronous tests, and no Django model in the test's own process.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def dtd() -> Path:
    """The path of Worldpay's document type definition."""
    return environment.dtd_path()


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory, migrated_template: str) -> Iterator[Stack]:
    """The product as separate processes, shared by tests that leave every process running."""
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
    """Start the product for this test alone: `start_stack(webs=2, without=["risk"], environment={…})`."""
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
    "nginx": [environment.nginx_path],
    "dtd": [environment.dtd_path],
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail in CI, a test that is marked with something this machine lacks."""
    for marker, needed in NEEDS.items():
        if item.get_closest_marker(marker):
            for find in needed:
                find()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the product's processes logged when a test with them fails."""
    report = yield
    stack = item.stash.get(OWN_STACK, None) or getattr(item, "funcargs", {}).get("shared_stack")
    if report.failed and stack is not None:
        report.sections.append(("Logs of the stack", stack.log_tails()))
    return report
