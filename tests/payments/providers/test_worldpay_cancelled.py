"""Orders that somebody else has cancelled or undone: Worldpay's risk service, or people in its portal."""

import pytest

from checkout.payments.books.compare_sums import compare_unknown_order
from checkout.payments.objects.advice import advice_for
from checkout.payments.providers.base import EventKind, Outcome, RefusalReason, Verb
from checkout.payments.providers.worldpay_wpg.notifications import parse_notification
from checkout.payments.providers.worldpay_wpg.parse import parse_listing, parse_reply
from tests.payments.providers.worldpay_messages import journal, notification, paid, payment


@pytest.mark.parametrize(
    ("verb", "reason"),
    [
        (Verb.AUTHORISE, RefusalReason.SUSPECTED_FRAUD),
        (Verb.COMPLETE_CHALLENGE, RefusalReason.SUSPECTED_FRAUD),
        (Verb.INQUIRE, RefusalReason.CANCELLED),
    ],
)
@pytest.mark.parametrize("code", ["", '<ISO8583ReturnCode code="5" description="CANCELLED"/>'])
def test_an_order_that_is_cancelled_while_it_is_paid_was_cancelled_by_worldpays_risk_service(
    verb, reason, code
):
    result = parse_reply(paid("CANCELLED", code), verb)
    assert (result.outcome, result.kind) == (Outcome.REFUSED, EventKind.CANCELLED)
    assert result.refusal is not None
    assert result.refusal.reason == reason


def test_a_return_code_says_more_than_the_cancellation():
    result = parse_reply(paid("CANCELLED", '<ISO8583ReturnCode code="51" description="LIMIT EXCEEDED"/>'))
    assert result.refusal is not None
    assert result.refusal.reason == RefusalReason.INSUFFICIENT_FUNDS


@pytest.mark.parametrize("event", ["REVOKE_REQUESTED", "REVOKED", "REVOKE_FAILED"])
def test_an_event_that_undoes_a_capture_is_unknown_and_left_to_staff(event):
    assert parse_reply(paid(event), Verb.INQUIRE).outcome == Outcome.UNKNOWN
    [statement] = parse_notification(notification(payment(event) + journal(event)))
    assert (statement.event, statement.is_known) == (event, False)


def test_an_order_of_another_method_that_its_shopper_cancelled_holds_no_money():
    [listed] = parse_listing(paid("SHOPPER_CANCELLED"))
    assert (listed.outcome, listed.kind) == (Outcome.REFUSED, EventKind.CANCELLED)
    assert compare_unknown_order(listed).agrees
    [statement] = parse_notification(
        notification(payment("SHOPPER_CANCELLED") + journal("SHOPPER_CANCELLED"))
    )
    assert (statement.kind, statement.is_known) == (EventKind.CANCELLED, True)


def test_a_shopper_is_not_told_to_have_cancelled_what_others_may_have_cancelled():
    result = parse_reply(paid("EXPIRED"), Verb.INQUIRE)
    assert result.refusal is not None
    assert "you cancelled" not in advice_for(result.refusal.reason).casefold()
