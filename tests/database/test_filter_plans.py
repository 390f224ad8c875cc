"""A page of a list reads few rows with every filter, however long the history is.

``ROWS=1000000`` sets the number of payments.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkout.payments.actions import list_payments
from checkout.payments.actions.payment_queries import MOST_LOOKED_AT, list_all_operations
from checkout.payments.models import Merchant, Operation, Payment
from tests.backoffice import rows
from tests.support.plans import analyse, rows_read

# Truncated at the end: rows of a transaction that was rolled back would change the plans of later tests.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgresql,
    pytest.mark.at_scale,
    pytest.mark.timeout(900),
]

MANY = int(os.environ.get("ROWS", "40000"))
# The rows that one statement inserts, in far less than the time that it may take.
AT_ONCE = 5_000
# A page of five, and some rows more.
FEW = 60
# The rows that are read for a filter without an index, including rows of the other merchant.
WINDOW = MOST_LOOKED_AT + MOST_LOOKED_AT // 20
# Filters, the number of rows in a page of five, and the most rows that may be read for it.
CASES: list[tuple[Callable[..., Any], dict[str, Any], int, int]] = [
    (list_payments, {}, 5, FEW),
    (list_payments, {"order_reference": "ORDER-77"}, 1, FEW),
    (list_payments, {"customer_reference": "customer-7"}, 5, FEW),
    (list_payments, {"customer_reference": "nobody"}, 0, FEW),
    (list_payments, {"customer_reference": "nobody", "states": ["disputed"]}, 0, FEW),
    (list_payments, {"customer_reference": "customer-7", "states": ["expired"]}, 0, WINDOW),
    (list_payments, {"customer_email": "SHOPPER-7@shop.example"}, 5, FEW),
    (list_payments, {"metadata": ("basket", "77")}, 1, FEW),
    (list_payments, {"metadata": ("channel", "web")}, 5, FEW),
    (list_payments, {"metadata": ("channel", "none")}, 0, FEW),
    (list_payments, {"metadata": ("basket", "77"), "currency": "EUR"}, 0, FEW),
    (list_payments, {"text": "rder-1077"}, 5, 3 * FEW),
    (list_payments, {"text": "order-"}, 5, FEW),
    (list_payments, {"text": "no such text"}, 0, FEW),
    (list_payments, {"amount_from": 1254, "amount_to": 1254}, 5, FEW),
    (list_payments, {"amount_from": 9, "amount_to": 9}, 0, FEW),
    (list_payments, {"amount_from": 1254}, 5, WINDOW),
    (list_payments, {"amount_to": 9}, 0, WINDOW),
    (list_payments, {"currency": "KWD"}, 0, WINDOW),
    (list_payments, {"states": ["captured"]}, 5, FEW),
    (list_payments, {"states": ["disputed", "unknown"]}, 5, FEW),
    (list_payments, {"states": ["captured"], "currency": "KWD"}, 0, WINDOW),
    (list_payments, {"text": "rder-1077", "states": ["captured"], "amount_to": 10_000}, 5, 3 * FEW),
    (list_all_operations, {}, 5, FEW),
    (list_all_operations, {"kinds": ["refund"]}, 5, FEW),
    (list_all_operations, {"states": ["refused"]}, 5, FEW),
    (list_all_operations, {"kinds": ["refund", "void"], "states": ["refused"]}, 5, FEW),
    (list_all_operations, {"kinds": ["void"]}, 0, FEW),
    (list_all_operations, {"currency": "KWD"}, 0, WINDOW),
]


@pytest.fixture
def merchant() -> Merchant:
    """Create two merchants with payments in turn, the oldest of them unusual, each with an operation."""
    first = rows.captured("FIRST")
    small = rows.payment("SMALL", owner=rows.merchant("small"))
    operation = Operation.objects.get(payment=first)
    number, is_old = "n.number", f"n.number <= {MANY // 100}"
    copied(
        Payment,
        first.pk,
        pk=number,
        reference=f"'pay_' || lpad(to_hex({number}), 32, '0')",
        order_reference=f"'ORDER-' || {number}",
        merchant=f"CASE WHEN {number} % 50 = 0 THEN {small.merchant_id} ELSE {first.merchant_id} END",
        customer_reference=f"'customer-' || {number} % 1000",
        shopper_email=f"'shopper-' || {number} % 1000 || '@shop.example'",
        metadata=f"jsonb_build_object('basket', {number}::text, 'channel', 'web')",
        amount_minor=f"1250 + {number} % 900",
        state=f"CASE WHEN {is_old} THEN 'charged_back' ELSE 'captured' END",
    )
    copied(
        Operation,
        operation.pk,
        pk=number,
        reference=f"'op_' || lpad(to_hex({number}), 32, '0')",
        payment=f"{number} + {OFFSET}",
        merchant=f"CASE WHEN {number} % 50 = 0 THEN {small.merchant_id} ELSE {first.merchant_id} END",
        idempotency_key="''",
        kind=f"CASE WHEN {is_old} THEN 'refund' ELSE 'capture' END",
        state=f"CASE WHEN {number} <= 40 THEN 'refused' ELSE 'done' END",
    )
    with connection.cursor() as cursor:
        for index in ("payments_by_part_of_order", "payments_by_part_of_email", "payments_by_metadata"):
            cursor.execute("SELECT gin_clean_pending_list(%s::regclass)", [index])
        cursor.execute("ANALYZE payments_payment, payments_operation")
    return first.merchant


OFFSET = 1_000_000_000


def copied(model: type[Payment] | type[Operation], of: int, **values: str) -> None:
    """Copy a row many times in SQL, with other values in some columns, which may use ``n.number``."""
    columns, selected = [], []
    for field in model._meta.concrete_fields:
        name = "pk" if field.primary_key else field.name
        value = values.get(name, f'"{field.column}"')
        columns.append(f'"{field.column}"')
        selected.append(f"{value} + {OFFSET}" if name == "pk" else value)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        for begin in range(1, MANY + 1, AT_ONCE):
            end = min(begin + AT_ONCE - 1, MANY)
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(selected)} "  # noqa: S608
                f"FROM {table}, generate_series({begin}, {end}) AS n(number) WHERE id = {of}"
            )


def test_a_page_reads_few_rows_with_every_filter(merchant: Merchant) -> None:
    wrong = []
    for read, filters, found, most in CASES:
        with CaptureQueriesContext(connection) as captured:
            page = read(merchant, **filters, limit=5)
        looked_at = max(rows_read(analyse(each["sql"])) for each in captured)
        if len(page.items) != found or looked_at > most:
            wrong.append((read.__name__, filters, len(page.items), looked_at))
    assert wrong == [], "\n".join(map(str, wrong))
