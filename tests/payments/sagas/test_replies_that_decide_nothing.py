"""Retryable errors and malformed replies: the saga asks again, is parked, or inquires."""

from collections.abc import Callable

import pytest

from checkout.payments.sagas import DEFINITIONS
from checkout.payments.sagas.operations.data import OperationData
from tests.payments.sagas.conversation import Conversation
from tests.payments.sagas.test_purchase import a_purchase, an_accepted_purchase, an_authorised_purchase
from tests.payments.sagas.test_review import a_review

Heard = Callable[[Conversation], Conversation]

PASSING: Heard = lambda saga: saga.answered_with_an_error(retryable=True)  # noqa: E731
MALFORMED: Heard = lambda saga: saga.answered_malformed()  # noqa: E731
NOTHING_DECIDED = pytest.mark.parametrize("heard", [PASSING, MALFORMED], ids=["passing", "malformed"])


def an_operation(kind: str) -> Conversation:
    data = OperationData(payment="pay_1", attempt="pay_1-1", operation="op_1", minor=500, currency="EUR")
    return Conversation(DEFINITIONS[kind], data)


def asks_again(saga: Conversation, type: str, heard: Heard) -> Conversation:
    """Check that the saga repeats the command three times, with growing pauses, and keeps the card."""
    for delay_seconds in (1, 2, 4):
        heard(saga).asks(type).after(delay_seconds)
        assert saga.decision.ask is not None
        assert saga.decision.ask.keeps_card
        assert (saga.decision.transitions, saga.decision.reply_to_waiters) == ((), False), (
            "the shopper still waits"
        )
    return saga


@NOTHING_DECIDED
def test_risk_is_asked_again_and_the_shopper_is_not_refused_at_once(heard: Heard) -> None:
    saga = asks_again(a_purchase(), "risk.assess", heard).answered(decision="accept")
    asks_again(saga.asks("orders.reserve"), "orders.reserve", heard)


@NOTHING_DECIDED
def test_without_any_sensible_assessment_the_purchase_ends_before_it_begins(heard: Heard) -> None:
    saga = heard(asks_again(a_purchase(), "risk.assess", heard)).ended("compensated")
    assert saga.decision.refusal_reason == "provider_error", "risk has not said that it is not permitted"
    assert saga.decision.attempt_transitions == ("not_sent",)


@NOTHING_DECIDED
def test_stock_that_may_be_reserved_is_released(heard: Heard) -> None:
    saga = a_purchase().answered(decision="accept")
    heard(asks_again(saga, "orders.reserve", heard)).asks("orders.release")
    assert saga.decision.attempt_transitions == ("not_sent",)


def test_an_authorisation_that_was_not_made_is_asked_for_again_with_its_card() -> None:
    saga = asks_again(an_accepted_purchase(), "payments.authorise", PASSING)
    PASSING(saga).asks("payments.inquire")


def test_an_authorisation_that_may_have_been_made_is_inquired_and_not_refused() -> None:
    saga = an_accepted_purchase().answered_malformed().answers_the_shopper().asks("payments.inquire")
    assert saga.events == ["outcome_unknown"]


def test_a_second_message_that_may_have_arrived_is_inquired_and_not_sent_again() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").told("challenge_returned")
    saga.answered_malformed().asks("payments.inquire")


def test_a_second_message_that_was_not_sent_is_sent_again() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required").told("challenge_returned")
    asks_again(saga, "payments.complete_challenge", PASSING)


def test_every_step_has_tries_of_its_own() -> None:
    saga = asks_again(a_purchase(), "risk.assess", MALFORMED).answered(decision="accept")
    saga = asks_again(saga, "orders.reserve", MALFORMED).answered(reserved=True)
    saga = asks_again(saga, "payments.authorise", PASSING).answered(outcome="challenge_required")
    asks_again(saga.told("challenge_returned"), "payments.complete_challenge", PASSING)


@NOTHING_DECIDED
def test_an_order_is_confirmed_after_a_bad_moment(heard: Heard) -> None:
    saga = an_authorised_purchase().told("capture_accepted")
    asks_again_quietly(saga, "orders.confirm", heard).answered().ended("completed")


@NOTHING_DECIDED
def test_an_order_that_nobody_confirms_waits_for_staff(heard: Heard) -> None:
    saga = an_authorised_purchase().told("capture_accepted")
    heard(asks_again_quietly(saga, "orders.confirm", heard)).ended("parked")


def asks_again_quietly(saga: Conversation, type: str, heard: Heard) -> Conversation:
    for delay_seconds in (1, 2, 4):
        heard(saga).asks(type).after(delay_seconds)
    return saga


@pytest.mark.parametrize("kind", ["capture", "void", "refund"])
def test_an_operation_that_may_have_been_sent_is_inquired_and_neither_sent_again_nor_parked(
    kind: str,
) -> None:
    saga = an_operation(kind).asks(f"payments.{kind}").answered_malformed()
    saga.asks("payments.inquire_operation").signals(f"{kind}_delayed")
    saga.answered_malformed().asks("payments.inquire_operation")


@pytest.mark.parametrize("kind", ["capture", "void", "refund"])
def test_an_operation_that_was_not_sent_is_sent_later(kind: str) -> None:
    saga = an_operation(kind).answered_with_an_error(retryable=True)
    saga.asks(f"payments.{kind}").after(1).answered_with_an_error(retryable=True)
    saga.asks(f"payments.{kind}").after(5)


@NOTHING_DECIDED
def test_a_review_is_made_after_a_bad_moment_and_otherwise_changes_nothing(heard: Heard) -> None:
    saga = asks_again_quietly(a_review(), "payments.review", heard)
    heard(saga).ended("completed")
    assert saga.events == []
