"""A breakable link to the test database, for tests that run the whole gateway in their own process."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import pytest
from django.db import connection, connections

from tests.support import environment
from tests.support.proxy import Proxy


@contextmanager
def connecting_anew() -> Iterator[None]:
    """Close this thread's connections and the pool, before and after the block."""
    _close()
    yield
    _close()


def _close() -> None:
    if connection.vendor == "postgresql":
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL


@asynccontextmanager
async def linked() -> AsyncIterator[Proxy]:
    """Yield a link through which all new connections to the database lead.

    It runs on the test's own event loop, so only other threads may use the database meanwhile.
    """
    link = Proxy(environment.database_url())
    await link.accept()
    with pytest.MonkeyPatch.context() as patch:
        # All threads share this dictionary.
        patch.setitem(connections.settings["default"], "HOST", "127.0.0.1")
        patch.setitem(connections.settings["default"], "PORT", str(urlsplit(link.url).port))
        yield link
    await link.close()
