"""Disputed money: it cannot be refunded from the moment that the dispute is known."""

from typing import Any

import pytest
from django.db.models import F

from checkout.errors import AmountNotAvailable, OutcomeUnknown, PaymentDisputed, ProviderUnavailable
from checkout.payments.actions import available, request_refund
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Event, Operation, Payment, ProviderCall, Saga
from checkout.payments.objects import payment_object
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.service import service as checkout
from checkout.payments.service import service
from messaging.envelope import Envelope
from tests.payments.service.asking import authorise, carry_out, operation_on, settle
from tests.payments.service.claiming import captured, carried_out, claimed, gbp, said, to_settle_claim
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, denied
from tests.payments.service.test_notification import body, notify, stored

pytestmark = pytest.mark.django_db
CHARGED_BACK = "charged_back"
Kind, State = Operation.Kind, Operation.State


@pytest.fixture
def taken(attempt: Attempt, books) -> Attempt:
    """Return an attempt of 12.50 GBP with 10.00 captured."""
    authorise(attempt, "approve")
    return captured(attempt)


def told(
    attempt: Attempt, minor: int | None = 300, number: int = 1, *, is_proven: bool = True, **changes: object
) -> list[Envelope]:
    """Store the notification of a charge-back. Return the resulting commands, which are not delivered."""
    currency = {"currency": ""} if minor is None else {}
    text = body(attempt, "CHARGED_BACK", minor=minor, number=number, **currency, **changes)
    return notify(attempt, stored(attempt, text, is_proven=is_proven)).commands


def asked(attempt: Attempt, minor: int | None = 300, number: int = 1, **how: Any) -> Saga:
    """Deliver a notification of a charge-back, and return the saga that asks the provider about it."""
    for envelope in told(attempt, minor, number, **how):
        deliver(checkout, envelope)
    return Saga.objects.filter(kind="asking").latest("pk")


def refundable(attempt: Attempt) -> int:
    """Return the refundable amount according to the payment's object, the back office and a request."""
    payment = Payment.objects.get(pk=attempt.payment_id)
    shown = payment_object(payment)
    amounts, requested = (
        shown.amounts,
        -sum(
            each.amount_minor
            for each in payment.operations.filter(kind=Kind.REFUND).exclude(state=State.REFUSED)
        ),
    )
    assert amounts.refundable == amounts.captured + requested - amounts.disputed - amounts.dispute_claimed
    assert ("refund" in shown.available_actions) is (amounts.refundable > 0)
    assert available(payment.reference).refundable == gbp(amounts.refundable)
    with pytest.raises(AmountNotAvailable):
        request_refund(payment.reference, amount=gbp(amounts.refundable + 1), by="ada")
    return amounts.refundable


def refused(attempt: Attempt, minor: int) -> AmountNotAvailable:
    with pytest.raises(AmountNotAvailable) as caught:
        request_refund(attempt.payment.reference, amount=gbp(minor), by="ada")
    return caught.value


def test_what_a_proven_notification_claims_cannot_be_refunded_from_the_moment_that_it_is_stored(taken):
    assert refundable(taken) == 1000
    told(taken, 300)
    assert refundable(taken) == 700


@pytest.mark.parametrize(
    ("minor", "changes"), [(None, {}), (300, {"currency": "USD"})], ids=["no amount", "another currency"]
)
def test_if_it_is_not_known_how_much_is_disputed_nothing_can_be_refunded(taken, minor, changes):
    assert asked(taken, minor, **changes).status == Saga.Status.RUNNING
    assert refundable(taken) == 0
    settle(operation_on(taken, Kind.CAPTURE, 250), State.DONE)
    assert refundable(taken) == 0


def test_the_refusal_has_a_code_of_its_own_if_the_dispute_is_the_reason(taken):
    told(taken, 300)
    because_of_dispute = refused(taken, 1000)
    assert isinstance(because_of_dispute, PaymentDisputed)
    assert (because_of_dispute.code, because_of_dispute.available) == ("payment_disputed", gbp(700))
    assert type(refused(taken, 1001)) is AmountNotAvailable
    told(taken, 1000, 2)
    with pytest.raises(PaymentDisputed):
        request_refund(taken.payment.reference, by="ada")


def test_a_denied_dispute_puts_nothing_at_risk_any_more(taken):
    saga = asked(taken, 300)
    assert refundable(taken) == 700
    denied(saga)
    assert refundable(taken) == 1000


def test_a_dispute_that_waits_for_staff_stays_at_risk_until_they_settle_it(taken):
    saga = claimed(taken, CHARGED_BACK, 300)
    assert refundable(taken) == 700
    carried_out(to_settle_claim(saga, is_true=False), saga)
    assert refundable(taken) == 1000


def test_a_dispute_that_staff_book_is_not_deducted_twice(taken):
    saga = claimed(taken, CHARGED_BACK, None, currency="")
    assert refundable(taken) == 0
    carried_out(said(saga, is_true=True, amount=gbp(400)), saga)
    assert refundable(taken) == 600


def test_a_booked_dispute_is_disputed_and_no_longer_claimed_at_once(taken, books):
    books.orders[taken.order_code].captured = gbp(1000)
    books.orders[taken.order_code].charged_back = gbp(300)
    saga = asked(taken, 300)
    asks = {name: saga.data[name] for name in CheckClaim.__struct_fields__}
    delivered = deliver(service, command(CheckClaim(**asks)))
    assert delivered.result["outcome"] == "booked"
    assert refundable(taken) == 700
    answered(saga, **delivered.result)
    assert refundable(taken) == 700


def test_a_second_dispute_of_the_same_amount_is_at_risk_although_it_may_be_the_first(taken):
    first = asked(taken, 300)
    carried_out(said(claimed_again(first), is_true=True, amount=gbp(300)), first)
    assert refundable(taken) == 700
    second = asked(taken, 300, 2)
    answered(second, outcome="unclear", why="It may be this or another one.")
    assert refundable(taken) == 400


def claimed_again(saga: Saga) -> Saga:
    answered(saga, outcome="unclear", why="Nobody tells how much.")
    return saga


def test_two_disputes_are_counted_apart_and_end_apart(taken):
    first, second = asked(taken, 300), asked(taken, 200, 2)
    assert refundable(taken) == 500
    denied(first)
    assert refundable(taken) == 800
    denied(second)
    assert refundable(taken) == 1000


def test_the_end_of_one_dispute_leaves_another_at_risk_whose_question_has_not_begun(taken):
    first = asked(taken, 300)
    told(taken, 200, 2)
    denied(first)
    assert refundable(taken) == 800


def test_a_hint_holds_the_money_back_while_its_first_question_is_open_and_a_later_one_does_not(taken):
    """Anybody can send a hint, and must not be able to prevent refunds for longer."""
    told(taken, 300, is_proven=False)
    assert refundable(taken) == 1000
    saga = asked(taken, 300, 2, is_proven=False)
    assert refundable(taken) == 700
    answered(saga, outcome="denied")
    assert refundable(taken) == 1000
    again = asked(taken, 300, 3, is_proven=False)
    assert (again.pk, again.status) != (saga.pk, Saga.Status.COMPLETED)
    assert refundable(taken) == 1000


def test_everything_is_at_risk_if_the_provider_confirms_a_hint_without_an_amount(taken):
    saga = asked(taken, 300, is_proven=False)
    answered(saga, outcome="unclear", why="The amount is what anybody may have sent us.")
    assert (saga.status, refundable(taken)) == (Saga.Status.PARKED, 0)


def test_a_repeated_notification_puts_no_more_at_risk(taken):
    told(taken, 300)
    text = body(taken, "CHARGED_BACK", minor=300, number=1, reference="again")
    notify(taken, stored(taken, text))
    assert refundable(taken) == 700


def test_a_dispute_about_an_attempt_without_money_puts_nothing_at_risk(taken):
    Attempt.objects.update(state=Attempt.State.REFUSED)
    for envelope in told(taken, 300):
        deliver(checkout, envelope)
    assert Payment.objects.get().at_risk_minor == 0


def test_a_dispute_of_more_than_is_left_never_makes_the_rest_negative(taken):
    settle(operation_on(taken, Kind.REFUND, 800), State.PENDING)
    asked(taken, 900)
    assert refundable(taken) == 0


def requested(attempt: Attempt, minor: int) -> Operation:
    """Request a refund. Return its operation, which has not been sent yet."""
    view = request_refund(attempt.payment.reference, amount=gbp(minor), by="ada")
    return Operation.objects.get(reference=view.reference)


def at_bank(books, attempt: Attempt) -> tuple[int, int]:
    """Return the sums that the provider has captured and refunded. Its capture is that of the fixture."""
    order = books.orders[attempt.order_code]
    return order.captured.minor, order.asked_for(EventKind.REFUNDED).minor


@pytest.fixture
def taken_there(taken: Attempt, books) -> Attempt:
    """Return the attempt, with 10.00 GBP captured at the provider, too."""
    books.orders[taken.order_code].captured = gbp(1000)
    return taken


def test_a_refund_that_was_requested_before_the_dispute_was_known_is_refused_instead_of_sent(
    taken_there, books
):
    refund = requested(taken_there, 800)
    told(taken_there, 300)
    assert carry_out(refund) == "refused"
    assert (refund.state, refund.refusal_reason) == (State.REFUSED, "payment_disputed")
    assert at_bank(books, taken_there) == (1000, 0)
    event = Event.objects.get(type="refund.refused")
    assert event.data["object"]["refusal_reason"] == "payment_disputed"
    assert refundable(taken_there) == 700
    assert carry_out(requested(taken_there, 700)) == "pending"


def test_only_as_many_refunds_under_way_are_refused_as_the_dispute_claims(taken_there, books):
    first, second = requested(taken_there, 500), requested(taken_there, 500)
    told(taken_there, 500)
    assert [carry_out(first), carry_out(second)] == ["refused", "pending"]
    assert at_bank(books, taken_there) == (1000, 500)


def test_a_refund_is_not_sent_after_the_dispute_was_booked_either(taken_there, books):
    refund = requested(taken_there, 800)
    settle(operation_on(taken_there, Kind.CHARGE_BACK, 300), State.DONE)
    assert carry_out(refund) == "refused"
    assert at_bank(books, taken_there) == (1000, 0)


def test_a_refund_that_did_not_leave_us_is_refused_at_the_next_try(taken_there, books):
    refund = requested(taken_there, 800)
    with books.scenarios.answer("refund", ProviderUnavailable("no connection")):
        assert carry_out(refund) == "not_sent"
    told(taken_there, 300)
    assert carry_out(refund) == "refused"
    assert at_bank(books, taken_there) == (1000, 0)


def test_a_refund_of_which_a_copy_may_have_arrived_is_neither_refused_nor_sent_again(taken_there, books):
    """If the first copy was made, it is booked: then the money is lost twice, which is the truth."""
    refund = requested(taken_there, 800)
    with books.scenarios.answer("refund", OutcomeUnknown("no answer")):
        assert carry_out(refund) == "unknown"
    told(taken_there, 300)
    ProviderCall.objects.update(outcome="not_shown", earlier_at=F("started_at"), recognised_key="key")
    assert carry_out(refund) == "unknown"
    assert at_bank(books, taken_there) == (1000, 0)
    text = body(taken_there, "REFUNDED", minor=800, number=2, reference=refund.reference)
    notify(taken_there, stored(taken_there, text))
    refund.refresh_from_db()
    assert (refund.state, refundable(taken_there)) == (State.DONE, 0)
