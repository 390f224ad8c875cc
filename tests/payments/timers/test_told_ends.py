"""A payment tells the exact times at which the timers end it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.payments.actions import payment_queries
from checkout.payments.events import move_payment
from checkout.payments.models import Attempt, Event, Operation, Payment
from checkout.payments.objects import PaymentObject, payment_objects
from checkout.payments.timers.abandoned import expire_abandoned
from checkout.payments.timers.authorisations import void_expired
from checkout.states import Actor
from tests.payments.service.contradicting import another

pytestmark = pytest.mark.django_db

SOON, JUST_NOW = timedelta(minutes=1), timedelta(minutes=-1)
HOUR = timedelta(hours=1)
KINDS = Operation.Kind


@pytest.fixture(autouse=True)
def _lives_of_an_hour(settings) -> None:
    settings.CHECKOUT_ABANDONED_SECONDS = settings.CHECKOUT_AUTHORISATION_SECONDS = 3600


def told(payment: Payment) -> PaymentObject:
    """Return the payment's representation, which lists have as well."""
    alone = payment_queries.read_payment(payment.merchant, payment.reference)
    assert payment_queries.list_payments(payment.merchant).items == [alone]
    return alone


@pytest.mark.parametrize("state", ["open", "refused"])
@pytest.mark.parametrize("distance", [SOON, JUST_NOW])
@pytest.mark.parametrize("has_own_time", [True, False])
def test_an_unpaid_payment_expires_when_it_has_said(attempt: Attempt, state: str, distance, has_own_time):
    moment = timezone.now() + distance
    times = {"expires_at": moment} if has_own_time else {"updated_at": moment - HOUR}
    Payment.objects.update(state=state, **times)
    payment = told(attempt.payment)
    assert payment.effective_expires_at == moment
    assert payment.expires_at == (moment if has_own_time else None)
    assert expire_abandoned() == (distance == JUST_NOW)
    if distance == JUST_NOW:
        assert told(attempt.payment).effective_expires_at is None


@pytest.mark.parametrize("state", [each for each in Payment.State if each not in ("open", "refused")])
def test_in_any_other_state_no_time_is_told(attempt: Attempt, state: str):
    long_ago = timezone.now() - timedelta(days=9)
    Payment.objects.update(state=state, expires_at=long_ago, updated_at=long_ago)
    assert told(attempt.payment).effective_expires_at is None
    assert expire_abandoned() == 0


def authorised(attempt: Attempt, ago: timedelta) -> Payment:
    """Let the attempt have authorised its payment some time ago."""
    moment = timezone.now() - ago
    payment = attempt.payment
    Attempt.objects.filter(pk=attempt.pk).update(state="authorised")
    move_payment(payment, "authorised", Actor.SAGA)
    Payment.objects.update(held_since=moment, created_at=moment - HOUR)
    return Payment.objects.select_related("merchant").get(pk=payment.pk)


@pytest.mark.parametrize("distance", [SOON, JUST_NOW])
def test_an_authorisation_is_given_up_when_it_was_said(attempt: Attempt, distance):
    payment = authorised(attempt, HOUR - distance)
    assert payment.held_since is not None
    moment = payment.held_since + HOUR
    assert told(payment).capture_before == moment
    assert void_expired() == (distance == JUST_NOW)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (KINDS.CAPTURE, "requested"),
        (KINDS.CAPTURE, "unknown"),
        (KINDS.VOID, "requested"),
        (KINDS.VOID, "unknown"),
        (KINDS.CAPTURE, "refused"),
        (KINDS.VOID, "refused"),
    ],
)
@pytest.mark.parametrize("has_released", [False, True])
def test_it_is_said_only_if_the_gateway_does_it(attempt: Attempt, kind: str, state: str, has_released: bool):
    """A void of another attempt, whose money was released, does not prevent that."""
    payment = authorised(attempt, HOUR * 2)
    owner = another(attempt, Attempt.State.REFUSED) if has_released and kind == KINDS.VOID else attempt
    Operation.objects.create(
        payment=payment, attempt=owner, kind=kind, state=state, amount_minor=1250, currency="GBP"
    )
    is_told = told(payment).capture_before is not None
    assert is_told == (state == "refused" or owner != attempt)
    assert void_expired() == is_told


def test_after_its_own_void_was_refused_no_time_is_said(attempt: Attempt):
    payment = authorised(attempt, HOUR * 2)
    assert void_expired() == 1
    assert told(payment).capture_before is None
    Operation.objects.update(state="refused")
    assert told(payment).capture_before is None
    assert void_expired() == 0


@pytest.mark.parametrize("state", [each for each in Payment.State if each != "authorised"])
def test_what_is_not_authorised_says_no_time(attempt: Attempt, state: str):
    payment = authorised(attempt, HOUR * 2)
    Payment.objects.update(state=state)
    assert told(payment).capture_before is None


def test_the_event_says_what_the_payment_says_also_after_a_contradiction(attempt: Attempt):
    payment = authorised(attempt, timedelta(0))
    first = told(payment).capture_before
    move_payment(payment, "conflicted", Actor.PROVIDER)
    move_payment(payment, "conflict_resolved", Actor.SAGA)
    assert told(payment).capture_before == first
    event = Event.objects.order_by("-sequence")[0]
    assert event.data["object"]["capture_before"] == first.isoformat().replace("+00:00", "Z")


def test_the_times_of_a_list_cost_no_statements(attempt: Attempt, django_assert_num_queries):
    payment = authorised(attempt, timedelta(0))
    with django_assert_num_queries(2):  # operations and attempts
        (listed,) = payment_objects([payment])
    assert listed.capture_before is not None


def test_the_event_of_an_authorisation_costs_no_statement_for_its_time(
    attempt: Attempt, django_assert_num_queries
):
    payment = Payment.objects.select_related("merchant").get(pk=attempt.payment_id)
    with django_assert_num_queries(5):  # the payment, its operations, attempt, earlier events, and the event
        move_payment(payment, "authorised", Actor.SAGA)
    assert Event.objects.get().data["object"]["capture_before"] is not None


@pytest.mark.parametrize("distance", [SOON, JUST_NOW])
def test_a_contradiction_does_not_make_an_authorisation_younger(attempt: Attempt, distance):
    payment = authorised(attempt, HOUR - distance)
    assert payment.held_since is not None
    moment = payment.held_since + HOUR
    move_payment(payment, "conflicted", Actor.PROVIDER)
    move_payment(payment, "conflict_resolved", Actor.SAGA)
    told_in_event = Event.objects.order_by("-sequence")[0].data["object"]["capture_before"]
    assert told_in_event == moment.isoformat().replace("+00:00", "Z")
    assert told(payment).capture_before == moment
    assert void_expired() == (distance == JUST_NOW)


def test_the_event_of_a_contradiction_that_ends_with_money_held_has_the_time(attempt: Attempt):
    payment = attempt.payment
    move_payment(payment, "refused", Actor.SAGA)
    move_payment(payment, "conflicted", Actor.PROVIDER)
    move_payment(payment, "conflict_resolved", Actor.SAGA)
    said = Event.objects.order_by("-sequence")[0].data["object"]["capture_before"]
    assert said == told(payment).capture_before.isoformat().replace("+00:00", "Z")
