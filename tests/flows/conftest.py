"""The whole back end in this process: in-memory broker, services, relay, and an in-memory provider."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import pytest
import pytest_asyncio
from django.utils import timezone
from pytest_django import Settings

from checkout.money import Money
from checkout.orders.models import StockItem
from checkout.payments.actions import create_payment, record_notification
from checkout.payments.models import Merchant, Payment, ProviderAccount, ProviderNotification
from checkout.running import embedded
from messaging import crash_points
from messaging.registry import close_brokers, get_broker
from tests.flows.shopping import nothing_is_left_to_apply
from tests.support.memory_provider.books import Books, books_of, forget_books
from tests.support.waiting import wait_until


@pytest.fixture
def shop(transactional_db: None, settings: Settings) -> Merchant:
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"memory": {}}
    settings.MESSAGING_RELAY_POLL_SECONDS = 0.2
    # Each test has a broker of its own, without messages that an earlier test has left in queues.
    settings.BROKER_URL = f"memory://{uuid4().hex}"
    merchant = Merchant.objects.create(code="shop", name="The Shop")
    ProviderAccount.objects.create(
        merchant=merchant,
        code="memory",
        provider="memory",
        merchant_code="SHOP",
        endpoint="http://localhost/",
    )
    StockItem.objects.create(
        merchant_code="shop", sku="tea", name="Tea", price_minor=1250, currency="EUR", quantity=3
    )
    return merchant


@pytest.fixture
def books() -> Books:
    forget_books()
    return books_of("memory")


@pytest.fixture
def payment(shop: Merchant) -> Payment:
    return create_payment(
        shop,
        order_reference="order-1",
        amount=Money(1250, "EUR"),
        lines=[{"sku": "tea", "quantity": 1}],
        description="Tea",
        shopper_email="shopper@example.com",
    )


@pytest.fixture
def manual(shop: Merchant) -> Payment:
    """Create a payment of 12.50 EUR with manual capture."""
    return create_payment(
        shop,
        order_reference="order-2",
        amount=Money(1250, "EUR"),
        lines=[{"sku": "tea", "quantity": 1}],
        description="Tea",
        captures_automatically=False,
    )


@pytest_asyncio.fixture
async def back_end(shop: Merchant, books: Books) -> AsyncIterator[None]:
    get_broker().open()
    async with embedded.running(with_upkeep=False):
        yield
    await close_brokers()


def hand_over_to_the_timer(notification: int) -> None:
    ProviderNotification.objects.filter(pk=notification).update(next_try_at=timezone.now())


@pytest.fixture
def before_the_answer(books: Books) -> Iterator[Callable[[], int]]:
    """Deliver and apply every notification before the provider's reply to the call that caused it.

    Yields a function that returns the number of these calls.
    """
    moments = 0

    def notify_first(point: str) -> None:
        nonlocal moments
        if point != "payments.answered":
            return
        for body in books.notifications():
            recorded = record_notification("memory", body, is_proven=True)
            if recorded.owed is not None:
                hand_over_to_the_timer(json.loads(recorded.owed.body)["notification"])
        wait_until(nothing_is_left_to_apply, "the notification to be applied")
        moments += 1

    crash_points.observe(notify_first)
    yield lambda: moments
    crash_points.observe(None)
