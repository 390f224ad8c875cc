"""Fixtures for pages of the whole application, with the back end of the flow tests."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from checkout.payments.models import Payment
from tests.flows.conftest import back_end, books, payment, shop
from tests.support.asgi import AsgiClient
from tests.web.paying import Checkout

__all__ = ["back_end", "books", "payment", "shop"]


@pytest.fixture
def client() -> AsgiClient:
    return AsgiClient()


@pytest.fixture
def checkout(client: AsgiClient, payment: Payment) -> Checkout:
    """Return the pages of one payment of 12.50 EUR."""
    return Checkout(client, payment.reference)


@pytest.fixture
def lose_queries(transactional_db: None) -> Iterator[Callable[[type[Model]], None]]:
    """Yield a function that makes all queries of a model fail for the test, as a lost connection does."""
    execute = CursorWrapper.execute

    def lose(model: type[Model]) -> None:
        def lost(cursor: CursorWrapper, sql: str, *arguments: Any) -> Any:
            if f'FROM "{model._meta.db_table}"' in sql:
                raise OperationalError("connection lost")
            return execute(cursor, sql, *arguments)

        patch.setattr(CursorWrapper, "execute", lost)

    with pytest.MonkeyPatch.context() as patch:
        yield lose
