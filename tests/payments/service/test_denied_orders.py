"""Orders that the provider denied, and whose authorisation it notifies afterwards."""

import pytest

from checkout.payments import actions
from checkout.payments.checkout_messages import AwaitPayment, SubmitPayment
from checkout.payments.models import Attempt, Event, Payment, Saga
from checkout.payments.providers.base import Browser
from checkout.payments.sagas.service import service as checkout
from checkout.states import PaymentState
from tests.payments.service.asking import authorise, come_back, to_complete_challenge, told
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, denied, notified

pytestmark = pytest.mark.django_db


@pytest.fixture
def denied_order(attempt: Attempt) -> Attempt:
    """Return an attempt that counts as not sent, because the provider denied knowing its order."""
    Attempt.objects.update(state=Attempt.State.NOT_SENT)
    Payment.objects.update(state=PaymentState.REFUSED, refusal_reason="issuer_unavailable")
    attempt.refresh_from_db()
    return attempt


def try_again(attempt: Attempt, number: int = 2) -> actions.Pending:
    return actions.submit_payment(
        attempt.payment.reference,
        attempt_number=number,
        browser=Browser(accept_header="text/html", user_agent="Test", ip_address="192.0.2.7"),
        device_data_reference="",
    )


def begin_again(attempt: Attempt) -> Saga:
    """Begin another attempt, and its purchase, which asks for a risk assessment. Return the purchase."""
    submitted = try_again(attempt).command
    deliver(checkout, command(submitted, sealed="sealed card"))
    return Saga.objects.get(kind="purchase")


def second_attempt(attempt: Attempt) -> Attempt:
    """Begin another attempt before the notification comes. Return it."""
    try_again(attempt)
    return Attempt.objects.select_related("payment").get(number=2)


def seen(attempt: Attempt) -> set[PaymentState]:
    """Return the states that the pages show."""
    reference = attempt.payment.reference
    page = actions.checkout_page(reference)
    view = page.payment if isinstance(page, actions.CheckoutPage) else page
    return {view.state, actions.payment_view(reference).state, actions.payment_state(reference)}


def test_no_card_is_tried_while_the_provider_is_asked_if_it_holds_money_after_all(denied_order):
    notified(denied_order, "authorised")
    assert isinstance(try_again(denied_order).command, AwaitPayment)
    assert Attempt.objects.count() == 1
    assert seen(denied_order) == {PaymentState.CONFIRMING}
    event = Event.objects.latest("pk")
    assert (event.type, event.data["object"]["can_retry"]) == ("payment.unknown", False)


def test_no_card_is_tried_while_staff_look_the_money_up(denied_order):
    notified(denied_order, "captured")
    Saga.objects.filter(kind="asking").update(status=Saga.Status.PARKED)
    try_again(denied_order)
    assert Attempt.objects.count() == 1
    assert seen(denied_order) == {PaymentState.CONFIRMING}


def test_another_card_may_be_tried_once_it_is_denied_again(denied_order):
    notified(denied_order, "authorised")
    denied(Saga.objects.get(kind="asking"))
    assert seen(denied_order) == {PaymentState.REFUSED}
    assert Payment.objects.get().refusal_reason == "issuer_unavailable"
    assert isinstance(try_again(denied_order).command, SubmitPayment)


def test_a_payment_whose_money_was_found_stays_in_doubt(denied_order):
    notified(denied_order, "authorised")
    answered(Saga.objects.get(kind="asking"), outcome="confirmed")
    assert seen(denied_order) == {PaymentState.CONFLICTED}


def test_neither_a_hint_nor_the_notice_of_an_attempt_that_was_refused_is_in_the_way(denied_order):
    notified(denied_order, "authorised", is_proven=False)
    Attempt.objects.update(state=Attempt.State.REFUSED)
    notified(denied_order, "authorised")
    assert seen(denied_order) == {PaymentState.REFUSED}
    assert isinstance(try_again(denied_order).command, SubmitPayment)


def test_a_card_that_was_tried_just_before_is_not_sent(denied_order, books):
    second = second_attempt(denied_order)
    notified(denied_order, "authorised")
    assert authorise(second, "approve").result["outcome"] == "not_sent"
    assert not books.orders


def test_no_third_card_is_tried_after_one_that_was_not_sent(denied_order, books):
    second = second_attempt(denied_order)
    notified(denied_order, "authorised")
    authorise(second, "approve")
    Payment.objects.update(state=PaymentState.REFUSED)
    assert isinstance(try_again(denied_order, 3).command, AwaitPayment)
    assert Attempt.objects.count() == 2


def test_no_card_is_sent_after_the_provider_has_confirmed_the_money_of_the_first(denied_order, books):
    """The first attempt is conflicted at once, its payment only when the answer arrives."""
    second = second_attempt(denied_order)
    notified(denied_order, "authorised")
    Attempt.objects.filter(number=1).update(state=Attempt.State.CONFLICTED)
    assert authorise(second, "approve").result["outcome"] == "not_sent"
    assert not books.orders


def test_a_refusal_of_the_second_one_is_in_doubt_as_long_as_the_first_one_is(denied_order):
    purchase = begin_again(denied_order)
    notified(denied_order, "authorised")
    answered(purchase, decision="reject")
    assert seen(denied_order) == {PaymentState.CONFIRMING}
    assert Event.objects.latest("pk").data["object"]["last_error"] is None
    denied(Saga.objects.get(kind="asking"))
    assert seen(denied_order) == {PaymentState.REFUSED}
    assert Payment.objects.get().refusal_reason == "not_permitted"


def test_a_denial_of_the_first_one_leaves_a_second_one_under_way_alone(denied_order):
    begin_again(denied_order)
    notified(denied_order, "authorised")
    Payment.objects.update(state=PaymentState.CONFIRMING)
    denied(Saga.objects.get(kind="asking"))
    assert seen(denied_order) == {PaymentState.CONFIRMING}


def test_while_one_of_two_is_in_doubt_the_payment_is(denied_order):
    second = second_attempt(denied_order)
    Attempt.objects.filter(number=2).update(state=Attempt.State.NOT_SENT)
    Payment.objects.update(state=PaymentState.REFUSED)
    notified(denied_order, "authorised")
    notified(second, "authorised")
    first, other = Saga.objects.filter(kind="asking").order_by("pk")
    denied(first)
    assert seen(denied_order) == {PaymentState.CONFIRMING}
    denied(other)
    assert seen(denied_order) == {PaymentState.REFUSED}


def test_no_challenge_is_completed_while_one_of_two_is_in_doubt(denied_order, books):
    second = second_attempt(denied_order)
    authorise(second, "challenge")
    come_back(second)
    notified(denied_order, "authorised")
    assert told(second, to_complete_challenge(second)).result["outcome"] == "not_sent"
    assert (second.state, books.orders[second.order_code].state) == (Attempt.State.NOT_SENT, "challenged")
