"""The whole back end in this process: in-memory broker, services, relay, and an in-memory provider."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from pytest_django import Settings

from checkout.money import Money
from checkout.orders.models import StockItem
from checkout.payments.actions import create_payment
from checkout.payments.models import Merchant, Payment, ProviderAccount
from checkout.payments.providers.memory_books import Books, books_of, forget_books
from checkout.running import embedded
from messaging.registry import close_brokers, get_broker


@pytest.fixture
def shop(transactional_db: None, settings: Settings) -> Merchant:
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"memory": {}}
    settings.MESSAGING_RELAY_POLL_SECONDS = 0.05
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
    StockItem.objects.create(sku="tea", name="Tea", price_minor=1250, currency="EUR", quantity=3)
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
    await get_broker().start()
    async with embedded.running():
        yield
    await close_brokers()
