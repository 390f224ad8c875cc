"""Notified captures and refunds that name none of ours and have other amounts: made in the portal."""

import pytest

from checkout.money import Money
from checkout.payments.books.ours import FAILED
from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.models import (
    Attempt,
    Fact,
    Operation,
    Payment,
    ProviderNotification,
    Saga,
)
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.service import service as checkout
from checkout.states import PaymentState
from tests.payments.service.asking import operation_on, settle
from tests.payments.service.claiming import carried_out, checked, to_settle_claim
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered
from tests.payments.service.test_notification import body, events, notify, stored
from tests.payments.service.test_operation_inquiry import without_sums

pytestmark = pytest.mark.django_db

Kind, State = Operation.Kind, Operation.State


@pytest.fixture
def refunded_in_part(authorised, books) -> Attempt:
    """Return a captured attempt of 12.50 GBP, of which 3.00 were refunded. The portal has 9.50."""
    order = books.orders[authorised.order_code]
    order.captured = order.refunded = order.amount
    for kind, minor, state in (
        (Kind.CAPTURE, 1250, State.DONE),
        (Kind.REFUND, 300, State.DONE),
        (Kind.REFUND, 950, State.REFUSED),
    ):
        Operation.objects.filter(pk=operation_on(authorised, kind, minor).pk).update(state=state)
    Payment.objects.update(state=PaymentState.PARTIALLY_REFUNDED)
    return authorised


@pytest.mark.parametrize("is_named", [False, True])
def test_a_movement_that_is_notified_while_ours_has_no_outcome_does_not_end_ours(authorised, is_named):
    """If the event names our operation, the provider contradicts us, and is queried; ours is not settled."""
    ours = operation_on(authorised, Kind.CAPTURE)
    settle(ours, State.PENDING)
    reference = ours.reference if is_named else ""
    row = stored(authorised, body(authorised, "CAPTURED", minor=235, reference=reference))
    told = events(notify(authorised, row))
    ours.refresh_from_db()
    assert ours.state == State.PENDING
    if is_named:
        assert (ours.doubt, row.state) == ("amount", ProviderNotification.State.CONFLICTED)
    else:
        assert (ours.doubt, row.state) == ("", ProviderNotification.State.APPLIED)
    assert [each.minor for each in told] == [235]


@pytest.fixture
def no_sums(scenarios) -> None:
    """Let the provider report no sums, as Worldpay does for an order of which nothing is kept."""
    without_sums(scenarios)


def notified(
    attempt: Attempt,
    kind: str,
    minor: int | None,
    *,
    is_proven: bool = True,
    event_id: str = "e-1",
    currency: str = "GBP",
) -> Saga | None:
    """Deliver an event that names no operation, and return the first resulting query, if there is any."""
    event = ApplyProviderEvent(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        kind=kind,
        minor=minor,
        currency=currency if minor is not None else "",
        is_proven=is_proven,
        event_id=event_id,
    )
    deliver(checkout, command(event))
    return Saga.objects.filter(kind="asking").order_by("pk").first()


@pytest.mark.parametrize(("kind", "ours"), [("captured", 1250), ("refunded", 300)])
def test_a_movement_of_another_amount_is_asked_about_and_one_of_the_same_is_ours(
    refunded_in_part, kind, ours
):
    assert notified(refunded_in_part, kind, ours) is None
    assert notified(refunded_in_part, kind, None) is None
    assert notified(refunded_in_part, kind, 949) is not None


@pytest.mark.parametrize(
    ("minor", "is_proven", "is_asked"),
    [(949, True, True), (949, False, True), (300, True, False), (950, True, False), (None, True, False)],
)
def test_a_refund_that_is_only_sent_is_asked_about_unless_it_may_be_ours(
    refunded_in_part, minor, is_proven, is_asked
):
    """The account may not have selected REFUNDED. A failed refund of ours may be sent again."""
    saga = notified(refunded_in_part, "refund_sent", minor, is_proven=is_proven)
    assert (saga is not None) is is_asked
    if saga is not None:
        assert saga.data["claim"] == "refunded"


@pytest.mark.parametrize(
    ("state", "minor", "is_asked"),
    [
        (State.REFUSED, 235, True),
        (State.REFUSED, None, True),
        (State.UNKNOWN, 235, False),
        (State.DONE, 500, False),
        (State.DONE, None, False),
        (State.DONE, 501, True),
    ],
)
def test_a_settlement_of_more_than_ours_is_asked_about(authorised, state, minor, is_asked):
    """The account may not have selected CAPTURED, so that nothing else reports a capture in the portal."""
    settle(operation_on(authorised, Kind.CAPTURE, 500), state)
    saga = notified(authorised, "settled", minor)
    assert (saga is not None) is is_asked
    if saga is not None:
        assert saga.data["claim"] == "captured"


def test_a_settlement_in_another_currency_may_be_that_of_ours(authorised):
    settle(operation_on(authorised, Kind.CAPTURE, 500), State.DONE)
    assert notified(authorised, "settled", 99_000, currency="JPY") is None


def test_an_amount_in_another_currency_says_nothing_without_a_capture_of_ours(authorised):
    saga = notified(authorised, "settled", 99_000, currency="JPY")
    assert saga is not None
    assert (saga.data["claim"], saga.data["minor"], saga.data["currency"]) == ("captured", None, "")


@pytest.mark.parametrize(("kind", "event"), [(Kind.CAPTURE, "captured"), (Kind.REFUND, "refunded")])
def test_it_is_not_denied_while_one_of_ours_is_open_that_would_explain_the_sum(
    authorised, books, kind, event
):
    """Our operation may be refused once the provider reports no sums. Then nothing shows the event again."""
    order = books.orders[authorised.order_code]
    if kind == Kind.REFUND:
        order.captured = order.amount
        settle(operation_on(authorised, Kind.CAPTURE), State.DONE)
    setattr(order, event, Money(300, "GBP"))
    ours = operation_on(authorised, kind, 950)
    settle(ours, State.UNKNOWN)
    assert checked(authorised, 301, claim=event) == "denied"
    assert checked(authorised, 300, claim=event) == "unknown"
    settle(ours, State.REFUSED)
    assert checked(authorised, 300, claim=event) == "confirmed"


def test_it_is_confirmed_if_the_provider_says_that_one_is_sent_and_none_is_ours(authorised, scenarios):
    scenarios.tell("inquire", position=None, kind=EventKind.REFUND_SENT)
    assert checked(authorised, 950) == "confirmed"
    settle(operation_on(authorised, Kind.REFUND, 300), State.PENDING)
    assert checked(authorised, 300) == "denied"


def test_the_provider_confirms_it_by_its_sums(refunded_in_part):
    assert checked(refunded_in_part, 950) == "confirmed"


@pytest.mark.usefixtures("no_sums")
def test_without_sums_staff_say_if_somebody_has_done_it(refunded_in_part):
    """Nothing is left of the order, so that no comparison of books would show the movement either."""
    assert checked(refunded_in_part, 950) == "unclear"
    assert "None of ours is of 9.50 GBP" in Fact.objects.get(kind="claim_unclear").data["why"]
    saga = notified(refunded_in_part, "refunded", 950)
    assert saga is not None
    answered(saga, outcome="unclear", why="None of ours is of 9.50 GBP.")
    carried_out(to_settle_claim(saga, is_true=True), saga)
    assert saga.status == Saga.Status.COMPLETED
    assert Payment.objects.get().state == PaymentState.CONFLICTED


@pytest.mark.usefixtures("no_sums")
@pytest.mark.parametrize(("minor", "is_proven"), [(None, True), (300, True), (950, False)])
def test_without_sums_what_may_be_ours_or_anybody_may_have_sent_is_denied(refunded_in_part, minor, is_proven):
    assert checked(refunded_in_part, minor, is_proven=is_proven) == "denied"


@pytest.mark.usefixtures("no_sums")
def test_a_movement_of_another_amount_is_not_forgotten_in_the_question_about_a_failed_refund(
    refunded_in_part,
):
    """The failed refund is booked as made after all, which says nothing about the other movement."""
    Operation.objects.filter(kind=Kind.REFUND, amount_minor=300).delete()
    Operation.objects.filter(kind=Kind.REFUND, amount_minor=950).update(refusal_reason=FAILED)
    first = notified(refunded_in_part, "refunded", 950)
    notified(refunded_in_part, "refunded", 950, event_id="e-2")
    notified(refunded_in_part, "refunded", None, event_id="e-3")
    notified(refunded_in_part, "refunded", 300, event_id="e-4")
    assert first is not None
    answered(first, outcome=checked(refunded_in_part, 950))
    assert first.data["answer"] == "booked"
    (other,) = Saga.objects.filter(kind="asking").exclude(pk=first.pk)
    answered(other, outcome=checked(refunded_in_part, 300), why="None of ours is of 3.00 GBP.")
    assert other.status == Saga.Status.PARKED
