"""Fixtures: a new sandbox for each test, on its own port, and a merchant's end point for notifications."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from sandbox.bank.cards import CardKey
from sandbox.configuration import Configuration
from sandbox.program import SERVER_OPTIONS, build
from tests.sandbox.inbox import Inbox
from tests.sandbox.merchant import Merchant, Shopper


class PromptServer(uvicorn.Server):
    """A server that starts and ends at once; uvicorn's own polls ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def main_loop(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self.is_up.set()
        await self._ended.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)


@contextmanager
def running(configuration: Configuration, listener: socket.socket, folder: Path) -> Iterator[None]:
    def application() -> Starlette:
        return build(configuration, folder)

    settings = uvicorn.Config(
        application,
        factory=True,
        log_level="warning",
        ws="none",
        **SERVER_OPTIONS,
    )
    server = PromptServer(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert server.is_up.wait(timeout=20)
    try:
        yield
    finally:
        server.end()
        thread.join()


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one key pair for all sandboxes of the session, because it takes long to make one."""
    file = tmp_path_factory.mktemp("key") / "books.key.pem"
    CardKey(file)
    return file


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


@pytest.fixture
def sandbox_of(tmp_path: Path, key_file: Path) -> Any:
    """Return a context manager that runs a sandbox with given settings and yields its address.

    By default no order has traits.
    """

    @contextmanager
    def start(**settings: Any) -> Iterator[str]:
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if not (tmp_path / key_file.name).exists():
            shutil.copy(key_file, tmp_path)
        defaults = {"url": url, "notification_url": "", "settle_seconds": 0, "traits": {}}
        defaults["replication_seconds"] = 0
        with running(Configuration(**{**defaults, **settings}), listener, tmp_path):
            yield url

    return start


@pytest.fixture
def sandbox(sandbox_of: Any) -> Iterator[str]:
    """Yield the address of a sandbox that sends no notifications and books at once."""
    with sandbox_of() as url:
        yield url


@pytest.fixture
def merchant(sandbox: str) -> Merchant:
    return Merchant(sandbox)


@pytest.fixture
def shopper(sandbox: str) -> Shopper:
    return Shopper(sandbox)


@pytest.fixture
def notifying(sandbox_of, inbox):
    """Yield a merchant who gets notifications, with short pauses between repetitions."""
    with sandbox_of(notification_url=inbox.url, retry_first_seconds=0.01, retry_longest_seconds=0.05) as url:
        yield Merchant(url)
