"""The verification of a notification that nothing of ours explains, as conversations."""

import pytest

from checkout.conf import conf
from checkout.sagas.verification import Verification, VerificationData
from tests.sagas.conversation import Conversation


def a_claim(claim: str) -> Conversation:
    saga = Conversation(Verification(), VerificationData(payment="pay_1", attempt="pay_1-1", claim=claim))
    return saga.asks("payments.check_claim", attempt="pay_1-1", claim=claim).after(0)


@pytest.mark.parametrize(
    ("claim", "event"),
    [
        ("expired", "authorisation_expired"),
        ("charged_back", "charged_back"),
        ("charge_back_reversed", "charge_back_reversed"),
        ("captured", "conflicted"),
        ("cancelled", "conflicted"),
        ("refunded", "conflicted"),
        ("refund_failed", "conflicted"),
    ],
)
def test_what_the_provider_confirms_is_believed(claim: str, event: str) -> None:
    saga = a_claim(claim).answered(outcome="confirmed").ended("completed")
    assert saga.events == [event]


def test_the_operation_that_is_named_is_asked_about() -> None:
    data = VerificationData(payment="pay_1", attempt="pay_1-1", claim="refunded", operation="op_1")
    Conversation(Verification(), data).asks("payments.check_claim", claim="refunded", operation="op_1")


def test_what_the_provider_denies_was_a_lie() -> None:
    assert a_claim("expired").answered(outcome="denied").ended("completed").events == []


def test_a_provider_that_says_nothing_is_asked_again_until_a_human_looks() -> None:
    saga = a_claim("charged_back")
    for number, delay in enumerate(conf.inquiry_delays):
        if number % 2:
            saga.answered(outcome="unknown")
        else:
            saga.waited_too_long()
        saga.asks("payments.check_claim").after(delay)
    saga.answered_with_an_error().ended("parked").resumed().asks("payments.check_claim").after(0)
    assert saga.events == []


def test_another_notification_adds_nothing() -> None:
    a_claim("expired").ignores("expired").ignores("captured")
