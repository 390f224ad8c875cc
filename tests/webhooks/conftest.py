"""Endpoints of merchants in the database, and senders that reach servers on loopback."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from checkout.webhooks import actions
from checkout.webhooks.models import Delivery, WebhookEndpoint
from checkout.webhooks.sending.client import Client
from checkout.webhooks.sending.sender import Sender
from messaging.concurrency.database import in_thread
from tests.webhooks.endpoint import Endpoint, serving

SHOP = "shop"
MakeSender = Callable[..., Sender]


@pytest.fixture
async def shop() -> AsyncIterator[Endpoint]:
    """Yield a running endpoint of the merchant."""
    async with serving() as endpoint:
        yield endpoint


@pytest.fixture
async def make_sender() -> AsyncIterator[MakeSender]:
    """Yield a function that makes a sender, as another process would have one."""
    async with AsyncExitStack() as closing:

        def make(*, seconds: float = 5.0, look_up: Any = None, **options: Any) -> Sender:
            client = Client(seconds=seconds, look_up=look_up)
            closing.push_async_callback(client.close)
            return Sender(client, **options)

        yield make


async def registered(url: str, **options: Any) -> actions.NewSecret:
    """Register an endpoint of the shop at ``url``."""
    return await in_thread(actions.create_endpoint, SHOP, url, **options)


async def pinged(made: actions.NewSecret, times: int = 1) -> list[Delivery]:
    """Create so many deliveries of test events to the endpoint, due now."""
    return [await in_thread(actions.ping, SHOP, made.endpoint.reference) for _ in range(times)]


async def fresh(row: Any) -> Any:
    """Return the row as it is in the database now."""
    return await in_thread(type(row)._default_manager.get, pk=row.pk)


async def make_due(*deliveries: Delivery) -> None:
    """Let the time until the next attempt pass, even that of a pause of the endpoint."""

    def pass_time() -> None:
        rows = Delivery.objects.filter(pk__in=[each.pk for each in deliveries], next_try_at__isnull=False)
        rows.update(next_try_at="2020-01-01T00:00:00Z")
        WebhookEndpoint.objects.update(paused_until=None)

    await in_thread(pass_time)


async def attempts_of(delivery: Delivery) -> list[Any]:
    """Return the log of a delivery, oldest attempt first."""
    return await in_thread(lambda: list(delivery.attempts.order_by("pk")))
