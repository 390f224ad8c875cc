"""Marks of published messages: if they cannot be written, they are kept and written later."""

import asyncio
from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError

from checkout.payments.models import OutboxMessage
from messaging.outbox import published_marker as marking
from messaging.outbox.published_marker import PublishedMarker


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

    marker = PublishedMarker(OutboxMessage, in_thread)
    marker.add("m_1")
    await marker.flush()
    is_away = False
    await marker.flush()
    assert written == 1


async def test_however_many_marks_have_gathered_all_are_written_at_the_next_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(marking, "INTERVAL_SECONDS", 0)
    third_batch = asyncio.Event()
    batches = 0

    async def in_thread(_update: Callable[[], None]) -> None:
        nonlocal batches
        monkeypatch.setattr(marking, "INTERVAL_SECONDS", 3_600)
        batches += 1
        if batches == 3:
            third_batch.set()

    marker = PublishedMarker(OutboxMessage, in_thread)
    for number in range(2 * marking.BATCH + 1):
        marker.add(f"m_{number}")
    await asyncio.wait_for(third_batch.wait(), 20)
    await marker.flush()
    assert batches == 3
