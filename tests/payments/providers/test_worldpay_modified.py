"""Orders that are modified at once: their status answers a capture, void or refund, instead of an ``ok``."""

import pytest

from checkout.money import Money
from checkout.payments.providers.base import Outcome, Verb
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.worldpay_messages import amount, modified, order_status, paid, payment

REQUESTS = {
    Verb.CAPTURE: f'<capture reference="op_1">{amount(300)}</capture>',
    Verb.VOID: "<cancel/>",
    Verb.REFUND: f'<refund reference="op_1">{amount(300)}</refund>',
}
EVENTS = [
    "AUTHORISED", "CAPTURED", "PARTIAL_CAPTURED", "SETTLED", "SENT_FOR_REFUND", "REFUNDED", "REFUND_FAILED",
    "REFUND_EXPIRED", "CANCELLED", "VOIDED", "EXPIRED", "REFUSED", "ERROR", "null", "TELEPORTED",
]  # fmt: skip
CERTAIN = {
    (Verb.VOID, "CANCELLED"): Outcome.APPROVED,
    (Verb.VOID, "VOIDED"): Outcome.APPROVED,
    (Verb.REFUND, "REFUND_FAILED"): Outcome.UNKNOWN,
    (Verb.REFUND, "REFUND_EXPIRED"): Outcome.UNKNOWN,
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("verb", REQUESTS)
def test_a_last_event_ends_an_operation_only_if_it_can_be_about_nothing_else(verb, event):
    expected = CERTAIN.get((verb, event), Outcome.PENDING)
    for body in (modified(event, REQUESTS[verb]), paid(event)):
        result = parse_reply(body, verb)
        assert (result.outcome, result.refusal, result.position) == (expected, None, None)


@pytest.mark.parametrize("verb", [Verb.CAPTURE, Verb.REFUND])
def test_the_amount_is_that_of_the_operation_and_never_that_of_the_order(verb):
    assert parse_reply(modified("CAPTURED", REQUESTS[verb]), verb).amount == Money(300, "GBP")
    assert parse_reply(paid("CAPTURED"), verb).amount is None


def test_an_order_may_have_several_payments_when_the_request_is_repeated():
    body = modified("CAPTURED", REQUESTS[Verb.REFUND]).replace(
        b"<orderModification", payment("SENT_FOR_REFUND").encode() + b"<orderModification"
    )
    result = parse_reply(body, Verb.REFUND)
    assert (result.outcome, result.event) == (Outcome.PENDING, "SENT_FOR_REFUND")


@pytest.mark.parametrize(("first", "second"), [("CAPTURED", "CANCELLED"), ("CANCELLED", "CAPTURED")])
def test_an_order_of_which_only_a_payment_is_cancelled_is_not_released(first, second):
    body = modified(first, REQUESTS[Verb.VOID]).replace(
        b"<orderModification", payment(second).encode() + b"<orderModification"
    )
    assert parse_reply(body, Verb.VOID).outcome == Outcome.PENDING


@pytest.mark.parametrize(
    "body",
    [
        modified("CAPTURED", REQUESTS[Verb.REFUND]),
        modified("CAPTURED", REQUESTS[Verb.CAPTURE], order_code="order-2"),
        modified("CAPTURED", ""),
        order_status(payment("CAPTURED") + 2 * '<orderModification orderCode="order-1"/>'),
        order_status(payment("CAPTURED") + payment("CAPTURED")),
        modified("CAPTURED", REQUESTS[Verb.CAPTURE]).replace(
            b"<orderModification",
            payment("CAPTURED", "<lastEvent>REFUSED</lastEvent>").encode() + b"<orderModification",
        ),
    ],
)
def test_an_answer_about_another_request_contradicts_itself(body):
    result = parse_reply(body, Verb.CAPTURE)
    assert (result.outcome, result.event) == (Outcome.UNKNOWN, "CONTRADICTORY")
