"""A search reads only the rows that it finds, however many payments there are."""

import json

import pytest
from django.db import connection

from checkout.backoffice.search import found
from checkout.payments.models import Attempt, Payment
from tests.backoffice import rows
from tests.support.plans import nodes, rows_read

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

MANY = 4000
# The most rows that a search may read: those of the wanted payment, and of a few that share a digit or word.
FEW = 100


# PostgreSQL takes 65,535 parameters in one statement.
AT_ONCE = 1_000


@pytest.fixture
def many() -> Payment:
    """Create a payment among thousands, and update the planner's statistics."""
    wanted = rows.payment("ORDER-1", shopper_email="Ann@example.com")
    first = rows.attempt(wanted, 1, last4="1111")
    others = Payment.objects.bulk_create(
        (
            Payment(
                merchant=wanted.merchant,
                order_reference=f"OTHER-{number}",
                amount_minor=1250,
                currency="EUR",
                shopper_email=f"joe{number}@example.com",
            )
            for number in range(MANY)
        ),
        batch_size=AT_ONCE,
    )
    Attempt.objects.bulk_create(
        (
            Attempt(
                payment=payment,
                number=1,
                provider_account=first.provider_account,
                order_code=f"{payment.reference}-1",
                session_id="a-session",
                card={"last4": f"{number % 1000 + 2000}"},
            )
            for number, payment in enumerate(others)
        ),
        batch_size=AT_ONCE,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return wanted


@pytest.mark.parametrize(
    "text",
    [
        "order-1",
        "{reference}",
        "{reference}-1",
        "ann@example.com",
        "1111",
        "ann@example.com 1111",
        "nothing like that",
    ],
)
def test_every_search_uses_indexes_only(many: Payment, text: str) -> None:
    search = found(Payment.objects.all(), text.format(reference=many.reference))[:50]
    (explained,) = json.loads(search.explain(format="json", analyze=True))
    plan = nodes(explained["Plan"])
    assert not [node for node in plan if node["Node Type"] == "Seq Scan"]
    assert rows_read(plan) <= FEW
    assert [payment.pk for payment in search] == ([] if "nothing" in text else [many.pk])
