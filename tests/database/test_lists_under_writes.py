"""Lists that are read page by page while other processes write."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from checkout.money import Money
from checkout.payments.actions import cancel_payment, create_payment, list_payments
from checkout.payments.actions.payment_queries import list_all_operations
from checkout.payments.models import Attempt, Merchant, Operation, Payment
from tests.backoffice import rows
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]
BEFORE = 60


def created(merchant: Merchant, name: str) -> Payment:
    return create_payment(
        merchant,
        order_reference=name,
        amount=Money(1250, "EUR"),
        description="Tea",
        customer_reference="ada",
        metadata={"basket": "1"},
    )


@pytest.fixture
def merchant() -> Merchant:
    """Create a merchant with payments, every third of which has a refund."""
    account = rows.account()
    for number in range(BEFORE):
        payment = created(account.merchant, f"before-{number}")
        if number % 3 == 0:
            attempt = Attempt.objects.create(
                payment=payment, number=1, order_code=f"{payment.reference}-1", provider_account=account
            )
            refund(attempt)
    return account.merchant


def refund(attempt: Attempt) -> None:
    Operation.objects.create(
        payment=attempt.payment, attempt=attempt, kind="refund", state="done", amount_minor=5, currency="EUR"
    )


@pytest.fixture
def writers(merchant: Merchant) -> Iterator[list[int]]:
    """Let two threads create payments and refunds, and cancel their payments, until the test ends."""
    over = threading.Event()
    written: list[int] = []
    attempts = list(Attempt.objects.select_related("payment"))

    def write(name: str) -> None:
        number = 0
        while not over.is_set():
            number += 1
            payment = created(merchant, f"{name}-{number}")
            refund(attempts[number % len(attempts)])
            if number % 2:
                cancel_payment(payment.reference, by="ada")
            written.append(number)
        connection.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    yield written
    over.set()
    for thread in threads:
        thread.join()


def pages(read: Callable[..., Any], merchant: Merchant, written: list[int], **filters: Any) -> list[str]:
    """Return the ids of a list, read page by page, with writes between any two pages."""
    found: list[str] = []
    cursor = ""
    while True:
        page = read(merchant, **filters, limit=7, cursor=cursor)
        found += [each.id for each in page.items]
        cursor = page.next_cursor
        if not cursor:
            return found
        seen = len(written)
        wait_until(lambda seen=seen: len(written) > seen, "a write")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("read", "filters"),
    [
        (list_payments, {}),
        (list_payments, {"states": ["open", "cancelled"]}),
        (list_payments, {"customer_reference": "ada"}),
        (list_payments, {"metadata": ("basket", "1")}),
        (list_payments, {"amount_from": 1000, "amount_to": 2000, "currency": "EUR"}),
        (list_payments, {"text": "before"}),
        (list_all_operations, {}),
        (list_all_operations, {"kinds": ["refund"]}),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_a_list_has_each_row_that_was_there_before_once_whatever_is_written_meanwhile(
    merchant: Merchant, writers: list[int], read: Callable[..., Any], filters: dict[str, Any]
) -> None:
    before = set(
        Payment.objects.filter(order_reference__startswith="before").values_list("reference", flat=True)
        if read is list_payments
        else Operation.objects.values_list("reference", flat=True)
    )
    found = pages(read, merchant, writers, **filters)
    assert len(found) == len(set(found)), "none is repeated"
    assert before <= set(found), "none is lost"
