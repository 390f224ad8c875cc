"""Reconciliation of payments that real processes made."""

import pytest
import requests

from checkout.tryout.scenarios import FRICTIONLESS
from tests.flows.stack.shopping import paid_once, rows, shopper_at
from tests.sandbox.merchant import Merchant
from tests.support.waiting import wait_until

SETTINGS = {
    "CHECKOUT_RECONCILIATION_SECONDS": "86400",
    "CHECKOUT_SETTLING_SECONDS": "10",
    "CHECKOUT_ORDER_LAG_SECONDS": "3",
    "CHECKOUT_MODIFICATION_LAG_SECONDS": "5",
}
pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.long]


def test_books_agree_after_a_purchase_and_a_refund_behind_our_back_is_found(start_stack):
    stack = start_stack(environment=SETTINGS)
    shopper = shopper_at(stack, FRICTIONLESS)
    shopper.pay(shopper.order())
    paid_once(stack, shopper)
    at_rest = "SELECT 1 FROM payments_saga WHERE status = 'running'"
    wait_until(lambda: not rows(stack, at_rest), "every saga to end")
    agree = "1 payment compared, 0 differences"
    wait_until(lambda: agree in stack.manage("reconcile", "--since", "2020-01-01"), "the provider's copy")
    behind_our_back(stack, shopper)
    wait_until(lambda: "refunded: ours £0.00, theirs £0.05" in reported(stack), "the refund")
    assert requests.get(f"{stack.web_url}/readyz", timeout=10).ok


def reported(stack):
    """Return the differences that the command prints: none until the provider must show all movements."""
    try:
        stack.manage("reconcile", "--since", "2020-01-01")
    except AssertionError as ended:
        return str(ended)
    return ""


def behind_our_back(stack, shopper):
    """Refund five pence in the provider's own back office."""
    provider = Merchant(stack.sandbox_url)
    (order,) = provider.statement(prefix=shopper.reference)["orders"]
    knob = {"notification": {"fault": "lost", "times": None}}
    requests.post(f"{stack.sandbox_url}/scenarios/", json=knob, timeout=10).raise_for_status()
    provider.refund(order["order_code"], 5)
    wait_until(lambda: provider.books(order["order_code"])["refunded"] == 5, "the refund")
