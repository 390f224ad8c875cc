"""Fixtures for programs of merchants, with the back end of the flow tests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from checkout.api.access.keys import make_key
from checkout.api.access.unknown_keys import unknown_keys
from checkout.payments.models import Merchant, ProviderAccount
from messaging.registry import close_brokers, get_broker
from tests.api.calling import Caller
from tests.flows.conftest import back_end, books, manual, payment, shop

__all__ = ["back_end", "books", "manual", "payment", "shop"]


@pytest.fixture(autouse=True)
def _no_unknown_keys() -> None:
    unknown_keys.clear()


@pytest.fixture
def api(shop: Merchant) -> Caller:
    """Return the shop's program, whose key permits everything."""
    return Caller(make_key(shop, name="shop", by="ada")[1])


@pytest.fixture
def stranger(shop: Merchant) -> Caller:
    """Return the program of another merchant."""
    other = Merchant.objects.create(code="other", name="Another shop")
    ProviderAccount.objects.create(
        merchant=other, code="other", provider="memory", merchant_code="OTHER", endpoint="http://localhost/"
    )
    return Caller(make_key(other, name="other", by="ada")[1])


@pytest_asyncio.fixture
async def silence(shop: Merchant) -> AsyncIterator[None]:
    """Provide a broker that accepts commands for the checkout service, which does not run."""
    get_broker().open()
    await get_broker().declare(get_broker().topology.service_queue("checkout"))
    yield
    await close_brokers()
