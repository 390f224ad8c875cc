"""The lists of the back office: a wide screen shows every column, a narrow one does not scroll sideways."""

import os
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser

from tests.browser.test_back_office import at_work
from tests.support.stack import Stack

pytestmark = pytest.mark.browser

LISTS = (
    "api/apikey",
    "api/idempotencyrecord",
    "payments/attempt",
    "risk/blockedvalue",
    "payments/deadletter",
    "payments/difference",
    "payments/dispute",
    "payments/event",
    "payments/fact",
    "payments/inboxmessage",
    "ledger/ledgerentry",
    "payments/merchant",
    "payments/operation",
    "payments/outboxmessage",
    "payments/payment",
    "payments/paymentlink",
    "payments/provideraccount",
    "payments/providercall",
    "payments/providernotification",
    "receipts/receipt",
    "payments/reconciliation",
    "orders/reservation",
    "risk/riskassessment",
    "payments/saga",
    "orders/stockitem",
    "webhooks/delivery",
    "webhooks/webhookendpoint",
)

# Rows with the longest possible values.
MAKE_ROWS = """
from django.db import transaction
from django.utils import timezone
from checkout.api.access.keys import make_key
from checkout.orders.models import StockItem
from checkout.payments.models import OutboxMessage
from checkout.risk.models import BlockedValue
from tests.backoffice import rows

name, now = "%(name)s", timezone.now()
with transaction.atomic():  # a posting adds up when it is committed
    row = rows.paid(f"ORDER-2026-{name}-{'7' * 20}")
refund = rows.operation(
    row, "refund", 300, state="unknown", requested_by="ann.example@shop.example", reason="Arrived broken"
)
rows.operation(row, "charge_back", 300, state="done")
rows.heard(refund, "inquire_refund_unknown", outcome="approved")
why = "It says CAPTURED of 12.50 GBP, and the attempt that it names was refused an hour before. " * 4
rows.notification(row, "conflicted", why, digest=name, copies=3, applied_at=now)
why = "not an answer to payments.inquire_operation: Expected `str` matching regex - at `$.outcome`"
about = {"type": "payments.inquire_operation", "service": "payments", "reason": why}
rows.dead_letter(row.reference, message_id=name, **about)
rows.difference(row, order_code=f"{row.reference}-12", kind="charged_back")
OutboxMessage.objects.create(
    message_id=name,
    exchange="checkout.replies",
    routing_key=f"checkout.node.{name * 3}",
    type="payments.complete_challenge",
    subject=row.reference,
    body="{}",
    available_at=now,
    attempts=12,
    last_error="PublishRefused: the queue is full, or too much is unconfirmed here; it is tried again later",
)
BlockedValue.objects.create(kind="email", value=f"{name}@{'long' * 8}.example", reason="Card testing " * 6)
make_key(row.merchant, name=f"The till in {'Llanfair' * 8}", networks=["2001:db8:1234::/48"], by="ann")
tea = {"name": "Assam tea, 250 g", "price_minor": 1250, "currency": "GBP", "quantity": 3}
StockItem.objects.create(merchant_code=row.merchant.code, sku=name, **tea)
"""

# The width by which the table exceeds its box, which then scrolls.
HIDDEN = """() => {
  const box = document.querySelector("#changelist-form .results");
  return box ? box.scrollWidth - box.clientWidth : "no rows";
}"""
# Cells so narrow that words are broken into single letters, which cannot be read.
BROKEN = """() => [...document.querySelectorAll("#result_list th .text, #result_list tbody :is(th, td)")]
  .filter((cell) => cell.textContent.trim().length > 3 && cell.getBoundingClientRect().width < 36)
  .map((cell) => cell.className + ": " + cell.textContent)"""


@pytest.mark.parametrize("width", [320, 1280])
def test_every_column_of_every_list_can_be_seen(browser: Browser, shared_stack: Stack, width: int) -> None:
    shared_stack.manage("shell", "--command", MAKE_ROWS % {"name": uuid4().hex[:12]})
    folder = os.environ.get("SCREENSHOTS", "")
    hidden: dict[str, object] = {}
    with at_work(browser, shared_stack, viewport={"width": width, "height": 800}) as page:
        for name in LISTS:
            response = page.goto(f"{name}/")
            assert response is not None
            assert response.status == 200, name
            if folder:
                page.screenshot(path=Path(folder) / f"admin-list-{name.partition('/')[2]}-{width}.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            if width > 1000:
                hidden[name] = [page.evaluate(HIDDEN), *page.evaluate(BROKEN)]
    assert {name: found for name, found in hidden.items() if found != [0]} == {}
