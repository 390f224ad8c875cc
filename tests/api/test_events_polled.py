"""A program that reads the events page by page, instead of waiting for webhooks, misses none of them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from checkout.money import Money
from checkout.payments.actions import create_payment, list_events
from checkout.payments.models import Merchant

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def read_since(merchant: Merchant, since: datetime) -> list[str]:
    """Read all pages since a time, as docs/api.md describes. Return the orders of the events."""
    found, cursor = [], ""
    while True:
        page = list_events(merchant, created_from=since, cursor=cursor, limit=1)
        found += [each.order_reference for each in page.items]
        if not (cursor := page.next_cursor):
            return found


def test_an_event_that_is_committed_after_a_later_one_is_found_by_reading_some_minutes_again():
    shop = Merchant.objects.create(code="a-shop", name="The Shop")
    written, may_commit = threading.Event(), threading.Event()

    def order(number: str) -> None:
        create_payment(shop, order_reference=number, amount=Money(1, "GBP"), description="Tea")

    def slowly() -> None:
        try:
            with transaction.atomic():
                order("slow")
                written.set()
                assert may_commit.wait(30)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(slowly)
        assert written.wait(30)
        order("quick")
        asked_at = timezone.now()
        before = list_events(shop)
        assert [each.order_reference for each in before.items] == ["quick"]
        may_commit.set()
        slow.result(30)
    assert [each.order_reference for each in list_events(shop).items] == ["quick", "slow"]
    assert read_since(shop, before.items[0].created_at) == ["quick"]
    assert read_since(shop, asked_at - timedelta(minutes=5)) == ["quick", "slow"]
