"""Reviews, which check whether the provider and we now agree about an attempt of a conflicted payment."""

from typing import Any

import pytest
import time_machine
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import IllegalTransition, OperationRejected
from checkout.money import Money
from checkout.payments.actions import review_payment
from checkout.payments.checkout_messages import ReviewPayment
from checkout.payments.messages import ReviewAttempt
from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage, Payment, Saga
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas import service as checkout
from checkout.payments.service import service
from checkout.states import PaymentState
from tests.payments.service.asking import authorise, booked_earlier, operation_on, settle
from tests.payments.service.delivering import command, deliver
from tests.payments.service.test_notification import body, notify, stored
from tests.support.memory_provider.books import Books, Manners, Order, OrderState

pytestmark = pytest.mark.django_db
State = Operation.State


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    """Return an authorised attempt of a conflicted payment."""
    authorise(attempt, "approve")
    Payment.objects.update(state=PaymentState.CONFLICTED)
    attempt.refresh_from_db()
    return attempt


@pytest.fixture
def aside(authorised: Attempt) -> Attempt:
    """Return an attempt that is itself conflicted."""
    Attempt.objects.update(state=Attempt.State.CONFLICTED)
    authorised.refresh_from_db()
    return authorised


def reviewed(attempt: Attempt) -> str:
    asked = ReviewAttempt(payment=attempt.payment.reference, attempt=attempt.order_code)
    outcome = str(deliver(service, command(asked)).result["outcome"])
    attempt.refresh_from_db()
    return outcome


def why() -> str:
    return str(Fact.objects.filter(kind__startswith="review_").latest("pk").data.get("why", ""))


def adopted() -> list[tuple[str, int, str]]:
    found = Operation.objects.filter(requested_by="provider").order_by("pk")
    return list(found.values_list("kind", "amount_minor", "state"))


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


def test_an_attempt_of_which_nothing_differs_is_let_go(aside):
    assert reviewed(aside) == "held"
    assert aside.state == Attempt.State.AUTHORISED
    assert adopted() == []


@pytest.mark.parametrize("end", [OrderState.CANCELLED, OrderState.REFUSED])
def test_an_attempt_of_which_nothing_is_held_is_refused(aside, books, end):
    books.orders[aside.order_code].state = end
    assert reviewed(aside) == "released"
    assert aside.state == Attempt.State.REFUSED
    assert reviewed(aside) == "released", "what was found is found again"
    assert adopted() == []


def test_other_money_stays_other_money(aside, books):
    books.orders[aside.order_code].amount = gbp(9999)
    assert reviewed(aside) == "stands"
    assert "99.99" in why()
    assert aside.state == Attempt.State.CONFLICTED


def test_what_was_taken_of_a_conflicted_attempt_is_not_ours(aside, books):
    books.orders[aside.order_code].captured = gbp(500)
    assert reviewed(aside) == "stands"
    assert "5.00" in why()
    assert aside.state == Attempt.State.CONFLICTED


def test_without_an_answer_nothing_changes(aside, settings):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert reviewed(aside) == "unknown"
    assert "Ask again" in why()
    assert aside.state == Attempt.State.CONFLICTED


def test_an_order_that_the_provider_denies_may_yet_arrive(aside, books):
    del books.orders[aside.order_code]
    aside.provider_calls.update(outcome="unknown")
    assert reviewed(aside) == "unknown"


def test_an_order_of_which_it_has_said_that_it_holds_money_is_not_released_by_its_denial(authorised, books):
    del books.orders[authorised.order_code]
    assert reviewed(authorised) == "unknown"
    assert "Look it up" in why()
    assert adopted() == []


@pytest.mark.parametrize(
    ("kind", "outcome"), [("notified_authorised", "unknown"), ("hinted_authorised", "released")]
)
def test_a_denial_releases_what_was_conflicted_unless_it_has_told_of_money(attempt, kind, outcome):
    Payment.objects.update(state=PaymentState.CONFLICTED)
    Attempt.objects.update(state=Attempt.State.CONFLICTED)
    Fact.objects.create(payment=attempt.payment, attempt=attempt, source="provider", kind=kind)
    assert reviewed(attempt) == outcome


def test_a_capture_behind_our_back_becomes_an_operation_whose_books_are_kept(authorised, books):
    books.orders[authorised.order_code].captured = gbp(500)
    assert reviewed(authorised) == "held"
    assert reviewed(authorised) == "held"
    assert adopted() == [("capture", 500, State.DONE)]
    row = OutboxMessage.objects.get(type="checkout.start_operation")
    assert Operation.objects.get().reference in row.body


def captured_by_us(attempt: Attempt, books: Books, minor: int) -> Order:
    """Book a capture both in our books and in the provider's. Return the provider's order."""
    operation_on(attempt, "capture", minor)
    Operation.objects.update(state=State.DONE)
    order = books.orders[attempt.order_code]
    order.captured = gbp(minor)
    return order


def test_only_the_rest_is_booked_of_more_than_we_asked_for(authorised, books):
    captured_by_us(authorised, books, 500).captured = gbp(1250)
    assert reviewed(authorised) == "held"
    assert adopted() == [("capture", 750, State.DONE)]


@pytest.mark.parametrize(("sum", "kind"), [("refunded", "refund"), ("charged_back", "charge_back")])
def test_money_that_went_back_behind_our_back_becomes_an_operation(authorised, books, sum, kind):
    setattr(captured_by_us(authorised, books, 500), sum, gbp(100))
    assert reviewed(authorised) == "held"
    assert reviewed(authorised) == "held"
    assert adopted() == [(kind, 100, State.DONE)]


def test_money_that_an_issuer_has_taken_does_not_become_a_refund(authorised, books):
    """The provider reports only the money that is left, and the notified charge-back is not booked."""
    order = captured_by_us(authorised, books, 1250)
    order.manners, order.charged_back = Manners(releases_rest=True), gbp(300)
    order.last_event = EventKind.CHARGED_BACK
    assert reviewed(authorised) == "stands"
    order.last_event = EventKind.SETTLED
    key = {"kind": "asking", "key": "charged_back:1", "step": "check"}
    about = {"payment": authorised.payment, "attempt": authorised, "data": {"claim": "charged_back"}}
    claim = Saga.objects.create(**key, **about)
    assert reviewed(authorised) == "stands"
    assert why() == "The refunds at the provider come to 3.00 GBP, ours to 0.00 GBP."
    assert adopted() == []
    claim.delete()
    assert reviewed(authorised) == "stands", "no notification tells of a refund"
    notify(authorised, stored(authorised, body(authorised, "REFUNDED", minor=300)))
    assert reviewed(authorised) == "held", "nothing tells of a charge-back, so it was a refund"


def test_a_charge_back_that_was_returned_becomes_its_reversal(authorised, books):
    operation_on(authorised, "charge_back", 300)
    captured_by_us(authorised, books, 500).charged_back = gbp(100)
    assert reviewed(authorised) == "held"
    assert adopted() == [("charge_back_reversal", 200, State.DONE)]


def test_a_sum_that_may_be_from_before_our_last_booking_is_not_believed(authorised, books, settings):
    settings.CHECKOUT_ORDER_LAG_SECONDS = 300
    captured_by_us(authorised, books, 500)
    settle(operation_on(authorised, "charge_back", 300), State.DONE)
    assert reviewed(authorised) == "unknown"
    assert adopted() == []
    booked_earlier(conf.order_lag)
    assert reviewed(authorised) == "held"
    assert adopted() == [("charge_back_reversal", 300, State.DONE)]


@pytest.mark.postgresql
def test_a_process_whose_clock_is_ahead_does_not_believe_a_sum_from_before_our_last_booking(
    authorised, books, settings
):
    settings.CHECKOUT_ORDER_LAG_SECONDS = 300
    captured_by_us(authorised, books, 500)
    settle(operation_on(authorised, "charge_back", 300), State.DONE)
    with time_machine.travel(timezone.now() + 2 * conf.order_lag, tick=True):
        assert reviewed(authorised) == "unknown"
    assert adopted() == []


@pytest.mark.parametrize(
    "theirs",
    [
        {"captured": 1250, "refunded": 100},
        {"refunded": 100, "charged_back": 100},
        {"refunded": 501},
        {"charged_back": 501},
    ],
)
def test_sums_that_cannot_all_be_right_are_not_believed(authorised, books, theirs):
    order = captured_by_us(authorised, books, 500)
    for name, minor in theirs.items():
        setattr(order, name, gbp(minor))
    assert reviewed(authorised) == "stands"
    assert "at the provider come to" in why()
    assert adopted() == []


def test_a_provider_that_tells_no_sums_settles_nothing_that_was_taken(authorised, books):
    captured_by_us(authorised, books, 500).manners = Manners(tells_position=False)
    assert reviewed(authorised) == "stands"
    assert why() == "The provider does not tell how much was captured and refunded."


def test_an_authorisation_without_sums_is_held_while_nothing_was_taken(aside, books):
    books.orders[aside.order_code].manners = Manners(tells_position=False)
    assert reviewed(aside) == "held"
    assert aside.state == Attempt.State.AUTHORISED
    captured_by_us(aside, books, 500).captured = gbp(0)
    assert reviewed(aside) == "stands"
    assert "does not tell" in why()


def test_a_release_is_not_believed_while_a_capture_of_a_part_is_open(authorised, books):
    operation_on(authorised, "capture", 500)
    Operation.objects.update(state=State.UNKNOWN)
    books.orders[authorised.order_code].state = OrderState.CANCELLED
    assert reviewed(authorised) == "stands"
    assert "a capture of a part" in why()
    assert adopted() == []


def test_an_answer_from_before_a_booking_is_not_compared_with_it(authorised, books):
    order = captured_by_us(authorised, books, 500)
    operation_on(authorised, "refund", 100)
    Operation.objects.filter(kind="refund").update(state=State.PENDING)
    order.refunded = gbp(100)
    refunds = Operation.objects.filter(kind="refund")
    books.scenarios.meanwhile("inquire", lambda: refunds.update(state=State.REFUSED))
    assert reviewed(authorised) == "unknown"
    assert "Ask again" in why()
    assert adopted() == []


@pytest.mark.parametrize("event", [EventKind.CHARGED_BACK, EventKind.SETTLED, EventKind.REFUND_FAILED])
def test_an_attempt_of_which_all_that_was_taken_has_gone_back_is_not_let_go(aside, scenarios, event):
    """The provider reports only the sum that it keeps: nothing, as for an unused authorisation."""
    scenarios.tell("inquire", position=None, kept=gbp(0), kind=event)
    assert reviewed(aside) == "stands"
    assert "does not tell how much was captured" in why()
    assert aside.state == Attempt.State.CONFLICTED


def test_a_release_behind_our_back_becomes_a_void(authorised, books):
    books.orders[authorised.order_code].state = OrderState.CANCELLED
    assert reviewed(authorised) == "released"
    assert reviewed(authorised) == "released"
    assert adopted() == [("void", 1250, State.DONE)]


@pytest.mark.parametrize(("asked", "outcome"), [(State.UNKNOWN, "held"), (State.DONE, "held")])
def test_what_an_operation_explains_is_not_taken_in_twice(authorised, books, asked, outcome):
    operation_on(authorised, "capture", 1250)
    Operation.objects.update(state=asked)
    books.orders[authorised.order_code].captured = gbp(1250)
    assert reviewed(authorised) == outcome
    assert adopted() == []


@pytest.mark.parametrize(
    ("kind", "state", "order"),
    [
        ("capture", State.DONE, OrderState.AUTHORISED),
        ("capture", State.DONE, OrderState.CANCELLED),
        ("void", State.DONE, OrderState.AUTHORISED),
    ],
)
def test_what_we_believe_done_and_the_provider_does_not_have_stands(authorised, books, kind, state, order):
    operation_on(authorised, kind, 1250)
    Operation.objects.update(state=state)
    books.orders[authorised.order_code].state = order
    assert reviewed(authorised) == "stands"
    assert why()
    assert adopted() == []


@pytest.mark.parametrize(
    "other", [Attempt.State.AUTHORISED, Attempt.State.CONFLICTED, Attempt.State.SUBMITTED]
)
def test_two_attempts_that_hold_money_are_not_settled_by_one_of_them(aside, books, other):
    second = Attempt.objects.create(
        payment=aside.payment,
        number=2,
        provider_account=aside.provider_account,
        order_code=f"{aside.payment.reference}-2",
        state=other,
    )
    assert reviewed(aside) == "stands"
    books.orders[aside.order_code].state = OrderState.CANCELLED
    expected = "held" if second.state == Attempt.State.AUTHORISED else "stands"
    assert reviewed(aside) == expected


def asked_by_staff(attempt: Attempt) -> list[Any]:
    review_payment(attempt.payment.reference, by="ada", reason="The provider called")
    assert OutboxMessage.objects.filter(type=ReviewPayment.to).count() == 1
    body = ReviewPayment(payment=attempt.payment.reference)
    return deliver(checkout.service, command(body)).commands


def test_staff_ask_once_and_say_why(aside):
    assert [sent.type for sent in asked_by_staff(aside)] == ["payments.review"]
    fact = Fact.objects.get(kind="review_requested_by")
    assert fact.data == {"by": "ada", "reason": "The provider called"}
    assert Saga.objects.get().step == "review"
    with pytest.raises(OperationRejected, match="just being asked"):
        review_payment(aside.payment.reference, by="bob", reason="me too")


@pytest.mark.parametrize("state", sorted({*PaymentState} - {"conflicted"}))
def test_only_what_is_conflicted_can_be_reviewed(authorised, state):
    Payment.objects.update(state=state)
    with pytest.raises(IllegalTransition):
        review_payment(authorised.payment.reference, by="ada", reason="why not")
    body = ReviewPayment(payment=authorised.payment.reference)
    assert deliver(checkout.service, command(body)).commands == []


def test_the_conflicted_attempt_is_the_one_that_is_asked_about(aside, books: Books):
    Attempt.objects.create(
        payment=aside.payment,
        number=2,
        provider_account=aside.provider_account,
        order_code=f"{aside.payment.reference}-2",
        state=Attempt.State.AUTHORISED,
    )
    (asked,) = asked_by_staff(aside)
    assert aside.order_code in asked.body.decode()
