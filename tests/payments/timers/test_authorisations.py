"""An authorisation that is not captured is voided once, before it lapses."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.payments.models import Attempt, Operation, OutboxMessage, Payment
from checkout.payments.objects.expiry import VOID_BY_CLOCK
from checkout.payments.timers.authorisations import void_expired
from tests.payments.service.at_once import at_once
from tests.payments.service.contradicting import another

pytestmark = pytest.mark.django_db


@pytest.fixture
def old(attempt: Attempt, settings) -> Attempt:
    """Return an authorised payment of two hours ago. The test determines when it was authorised."""
    settings.CHECKOUT_AUTHORISATION_SECONDS = 3600
    attempt.state = Attempt.State.AUTHORISED
    attempt.save()
    Payment.objects.update(state=Payment.State.AUTHORISED, created_at=timezone.now() - timedelta(hours=2))
    return attempt


@pytest.fixture
def authorised(old: Attempt) -> Attempt:
    """Return a payment that was authorised two hours ago."""
    was_authorised(old, timedelta(hours=2))
    return old


def was_authorised(attempt: Attempt, ago: timedelta) -> None:
    Payment.objects.filter(pk=attempt.payment_id).update(held_since=timezone.now() - ago)


def operation(attempt: Attempt, kind: str, state: str) -> None:
    Operation.objects.create(
        payment=attempt.payment, attempt=attempt, kind=kind, state=state, amount_minor=1250, currency="GBP"
    )


def test_it_is_voided_by_the_clock_once(authorised: Attempt):
    assert (void_expired(), void_expired()) == (1, 0)
    void = Operation.objects.get()
    assert (void.kind, void.requested_by, void.idempotency_key) == ("void", "clock", VOID_BY_CLOCK)
    assert OutboxMessage.objects.filter(type="checkout.start_operation").count() == 1


def test_a_young_authorisation_is_left(old: Attempt):
    was_authorised(old, timedelta(minutes=59))
    assert void_expired() == 0


def test_a_payment_older_than_its_authorisation_counts_from_that(old: Attempt):
    assert void_expired() == 0


@pytest.mark.parametrize(
    ("kind", "state", "voided"),
    [
        ("capture", "requested", 0),
        ("capture", "unknown", 0),
        ("capture", "done", 0),
        ("void", "pending", 0),
        ("capture", "refused", 1),
        ("void", "refused", 1),
    ],
)
def test_what_is_captured_or_voided_or_about_to_be_is_left(authorised: Attempt, kind, state, voided):
    operation(authorised, kind, state)
    assert void_expired() == voided


def test_the_void_of_an_attempt_that_was_released_is_not_in_the_way(authorised: Attempt):
    operation(another(authorised, Attempt.State.REFUSED), "void", "done")
    assert void_expired() == 1
    assert Operation.objects.get(idempotency_key=VOID_BY_CLOCK).attempt == authorised


@pytest.mark.parametrize("state", ["captured", "capture_pending", "voided", "conflicted", "expired"])
def test_what_is_not_authorised_any_more_is_left(authorised: Attempt, state: str):
    Payment.objects.update(state=state)
    assert void_expired() == 0


def test_a_void_that_was_refused_is_not_asked_for_again(authorised: Attempt):
    void_expired()
    Operation.objects.update(state=Operation.State.REFUSED)
    assert void_expired() == 0


def test_a_request_that_is_turned_down_is_no_error(authorised: Attempt):
    """The attempt is conflicted meanwhile, so the void is rejected."""
    Attempt.objects.update(state=Attempt.State.CONFLICTED)
    assert void_expired() == 0


@pytest.mark.django_db(transaction=True)
def test_several_relays_ask_once(authorised: Attempt):
    at_once(*[void_expired] * 4)
    assert Operation.objects.count() == 1
    assert OutboxMessage.objects.filter(type="checkout.start_operation").count() == 1
