"""Marks that could not be written wait, and harm nobody."""

from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError

from checkout.messaging.marking import Marker
from checkout.models import OutboxMessage


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
async def test_a_connection_that_is_gone_ends_neither_the_worker_nor_the_marking(
    error: type[Exception],
) -> None:
    is_away = True
    written = 0

    async def in_thread(_update: Callable[[], None]) -> None:
        nonlocal written
        if is_away:
            raise error("the connection is closed")
        written += 1

    marker = Marker(OutboxMessage, in_thread)
    marker.add("m_1")
    await marker.flush()
    is_away = False
    await marker.flush()
    assert written == 1
