"""The lists of the API read a page of rows, however long a merchant's history is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkout.payments import actions
from checkout.payments.actions.payment_queries import MOST_ROWS
from checkout.payments.models import Event, Merchant, Payment
from tests.backoffice import rows
from tests.support.plans import analyse, rows_read

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql, pytest.mark.at_scale]

MANY = 2000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
STATES = ("captured", "disputed", "unknown", "refunded")
TYPES = (
    ["payment.captured"],
    ["dispute.opened"],
    ["dispute.opened", "refund.refused"],
    ["dispute.opened", "payment.captured"],
    ["refund.succeeded"],
)
# PostgreSQL takes 65,535 parameters in one statement.
AT_ONCE = 1_000
# A page, and a few more.
FEW = 50


UNUSUAL = (("conflicted", "dispute.opened"), ("charged_back", "refund.refused"))
USUAL = ("captured", "payment.captured")


@pytest.fixture
def merchant() -> Merchant:
    """Create a merchant with a long history, of which only the oldest part is unusual, and another one."""
    owner, other = rows.merchant(), rows.merchant("other")
    kinds = [
        (each, UNUSUAL[number % 2] if is_unusual else USUAL)
        for number in range(MANY)
        for each, is_unusual in ((owner, number < 24), (other, number % 20 < 2))
    ]
    # A payment was made each minute.
    times = [NOW - timedelta(minutes=minutes) for minutes in reversed(range(len(kinds)))]
    payments = Payment.objects.bulk_create(
        (
            Payment(
                merchant=each,
                order_reference=str(number),
                amount_minor=1250,
                currency="EUR",
                state=state,
                created_at=at,
            )
            for number, (at, (each, (state, _))) in enumerate(zip(times, kinds, strict=True))
        ),
        batch_size=AT_ONCE,
    )
    Event.objects.bulk_create(
        (
            Event(merchant=each, payment=payment, type=type, sequence=1, data={}, created_at=at)
            for payment, at, (each, (_, type)) in zip(payments, times, kinds, strict=True)
        ),
        batch_size=AT_ONCE,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return owner


def most_read(read: Callable[..., Any], *args: Any, **options: Any) -> int:
    """Read a list. Return the most rows that a node in the plan of one of its queries has read."""
    with CaptureQueriesContext(connection) as captured:
        read(*args, **options)
    assert len(captured)
    return max(rows_read(analyse(each["sql"])) for each in captured)


TIMES: list[tuple[str, dict[str, datetime]]] = [
    ("the last minutes", {"created_from": NOW - timedelta(minutes=6)}),
    (
        "an hour of long ago",
        {"created_from": NOW - timedelta(hours=60), "created_to": NOW - timedelta(hours=59)},
    ),
    ("the beginning", {"created_to": NOW - timedelta(minutes=2 * MANY - 10)}),
    ("before the beginning", {"created_to": NOW - timedelta(days=30)}),
    ("the future", {"created_from": NOW + timedelta(days=1)}),
]


def test_a_page_of_what_was_made_in_a_time_is_found_without_the_rest_of_a_long_history(
    merchant: Merchant,
) -> None:
    # In one test, because rows of transactions that were rolled back would be counted in later tests.
    looked_at = {
        (read.__name__, name): most_read(read, merchant, **times, limit=MOST_ROWS)
        for read in (actions.list_payments, actions.list_events)
        for name, times in TIMES
    }
    assert {each: most for each, most in looked_at.items() if most > 3 * FEW} == {}


def test_a_page_of_payments_in_a_state_or_events_of_some_types_is_found_by_index(merchant: Merchant) -> None:
    lists: list[tuple[Callable[..., Any], dict[str, Any], bool]] = [
        *((actions.list_payments, {"states": [state]}, state != "refunded") for state in STATES),
        *((actions.list_events, {"types": types}, types != ["refund.succeeded"]) for types in TYPES),
    ]
    for read, filters, is_full in lists:
        page = read(merchant, **filters, limit=5)
        assert len(page.items) == (5 if is_full else 0), filters
        assert most_read(read, merchant, **filters, limit=5) <= FEW, filters
        assert most_read(read, merchant, **filters, limit=5, cursor=page.next_cursor) <= FEW, filters
