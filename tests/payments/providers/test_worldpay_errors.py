"""Error elements: those that prove that nothing was carried out, and those that do not."""

import pytest

from checkout.payments.providers.base import Outcome, RefusalReason, Verb
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.worldpay_messages import error

MODIFICATIONS = (Verb.CAPTURE, Verb.VOID, Verb.REFUND)
# Texts for errors of the provider's own, some of which contain the words of a refusal.
FAULTS = (
    "Deadline exceeded",
    "Lock wait time exceeded",
    "Concurrency conflict: amount in use",
    "Unable to determine state",
    "This order cannot be captured",
    "The refund amount is too large",
    "Refunds are not allowed at the moment",
    "Currency service: not permitted to answer",
    "Amount: an internal error occurred",
    "Cannot refund now, please try again",
    "Cannot capture an order in state UNKNOWN, try again",
    "Could not parse the request",
)


@pytest.mark.parametrize("of_order", [True, False])
@pytest.mark.parametrize(
    ("code", "verb", "outcome"),
    [
        ("1", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("2", Verb.AUTHORISE, Outcome.REFUSED),
        ("3", Verb.AUTHORISE, Outcome.REFUSED),
        *((code, Verb.AUTHORISE, Outcome.REFUSED) for code in ("6", "10", "11", "12")),
        ("14", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("5", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("7", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("8", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("9", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("7", Verb.CAPTURE, Outcome.UNKNOWN),
        ("13", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("99", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("5", Verb.COMPLETE_CHALLENGE, Outcome.UNKNOWN),
        ("7", Verb.COMPLETE_CHALLENGE, Outcome.UNKNOWN),
        ("1", Verb.CAPTURE, Outcome.UNKNOWN),
        ("5", Verb.CAPTURE, Outcome.UNKNOWN),
        ("5", Verb.REFUND, Outcome.UNKNOWN),
        ("5", Verb.VOID, Outcome.UNKNOWN),
        ("2", Verb.INQUIRE, Outcome.UNKNOWN),
        ("5", Verb.INQUIRE, Outcome.UNKNOWN),
    ],
)
def test_an_error_is_final_only_where_nothing_can_have_happened(code, verb, outcome, of_order):
    result = parse_reply(error(code, of_order=of_order), verb)
    assert (result.outcome, result.event) == (outcome, f"ERROR {code}".strip())
    assert result.order_code == ("order-1" if of_order else "")
    if outcome == Outcome.REFUSED:
        assert result.refusal is not None
        assert (result.refusal.code, result.refusal.description) == (code, "Something went wrong")
    else:
        assert result.refusal is None


def test_an_order_that_the_provider_never_heard_of_is_not_found():
    result = parse_reply(error(5, "Could not find payment for order"), Verb.INQUIRE)
    assert (result.outcome, result.event) == (Outcome.NOT_FOUND, "MISSING")


@pytest.mark.parametrize(
    ("code", "said", "verb", "outcome"),
    [
        (5, "XML failed\n  validation", Verb.COMPLETE_CHALLENGE, Outcome.REFUSED),
        (5, "XML failed validation", Verb.REFUND, Outcome.REFUSED),
        (5, "XML failed validation.", Verb.AUTHORISE, Outcome.REFUSED),
        (5, "XML failed validation", Verb.INQUIRE, Outcome.UNKNOWN),
        (5, "XML failed validation: Deadline exceeded", Verb.REFUND, Outcome.UNKNOWN),
        (5, "XML failed validation: duplicate order", Verb.AUTHORISE, Outcome.UNKNOWN),
        (5, 'The content of element type "refund" must match "(amount)"', Verb.REFUND, Outcome.REFUSED),
        (7, "XML failed validation", Verb.CAPTURE, Outcome.UNKNOWN),
        (5, "Duplicate Order", Verb.AUTHORISE, Outcome.UNKNOWN),
        (5, "Duplicate capture", Verb.CAPTURE, Outcome.UNKNOWN),
        (5, "DUPLICATE", Verb.REFUND, Outcome.UNKNOWN),
        (5, "x" * 300 + " was already refunded", Verb.REFUND, Outcome.UNKNOWN),
        (7, "Could not find order", Verb.COMPLETE_CHALLENGE, Outcome.UNKNOWN),
        (5, "Could not find payment for order", Verb.COMPLETE_CHALLENGE, Outcome.UNKNOWN),
        (5, "Could not find payment for order", Verb.AUTHORISE, Outcome.UNKNOWN),
        (5, "Could not find payment for order because of a timeout", Verb.INQUIRE, Outcome.UNKNOWN),
        (7, "Could not find order", Verb.AUTHORISE, Outcome.UNKNOWN),
        (7, "Could not find order", Verb.REFUND, Outcome.UNKNOWN),
        *((5, "Could not find order", verb, Outcome.NOT_FOUND) for verb in MODIFICATIONS),
        (7, "Invalid payment details", Verb.AUTHORISE, Outcome.REFUSED),
        (7, "Invalid payment details", Verb.CAPTURE, Outcome.UNKNOWN),
        (7, "Invalid payment details : Card number : 4111********1111", Verb.AUTHORISE, Outcome.REFUSED),
        (7, "Invalid payment details : Expiry date = 10/2019", Verb.AUTHORISE, Outcome.REFUSED),
        (7, "Invalid payment details : Gateway error", Verb.AUTHORISE, Outcome.UNKNOWN),
        (7, "Gateway error", Verb.AUTHORISE, Outcome.UNKNOWN),
        *(
            (code, said, verb, Outcome.UNKNOWN)
            for said in FAULTS
            for code in (5, 7)
            for verb in MODIFICATIONS
        ),
        *((5, said, Verb.AUTHORISE, Outcome.UNKNOWN) for said in FAULTS),
        (5, "Requested capture of 1050 exceeds the 950 available", Verb.CAPTURE, Outcome.REFUSED),
        (5, "Cannot cancel an order in state CAPTURED", Verb.VOID, Outcome.REFUSED),
        (5, "Currency or exponent of the refund differs from the order's", Verb.REFUND, Outcome.REFUSED),
        (5, "Requested capture of 1050 exceeds the 950 available", Verb.AUTHORISE, Outcome.UNKNOWN),
        *((4, "Security violation", verb, Outcome.NOT_ABLE) for verb in (*MODIFICATIONS, Verb.INQUIRE)),
        (4, "Anything", Verb.AUTHORISE, Outcome.NOT_ABLE),
        (9, "Service not enabled", Verb.AUTHORISE, Outcome.NOT_ABLE),
        (9, "Idempotent requests are not enabled for this customer.", Verb.CAPTURE, Outcome.NOT_ABLE),
        (9, "Invalid idempotency-key", Verb.CAPTURE, Outcome.NOT_ABLE),
        (9, "Request in progress", Verb.CAPTURE, Outcome.UNKNOWN),
        (9, "Invalid: the key was used for a different transaction", Verb.CAPTURE, Outcome.UNKNOWN),
        (9, "Invalid key: already processed", Verb.REFUND, Outcome.UNKNOWN),
        (9, "Not valid: duplicate key", Verb.AUTHORISE, Outcome.UNKNOWN),
        (9, "The idempotency service failed", Verb.AUTHORISE, Outcome.UNKNOWN),
    ],
)
def test_the_text_of_an_error_says_whether_anything_can_have_happened(code, said, verb, outcome):
    assert parse_reply(error(code, said), verb).outcome == outcome


NOT_RECOGNISED = "Invalid payment details : Card number not recognised: 606070******4400"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (5, f"XML failed validation: {NOT_RECOGNISED}"),
        (5, NOT_RECOGNISED),
        (2, f"XML failed validation: {NOT_RECOGNISED}"),
        (7, NOT_RECOGNISED),
    ],
)
def test_a_mistyped_card_is_the_shoppers_to_mend(code, said):
    refusal = parse_reply(error(code, said), Verb.AUTHORISE).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.code) == (RefusalReason.CARD_INVALID, str(code))


@pytest.mark.parametrize(
    ("code", "said", "verb"),
    [
        (5, NOT_RECOGNISED, Verb.COMPLETE_CHALLENGE),
        (5, f"Duplicate Order. {NOT_RECOGNISED}", Verb.AUTHORISE),
        (1, NOT_RECOGNISED, Verb.AUTHORISE),
    ],
)
def test_invalid_details_decide_nothing_about_an_order_that_may_have_been_carried_out(code, said, verb):
    assert parse_reply(error(code, said), verb).outcome == Outcome.UNKNOWN


UNOPENED = "An internal CSE service error has occurred."


@pytest.mark.parametrize("code", [5, 7])
def test_a_card_that_the_provider_cannot_open_was_not_charged(code):
    result = parse_reply(error(code, UNOPENED), Verb.AUTHORISE)
    assert result.outcome == Outcome.REFUSED
    assert result.refusal is not None
    assert (result.refusal.reason, result.refusal.description) == (RefusalReason.CARD_INVALID, UNOPENED)


@pytest.mark.parametrize("verb", [Verb.COMPLETE_CHALLENGE, Verb.INQUIRE])
def test_a_card_that_cannot_be_opened_says_nothing_in_answer_to_a_message_without_a_card(verb):
    assert parse_reply(error(5, UNOPENED), verb).outcome == Outcome.UNKNOWN


def test_any_other_message_that_fails_validation_is_our_own_fault():
    refusal = parse_reply(error(5, "XML failed validation"), Verb.AUTHORISE).refusal
    assert refusal is not None
    assert refusal.reason == RefusalReason.INVALID_REQUEST


@pytest.mark.parametrize("code", [5, 7])
def test_an_order_that_cannot_be_found_has_no_record(code):
    result = parse_reply(error(code, "Could not find order"), Verb.INQUIRE)
    assert (result.outcome, result.event) == (Outcome.NOT_FOUND, "MISSING")


@pytest.mark.parametrize("verb", [Verb.INQUIRE, Verb.CAPTURE, Verb.VOID, Verb.REFUND])
def test_an_order_that_is_not_ready_exists_and_is_unknown(verb):
    result = parse_reply(error(5, "Order not ready"), verb)
    assert (result.outcome, result.event, result.refusal) == (Outcome.UNKNOWN, "NOT_READY", None)


@pytest.mark.parametrize("verb", [Verb.CAPTURE, Verb.VOID, Verb.REFUND])
def test_an_operation_on_an_order_that_the_provider_does_not_know_was_not_made(verb):
    result = parse_reply(error(5, "Could not find payment for order"), verb)
    assert (result.outcome, result.event, result.refusal) == (Outcome.NOT_FOUND, "MISSING", None)


@pytest.mark.parametrize("said", ["Could not find payment for order", "Could not find order"])
@pytest.mark.parametrize("code", [1, 2, 8])
def test_an_error_with_another_code_does_not_show_that_there_is_no_order(code, said):
    assert parse_reply(error(code, said), Verb.INQUIRE).outcome == Outcome.UNKNOWN


@pytest.mark.parametrize("merchant", [' merchantCode=""', ""])
def test_an_error_of_a_message_that_the_provider_could_not_read_names_no_merchant(merchant):
    body = error(2, "Not understood").replace(b' merchantCode="TEAPOTS"', merchant.encode())
    assert parse_reply(body, merchant_code="TEAPOTS").outcome == Outcome.REFUSED
