"""The saga that asks about a notified event that no operation of ours explains, as conversations."""

from typing import Any

import pytest

from checkout.conf import conf
from checkout.payments.sagas.asking import Asking, AskingData
from tests.payments.sagas.conversation import Conversation


def a_claim(claim: str) -> Conversation:
    saga = Conversation(Asking(), AskingData(payment="pay_1", attempt="pay_1-1", claim=claim))
    return saga.asks("payments.check_claim", attempt="pay_1-1", claim=claim).after(0)


@pytest.mark.parametrize(
    ("claim", "event"),
    [
        ("expired", "authorisation_expired"),
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
    data = AskingData(payment="pay_1", attempt="pay_1-1", claim="refunded", operation="op_1")
    Conversation(Asking(), data).asks("payments.check_claim", claim="refunded", operation="op_1")


def test_a_charge_back_is_asked_about_with_all_that_was_notified() -> None:
    notified: dict[str, Any] = {"minor": 500, "currency": "GBP", "event_id": "e-1", "is_proven": False}
    data = AskingData(payment="pay_1", attempt="pay_1-1", claim="charged_back", **notified)
    saga = Conversation(Asking(), data).asks("payments.check_claim", claim="charged_back", **notified)
    saga.answered(outcome="unknown").asks("payments.check_claim", **notified)


@pytest.mark.parametrize("claim", ["charged_back", "charge_back_reversed"])
def test_what_an_issuer_did_moves_the_payment_by_its_booking_and_not_by_the_answer(claim: str) -> None:
    assert a_claim(claim).answered(outcome="booked").ended("completed").events == []


def test_what_cannot_be_booked_without_guessing_waits_for_staff_with_the_reason() -> None:
    saga = a_claim("charged_back").answered(outcome="unclear", why="Nobody tells how much.").ended("parked")
    assert saga.decision.why == "Nobody tells how much."
    assert saga.events == []
    saga.resumed().asks("payments.check_claim").after(0)


def test_what_the_provider_denies_was_a_lie_if_it_does_so_again_when_it_must_know() -> None:
    saga, asked_for_seconds = a_claim("expired"), 0.0
    for delay in conf.inquiry_delays:
        if asked_for_seconds >= conf.modification_lag.total_seconds():
            break
        saga.answered(outcome="denied").asks("payments.check_claim").after(delay)
        asked_for_seconds += delay
    assert saga.answered(outcome="denied").ended("completed").events == []


def test_a_hint_is_asked_about_once() -> None:
    data = AskingData(payment="pay_1", attempt="pay_1-1", claim="expired", is_proven=False)
    saga = Conversation(Asking(), data).asks("payments.check_claim")
    assert saga.answered(outcome="denied").ended("completed").events == []


def test_what_the_provider_does_not_show_yet_is_believed_when_it_does() -> None:
    saga = a_claim("captured").answered(outcome="denied").answered(outcome="confirmed").ended("completed")
    assert saga.events == ["conflicted"]


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


def parked(claim: str) -> Conversation:
    return a_claim(claim).answered(outcome="unclear", why="Nobody tells how much.").ended("parked")


@pytest.mark.parametrize(
    ("claim", "word", "events"),
    [
        ("charged_back", "booked", []),
        ("charged_back", "denied", []),
        ("captured", "denied", []),
        ("captured", "confirmed", ["conflicted"]),
        ("expired", "confirmed", ["authorisation_expired"]),
    ],
)
def test_staff_s_word_on_what_is_parked_ends_it_like_the_provider_s(
    claim: str, word: str, events: list[str]
) -> None:
    assert parked(claim).told(word).ended("completed").events == events


def test_what_has_ended_takes_no_further_word() -> None:
    saga = parked("captured").told("denied").ended("completed")
    saga.ignores("confirmed").ignores("denied").ignores("booked")
