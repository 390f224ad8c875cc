"""The adapter's answers about refunds of settled money, with the sandbox as Worldpay."""

import pytest

from checkout.money import Money
from checkout.payments.providers.base import EventKind
from checkout.payments.providers.registry import get_provider
from tests.payments.providers.requests_to_make import modification
from tests.payments.providers.sandbox_shop import account
from tests.sandbox.conftest import inbox, key_file, sandbox_of
from tests.sandbox.merchant import Merchant
from tests.support.waiting import wait_until

__all__ = ["inbox", "key_file", "sandbox_of"]


@pytest.mark.parametrize("is_settled", [True, False])
def test_the_sums_after_a_refund_presume_that_nothing_was_settled(sandbox_of, inbox, is_settled):
    settlement = 0 if is_settled else 3600
    with sandbox_of(notification_url=inbox.url, settlement_seconds=settlement) as url:
        merchant, provider = Merchant(url), get_provider(account(url))
        merchant.submit("order-1", "SETTLED REFUND_THROUGH_CAPTURED")
        provider.capture(modification("capture", "order-1", 1050))
        last = "SETTLED" if is_settled else "CAPTURED"
        wait_until(lambda: last in inbox.journal_types(), last)
        assert not provider.inquire("order-1").presume_unsettled
        provider.refund(modification("refund", "order-1", 300))
        wait_until(lambda: "REFUNDED" in inbox.journal_types(), "the refund")
        told = provider.inquire("order-1")
        assert (told.kind, told.position, told.presume_unsettled) == (EventKind.REFUNDED, None, True)
        assert told.kept == Money(300 if is_settled else 750, "GBP")
        [notified] = [
            each
            for body, journal in zip(inbox.bodies, inbox.journal_types(), strict=True)
            if journal == "REFUNDED"
            for each in provider.parse_notification(body)
        ]
        assert notified.amount == Money(300, "GBP")
