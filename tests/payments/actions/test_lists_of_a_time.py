"""A page of the rows created in a period takes few statements, however many rows there are."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checkout.payments.actions import list_events, list_payments
from checkout.payments.models import Event, Merchant, Payment

pytestmark = pytest.mark.django_db

MANY = 6_000
MINUTE = timedelta(minutes=1)
BEGIN = timezone.now() - MANY * MINUTE
# Without a period: the rows and, for payments, their operations and attempts.
OF_A_PAGE: dict[Callable[..., Any], int] = {list_payments: 3, list_events: 1}


@pytest.fixture
def shop() -> Merchant:
    """Create a merchant with a payment each minute, and an event of each. Some keys are left out."""
    merchant = Merchant.objects.create(code="a-shop", name="The Shop")
    first = 1_000_000
    payments = Payment.objects.bulk_create(
        (
            Payment(
                pk=first + number + 5_000 * (number // 2_000),
                merchant=merchant,
                order_reference=str(number),
                amount_minor=1250,
                currency="EUR",
                created_at=BEGIN + number * MINUTE,
            )
            for number in range(MANY)
        ),
        batch_size=500,
    )
    Event.objects.bulk_create(
        (
            Event(
                merchant=merchant,
                payment=each,
                type="payment.created",
                sequence=1,
                data={"object": {}},
                created_at=each.created_at,
            )
            for each in payments
        ),
        batch_size=500,
    )
    return merchant


def between(first: int, last: int) -> dict[str, Any]:
    """Return the filter for the payments with these numbers."""
    return {"created_from": BEGIN + first * MINUTE, "created_to": BEGIN + last * MINUTE}


def read(lister: Callable[..., Any], shop: Merchant, **filters: Any) -> tuple[Any, int]:
    """Read a page. Return it, and the number of statements that it takes more than without a period."""
    with CaptureQueriesContext(connection) as captured:
        page = lister(shop, **filters)
    return page, len(captured) - OF_A_PAGE[lister]


TIMES = [(0, 30), (40, 70), (1_990, 2_020), (3_000, 3_030), (MANY - 30, MANY + 9)]


def test_few_statements_find_the_time_and_none_are_made_with_a_cursor(shop):
    seen, searches = {}, {}
    for case in product(OF_A_PAGE, TIMES):
        lister, time = case
        pages = [read(lister, shop, limit=10, **between(*time))]
        while cursor := pages[-1][0].next_cursor:
            pages.append(read(lister, shop, limit=10, cursor=cursor, **between(*time)))
        seen[case] = [each.created_at for page, _ in pages for each in page.items]
        searches[case] = [statements for _, statements in pages]
    newest_first = {case: [BEGIN + (case[1][0] + at) * MINUTE for at in range(30)][::-1] for case in seen}
    assert seen == newest_first
    assert all(first <= 10 and further == [0, 0] for first, *further in searches.values()), searches


def test_a_cursor_of_another_time_does_not_bound_this_one(shop):
    """The period is searched, whatever the cursor is, so that no request reads a long history."""
    cursor = list_payments(shop, limit=10, **between(5_000, 5_100)).next_cursor
    page, statements = read(list_payments, shop, limit=10, cursor=cursor, **between(4_000, 4_005))
    assert [each.order_reference for each in page.items] == ["4004", "4003", "4002", "4001", "4000"]
    assert statements > 0
    without = list_payments(shop, limit=10).next_cursor
    page, statements = read(list_payments, shop, limit=10, cursor=without, **between(4_000, 4_005))
    assert len(page.items) == 5
    assert statements > 0
    page, statements = read(list_payments, shop, limit=10, cursor=cursor)
    assert page.items[0].order_reference == "5089"
    assert statements == 0


def test_one_bound_is_enough(shop):
    for name, newest in (("created_from", str(MANY - 1)), ("created_to", "2999")):
        filters = {name: between(3_000, 3_000)[name]}
        page, statements = read(list_payments, shop, limit=10, **filters)
        assert page.items[0].order_reference == newest
        assert statements <= 6, name
        page, statements = read(list_payments, shop, limit=10, cursor=page.next_cursor, **filters)
        assert len(page.items) == 10
        assert statements == 0, name


def test_a_list_without_rows_has_no_page(db):
    empty = Merchant.objects.create(code="a-shop", name="The Shop")
    assert list_payments(empty, **between(0, 9)).items == []
