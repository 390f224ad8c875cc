"""The product's processes on a virtual host and a database of their own, for programs outside pytest."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.databases import database, migrated_database
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost


@contextmanager
def fresh_stack(**options: Any) -> Iterator[Stack]:
    """Yield the processes when they are ready, and stop them afterwards. `options` are those of `Stack`."""
    with (
        tempfile.TemporaryDirectory() as folder,
        fresh_vhost() as broker_url,
        migrated_database() as template,
        database(template) as database_url,
        Stack(Path(folder), broker_url=broker_url, database_url=database_url, **options) as running,
    ):
        yield running
