"""Inquiries about an attempt, which ask the provider or answer from our own rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.payments.models import Attempt, Fact, Operation, ProviderCall
from checkout.payments.providers.base import (
    Outcome,
    ProviderResult,
    Refusal,
    RefusalReason,
    Verb,
)
from checkout.payments.service import service
from checkout.payments.service.attempt_outcome import apply_to_attempt
from checkout.states import Actor
from messaging import crash_points
from tests.payments.service.asking import (
    authorise,
    come_back,
    inquire,
    let_settle,
    operation_on,
    to_authorise,
    to_complete_challenge,
    to_inquire,
    told,
)
from tests.payments.service.delivering import deliver
from tests.support.memory_provider.books import Books, OrderState

pytestmark = pytest.mark.django_db


@contextmanager
def before_the_answer_is_looked_at(act: Callable[[], object]) -> Iterator[None]:
    """Run ``act`` after the provider has answered and before the answer is processed."""

    def observe(point: str) -> None:
        if point == "payments.answered":
            act()

    crash_points.observe(observe)
    try:
        yield
    finally:
        crash_points.observe(None)


def test_an_unknown_outcome_is_resolved_by_asking(attempt):
    authorise(attempt, "unknown")
    assert inquire(attempt).result["outcome"] == "approved"
    assert attempt.state == Attempt.State.AUTHORISED


def test_an_ended_attempt_is_answered_without_asking(attempt, books):
    authorise(attempt, "refuse:card_expired")
    books.orders.clear()
    result = inquire(attempt).result
    assert (result["outcome"], result["refusal_reason"]) == ("refused", "card_expired")


def test_a_later_refusal_says_more_about_an_attempt_that_had_ended_without_its_details(attempt):
    authorise(attempt, "refuse:card_expired")
    Attempt.objects.update(refusal_reason="", refusal_code="")
    locked = Attempt.objects.select_related("payment__merchant").get(pk=attempt.pk)
    refusal = Refusal(reason=RefusalReason.CARD_EXPIRED, code="33", description="")
    result = ProviderResult(order_code=attempt.order_code, outcome=Outcome.REFUSED, refusal=refusal)
    assert apply_to_attempt(locked, result).refusal_reason == "card_expired"
    attempt.refresh_from_db()
    assert (attempt.state, attempt.refusal_reason, attempt.refusal_code) == ("refused", "card_expired", "33")


def test_an_order_that_the_provider_denies_was_not_sent_once_it_has_had_time(attempt):
    authorise(attempt, "lost")
    assert inquire(attempt).result["outcome"] == "unknown"
    assert attempt.state == Attempt.State.UNKNOWN
    let_settle(attempt)
    assert inquire(attempt).result["outcome"] == "not_sent"
    assert attempt.state == Attempt.State.NOT_SENT


def told_by(attempt: Attempt, kind: str, **data: str) -> None:
    """Record a statement of a notification about the attempt."""
    Fact.objects.create(payment=attempt.payment, attempt=attempt, source="provider", kind=kind, data=data)


@pytest.mark.parametrize("kind", ["authorised", "captured", "settled", "refunded", "charged_back"])
def test_an_order_that_the_provider_denies_is_not_given_up_if_it_has_notified_money(attempt, kind):
    authorise(attempt, "lost")
    told_by(attempt, f"notified_{kind}")
    let_settle(attempt)
    assert inquire(attempt).result["outcome"] == "unknown"
    assert attempt.state == Attempt.State.UNKNOWN


@pytest.mark.parametrize("kind", ["hinted_authorised", "notified_refused", "notified_error"])
def test_neither_a_hint_nor_other_news_keeps_an_order_that_the_provider_denies(attempt, kind):
    authorise(attempt, "lost")
    told_by(attempt, kind)
    let_settle(attempt)
    assert inquire(attempt).result["outcome"] == "not_sent"


def test_a_provider_that_cannot_be_asked_leaves_the_outcome_unknown(attempt, settings):
    authorise(attempt, "unknown")
    let_settle(attempt)
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert inquire(attempt).result["outcome"] == "unknown"
    assert attempt.state == Attempt.State.UNKNOWN


def test_a_shopper_in_a_challenge_is_left_in_peace(attempt):
    authorise(attempt, "challenge")
    let_settle(attempt)
    assert inquire(attempt).result["outcome"] == "challenge_required"
    assert attempt.state == Attempt.State.CHALLENGE_REQUIRED


def test_a_challenge_that_begins_while_the_provider_denies_knowing_the_order_goes_on(attempt):
    """Another copy of the command to authorise has started the challenge meanwhile."""
    authorise(attempt, "lost")
    let_settle(attempt)

    def begin() -> None:
        Attempt.objects.filter(pk=attempt.pk).update(
            state=Attempt.State.CHALLENGE_REQUIRED,
            challenge_expires_at=timezone.now() + timedelta(minutes=10),
        )

    with before_the_answer_is_looked_at(begin):
        assert inquire(attempt).result["outcome"] == "challenge_required"


def test_a_denial_from_before_another_copy_was_answered_is_none_any_more(attempt):
    authorise(attempt, "lost")
    let_settle(attempt)
    calls = ProviderCall.objects.filter(attempt=attempt)
    with before_the_answer_is_looked_at(lambda: calls.update(outcome="pending")):
        assert inquire(attempt).result["outcome"] == "unknown"
    assert attempt.state == Attempt.State.UNKNOWN


def test_a_denial_is_as_old_as_the_question(attempt):
    """The process was delayed with an answer from a time when the request could still arrive."""
    authorise(attempt, "lost")
    with before_the_answer_is_looked_at(lambda: let_settle(attempt)):
        assert inquire(attempt).result["outcome"] == "unknown"
    assert attempt.state == Attempt.State.UNKNOWN


def test_a_challenge_that_lapsed_is_asked_about_and_left_to_its_purchase_to_cancel(attempt):
    authorise(attempt, "challenge")
    attempt.challenge_expires_at = timezone.now() - timedelta(seconds=1)
    attempt.save()
    let_settle(attempt)
    assert inquire(attempt).result["outcome"] == "challenge_required"
    assert attempt.state == Attempt.State.CHALLENGE_REQUIRED


def test_a_lapsed_challenge_that_was_approved_after_all_is_authorised(attempt, books):
    authorise(attempt, "challenge")
    books.orders[attempt.order_code].state = OrderState.AUTHORISED
    attempt.challenge_expires_at = timezone.now() - timedelta(seconds=1)
    attempt.save()
    assert inquire(attempt).result["outcome"] == "approved"
    assert attempt.state == Attempt.State.AUTHORISED


def test_a_command_to_authorise_that_comes_after_the_inquiry_is_not_sent(attempt, books):
    assert inquire(attempt).result["outcome"] == "not_sent"
    assert told(attempt, to_authorise(attempt, "approve")).result["outcome"] == "not_sent"
    assert not books.orders


def test_an_authorisation_of_an_expired_attempt_is_conflicted(attempt, books):
    authorise(attempt, "challenge")
    attempt.apply("expired", Actor.CLOCK)
    attempt.save()
    books.orders[attempt.order_code].state = OrderState.AUTHORISED
    assert inquire(attempt).result["outcome"] == "conflicted"


def test_an_authorised_attempt_is_answered_without_asking(attempt, books):
    authorise(attempt, "approve")
    operation_on(attempt, Operation.Kind.CAPTURE)
    books.orders[attempt.order_code].state = OrderState.REFUSED
    assert inquire(attempt).result["outcome"] == "approved"
    assert not attempt.facts.filter(kind__startswith="inquire").exists()


def test_a_shopper_who_is_just_back_is_not_given_up_before_the_second_message_is_sent(attempt, books):
    authorise(attempt, "challenge")
    let_settle(attempt)
    come_back(attempt)
    order = books.orders.pop(attempt.order_code)
    assert inquire(attempt).result["outcome"] == "challenge_required"
    books.orders[attempt.order_code] = order
    assert told(attempt, to_complete_challenge(attempt)).result["outcome"] == "approved"


def test_a_shopper_who_is_just_back_may_pay_although_the_provider_cannot_be_asked(attempt, settings):
    authorise(attempt, "challenge")
    come_back(attempt)
    credentials, settings.CHECKOUT_PROVIDER_CREDENTIALS = settings.CHECKOUT_PROVIDER_CREDENTIALS, {}
    assert inquire(attempt).result["outcome"] == "challenge_required"
    settings.CHECKOUT_PROVIDER_CREDENTIALS = credentials
    assert told(attempt, to_complete_challenge(attempt)).result["outcome"] == "approved"


def test_an_inquiry_after_a_lost_second_message_asks(attempt, books):
    authorise(attempt, "challenge")
    come_back(attempt)
    books.orders[attempt.order_code].state = OrderState.AUTHORISED
    assert inquire(attempt).result["outcome"] == "approved"


@pytest.fixture
def completed(attempt: Attempt, books: Books) -> Attempt:
    """Return an attempt whose completion was sent long ago without an answer, to an unknown order."""

    not_found = ProviderResult(outcome=Outcome.UNKNOWN, order_code=attempt.order_code, event="ERROR 7")
    books.scenarios.answer("complete_challenge", not_found)
    authorise(attempt, "challenge")
    come_back(attempt)
    assert told(attempt, to_complete_challenge(attempt)).result["outcome"] == "unknown"
    let_settle(attempt)
    return attempt


def test_a_denial_after_a_completed_challenge_does_not_say_that_nothing_was_authorised(completed, books):
    assert inquire(completed).result["outcome"] == "unknown"
    assert completed.state == Attempt.State.UNKNOWN
    books.orders[completed.order_code].state = OrderState.AUTHORISED
    assert inquire(completed).result["outcome"] == "approved"


def test_a_denial_holds_if_the_second_message_was_not_sent(completed):
    completed.provider_calls.filter(verb=Verb.COMPLETE_CHALLENGE).update(outcome=Outcome.NOT_SENT)
    assert inquire(completed).result["outcome"] == "not_sent"


def test_an_unknown_attempt_is_an_error_reply(attempt):
    envelope = to_inquire(Attempt(payment=attempt.payment, order_code="none"))
    assert deliver(service, envelope).reply.error.code == "attempt_not_found"


def test_an_order_of_which_the_provider_has_notified_money_is_not_believed_to_be_missing(attempt):
    authorise(attempt, "lost")
    let_settle(attempt)
    Fact.objects.create(
        payment=attempt.payment, attempt=attempt, source="provider", kind="notified_authorised"
    )
    assert inquire(attempt).result["outcome"] == "unknown"
    assert attempt.state == Attempt.State.UNKNOWN
