"""Pages of the whole application, with the back end of the flow tests behind them."""

import pytest

from checkout.models import Payment
from tests.flows.conftest import back_end, books, payment, shop
from tests.support.asgi import AsgiClient
from tests.views.paying import Checkout

__all__ = ["back_end", "books", "payment", "shop"]


@pytest.fixture
def client() -> AsgiClient:
    return AsgiClient()


@pytest.fixture
def checkout(client: AsgiClient, payment: Payment) -> Checkout:
    """The pages of one payment of 12.50 EUR."""
    return Checkout(client, payment.reference)
