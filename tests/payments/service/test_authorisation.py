"""Authorisations and challenges: every answer of a provider, and the resulting state of the attempt."""

from base64 import b64encode
from datetime import timedelta

import msgspec
import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.challenge_token import hash_of, token_for
from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.models import Attempt, Fact, OutboxMessage, Payment, ProviderCall
from checkout.payments.providers.base import Challenge, EventKind, Outcome, ProviderResult
from checkout.payments.service import service
from checkout.privacy.card_seal import seal_card
from tests.payments.service.asking import (
    authorise,
    come_back,
    inquire,
    to_authorise,
    to_authorise_with,
    to_complete_challenge,
    told,
)
from tests.payments.service.delivering import deliver

pytestmark = pytest.mark.django_db


def test_an_approved_payment_is_authorised_with_a_summary_of_its_card(attempt, books):
    assert authorise(attempt, "approve").result == {
        "outcome": "approved",
        "event": "AUTHORISED",
        "refusal_reason": "",
        "why": "",
        "card_brand": "visa",
        "card_last4": "1111",
    }
    assert attempt.state == Attempt.State.AUTHORISED
    assert attempt.card == {"brand": "visa", "last4": "1111", "expiry": "12/2030"}
    call = ProviderCall.objects.get()
    assert (call.key, call.verb, call.outcome) == (f"{attempt.order_code}:authorise", "authorise", "approved")
    assert call.finished_at is not None


def test_the_provider_is_asked_for_what_the_payment_owes(attempt, books):
    authorise(attempt, "approve")
    order = books.orders[attempt.order_code]
    assert (order.amount, order.session_id) == (Money(1250, "GBP"), "a-session")


def test_a_refusal_carries_its_reason(attempt):
    result = authorise(attempt, "refuse:insufficient_funds").result
    assert (result["outcome"], result["refusal_reason"]) == ("refused", "insufficient_funds")
    assert attempt.state == Attempt.State.REFUSED
    assert attempt.refusal_reason == "insufficient_funds"


def test_a_challenge_is_kept_with_the_hash_of_a_token_that_expires(attempt):
    assert authorise(attempt, "challenge").result["outcome"] == "challenge_required"
    assert attempt.state == Attempt.State.CHALLENGE_REQUIRED
    assert attempt.challenge["transaction_id"] == f"challenge-{attempt.order_code}"
    assert attempt.challenge_count == 1
    assert attempt.challenge_token_hash == hash_of(token_for(attempt))
    assert attempt.challenge_expires_at - timezone.now() > timedelta(seconds=890)
    assert attempt.session_state == f"books={attempt.order_code}"


@pytest.mark.parametrize(
    ("card", "outcome", "state"),
    [
        ("challenge", "approved", Attempt.State.AUTHORISED),
        ("challenge_refuse", "refused", Attempt.State.REFUSED),
    ],
)
def test_the_second_message_ends_a_challenge(attempt, card, outcome, state):
    authorise(attempt, card)
    come_back(attempt)
    assert told(attempt, to_complete_challenge(attempt)).result["outcome"] == outcome
    assert attempt.state == state
    assert ProviderCall.objects.filter(key=f"{attempt.order_code}:challenge:1", outcome=outcome).exists()


def test_the_second_message_is_not_sent_before_the_shopper_is_back(attempt, books):
    authorise(attempt, "challenge")
    assert told(attempt, to_complete_challenge(attempt)).result["outcome"] == "challenge_required"
    assert books.orders[attempt.order_code].state == "challenged"


def test_one_challenge_too_many_is_a_failed_authentication(attempt, settings):
    settings.CHECKOUT_MAX_CHALLENGES = 0
    result = authorise(attempt, "challenge").result
    assert (result["outcome"], result["refusal_reason"]) == ("refused", "authentication_failed")
    assert attempt.state == Attempt.State.REFUSED
    assert attempt.challenge is None


def test_without_a_card_the_provider_is_not_called(attempt, books):
    result = authorise(attempt, "").result
    assert (result["outcome"], result["refusal_reason"]) == ("not_sent", "card_not_received")
    assert attempt.state == Attempt.State.NOT_SENT
    assert not books.orders


@pytest.mark.parametrize(
    ("sealed", "code"),
    [
        (lambda attempt: seal_card("approve", "pay_of_another-1"), "card_seal_broken"),
        (lambda attempt: seal_card("approve", attempt.order_code)[:-8] + "AAAAAAA=", "card_seal_broken"),
        (lambda attempt: _expired("approve", attempt.order_code), "card_seal_expired"),
        (lambda attempt: _sealed_with_a_dropped_key("approve", attempt.order_code), "card_key_unknown"),
        (lambda attempt: "approve", "card_not_sealed"),
    ],
    ids=["another attempt", "changed", "expired", "dropped key", "one seal"],
)
def test_a_card_whose_second_seal_is_not_right_is_not_sent_and_staff_see_why(attempt, books, sealed, code):
    result = told(attempt, to_authorise_with(attempt, sealed(attempt))).result
    assert (result["outcome"], result["refusal_reason"]) == ("not_sent", "card_not_received")
    assert (attempt.state, attempt.refusal_code) == (Attempt.State.NOT_SENT, code)
    assert not books.orders
    told_to_staff = Fact.objects.get(kind="authorise_not_sent").data
    assert told_to_staff["refusal_code"] == code
    assert told_to_staff["refusal_description"]
    assert "approve" not in str(told_to_staff)


def _expired(card, attempt):
    with time_machine.travel(timezone.now() - timedelta(seconds=conf.card_seconds), tick=False):
        return seal_card(card, attempt)


def _sealed_with_a_dropped_key(card, attempt):
    with override_settings(CHECKOUT_CARD_KEYS=[b64encode(bytes(32)).decode()]):
        return seal_card(card, attempt)


def test_the_sealed_card_travels_no_further_and_is_stored_nowhere(attempt):
    delivered = authorise(attempt, "refuse:card_invalid")
    assert [sent.envelope.sealed for sent in delivered.outgoing] == [""]
    assert not any(sent.carries_sealed for sent in delivered.outgoing)
    assert not Fact.objects.filter(text__contains="refuse:card_invalid").exists()


def test_a_provider_that_was_not_reached_ends_the_attempt_as_not_sent(attempt, books):
    result = authorise(attempt, "unavailable").result
    assert (result["outcome"], result["refusal_reason"]) == ("not_sent", "provider_error")
    assert attempt.state == Attempt.State.NOT_SENT
    assert ProviderCall.objects.get().outcome == "not_sent"


def test_an_attempt_that_was_not_sent_is_never_sent_later(attempt, books):
    authorise(attempt, "unavailable")
    assert authorise(attempt, "approve").result["outcome"] == "not_sent"
    assert not books.orders


def test_an_account_without_credentials_is_not_sent_and_told_to_an_operator(attempt, settings, caplog):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert authorise(attempt, "approve").result["outcome"] == "not_sent"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("card", ["unknown", "invalid", "lost"])
def test_no_readable_answer_is_unknown_and_never_refused(attempt, card):
    assert authorise(attempt, card).result["outcome"] == "unknown"
    assert attempt.state == Attempt.State.UNKNOWN


def test_a_pending_answer_leaves_the_attempt_unknown(attempt):
    assert authorise(attempt, "pending").result["outcome"] == "pending"
    assert attempt.state == Attempt.State.UNKNOWN


def test_another_copy_of_the_command_is_answered_from_what_is_stored(attempt, books):
    authorise(attempt, "refuse:lost_or_stolen")
    again = authorise(attempt, "approve").result
    assert (again["outcome"], again["refusal_reason"]) == ("refused", "lost_or_stolen")
    assert books.orders[attempt.order_code].state == "refused"


def test_an_unknown_call_is_not_repeated(attempt, books):
    authorise(attempt, "lost")
    assert authorise(attempt, "approve").result["outcome"] == "unknown"
    assert not books.orders


def test_a_redelivered_command_is_not_carried_out_again(attempt, books):
    envelope = to_authorise(attempt, "unavailable")
    first = told(attempt, envelope)
    again = told(attempt, envelope)
    assert [sent.envelope.message_id for sent in again.outgoing] == [
        sent.envelope.message_id for sent in first.outgoing
    ]
    assert Fact.objects.count() == 1


def test_nothing_is_sent_once_an_earlier_attempt_has_made_the_payment_conflicted(attempt, books):
    Payment.objects.update(state=Payment.State.CONFLICTED)
    assert authorise(attempt, "approve").result["outcome"] == "not_sent"
    attempt.refresh_from_db()
    assert attempt.state == Attempt.State.NOT_SENT
    assert not books.orders


def test_no_challenge_is_completed_once_an_earlier_attempt_has_made_the_payment_conflicted(attempt, books):
    authorise(attempt, "challenge")
    come_back(attempt)
    Payment.objects.update(state=Payment.State.CONFLICTED)
    assert told(attempt, to_complete_challenge(attempt)).result["outcome"] == "not_sent"
    assert attempt.state == Attempt.State.NOT_SENT
    assert books.orders[attempt.order_code].state == "challenged"


def test_an_answer_about_another_amount_is_conflicted(attempt, books):
    authorise(attempt, "unknown")
    books.orders[attempt.order_code].amount = Money(1, "GBP")
    assert inquire(attempt).result["outcome"] == "conflicted"
    assert attempt.state == Attempt.State.CONFLICTED


def test_an_answer_in_another_currency_is_conflicted(attempt, books):
    authorise(attempt, "unknown")
    books.orders[attempt.order_code].amount = Money(1250, "EUR")
    assert inquire(attempt).result["outcome"] == "conflicted"


def test_an_answer_about_another_order_is_conflicted(attempt, books):
    authorise(attempt, "unknown")
    books.orders[attempt.order_code].order_code = "another"
    assert inquire(attempt).result["outcome"] == "conflicted"


def test_what_the_provider_said_is_a_fact(attempt):
    authorise(attempt, "refuse:insufficient_funds")
    fact = Fact.objects.get()
    assert (fact.source, fact.kind, fact.attempt) == ("provider", "authorise_refused", attempt)
    assert fact.data == {
        "outcome": "refused",
        "event": "REFUSED",
        "amount": "12.50 GBP",
        "position": ("authorised 0.00 GBP, captured 0.00 GBP, refunded 0.00 GBP, charged back 0.00 GBP"),
    }


def test_an_attempt_that_does_not_exist_is_an_error_reply(attempt):
    envelope = to_authorise(Attempt(payment=attempt.payment, order_code="none"), "approve")
    assert deliver(service, envelope).reply.error.code == "attempt_not_found"


def answering(scenarios, verb, attempt, outcome, **told):
    """Let the provider give this answer to messages of this kind. Return the requests that it gets."""
    scenarios.answer(verb, ProviderResult(outcome=outcome, order_code=attempt.order_code, **told))
    return scenarios.asked[verb]


def test_a_provider_that_asks_for_device_data_again_gets_no_further(attempt, scenarios):
    answering(scenarios, "authorise", attempt, Outcome.DEVICE_DATA_REQUIRED)
    result = authorise(attempt, "approve").result
    assert (result["outcome"], result["refusal_reason"]) == ("refused", "authentication_required")
    assert attempt.state == Attempt.State.REFUSED


def test_a_challenge_without_its_data_is_unknown_and_shown_to_nobody(attempt, scenarios):
    answering(scenarios, "authorise", attempt, Outcome.CHALLENGE_REQUIRED)
    assert authorise(attempt, "approve").result["outcome"] == "unknown"
    assert (attempt.state, attempt.challenge) == (Attempt.State.UNKNOWN, None)


def test_a_second_challenge_has_a_token_and_a_message_of_its_own(attempt, scenarios):
    authorise(attempt, "challenge")
    first = attempt.challenge_token_hash
    come_back(attempt)
    again = Challenge(version="2.2.0", transaction_id="2", acs_url="https://acs.example/", payload="p")
    answering(scenarios, "complete_challenge", attempt, Outcome.CHALLENGE_REQUIRED, challenge=again)
    assert told(attempt, to_complete_challenge(attempt)).result["outcome"] == "challenge_required"
    scenarios.end()
    assert (attempt.challenge_count, attempt.challenge["transaction_id"]) == (2, "2")
    assert attempt.challenge_token_hash == hash_of(token_for(attempt)) != first
    come_back(attempt)
    assert told(attempt, to_complete_challenge(attempt)).result["outcome"] == "approved"
    keys = ProviderCall.objects.filter(verb="complete_challenge").order_by("pk").values_list("key", flat=True)
    assert list(keys) == [f"{attempt.order_code}:challenge:{number}" for number in (1, 2)]


def test_what_the_provider_wants_back_is_kept_if_a_later_answer_brings_nothing_new(attempt, scenarios):
    authorise(attempt, "challenge")
    wanted_back = attempt.session_state
    come_back(attempt)
    sent = answering(scenarios, "complete_challenge", attempt, Outcome.APPROVED, event="AUTHORISED")
    told(attempt, to_complete_challenge(attempt))
    assert attempt.session_state == wanted_back == sent[0].session_state != ""


def test_a_card_is_only_kept_at_the_provider_if_the_shopper_asked_for_it(attempt, scenarios):
    Payment.objects.update(customer_reference="customer-7")
    sent = answering(scenarios, "authorise", attempt, Outcome.APPROVED, event="AUTHORISED")
    authorise(attempt, "approve")
    assert [request.saves_for for request in sent] == [""]


def test_a_contradiction_is_told_to_the_sagas_that_may_have_gone_on_without_this_answer(attempt, books):
    authorise(attempt, "unknown")
    books.orders[attempt.order_code].amount = Money(1, "GBP")
    inquire(attempt)
    assert contradictions() == [attempt.order_code]


def test_a_contradiction_that_comes_after_another_copy_was_answered_is_told_as_well(attempt, scenarios):
    envelope = to_authorise(attempt, "approve")
    other_money = ProviderResult(
        outcome=Outcome.APPROVED,
        order_code=attempt.order_code,
        kind=EventKind.AUTHORISED,
        amount=Money(1, "GBP"),
    )

    def another_copy_is_answered() -> None:
        assert deliver(service, envelope).result["outcome"] == "unknown"

    scenarios.answer("authorise", other_money)
    scenarios.before("authorise", another_copy_is_answered, times=1)
    told(attempt, envelope)
    assert attempt.state == Attempt.State.CONFLICTED
    assert contradictions() == [attempt.order_code]


def contradictions():
    """Return the attempts about which the orchestrator was told of a contradiction."""
    rows = OutboxMessage.objects.filter(type=ApplyProviderEvent.to)
    events = [msgspec.json.decode(row.body, type=ApplyProviderEvent) for row in rows]
    return [event.attempt for event in events if event.kind == "conflicted"]
