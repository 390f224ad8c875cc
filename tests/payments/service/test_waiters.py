"""Waiters for a payment get its changes. Waiters whose time is over take no place."""

import time
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import time_machine
from django.utils import timezone

from checkout.payments.actions import group_of, watch_payment
from checkout.payments.checkout_messages import AnnouncePayment, AwaitOperation, AwaitPayment, SubmitPayment
from checkout.payments.models import Attempt, Operation, Payment, Saga, Waiter
from checkout.payments.sagas.service import service
from checkout.payments.sagas.waiters import MAX_WAITERS
from checkout.states import PaymentState
from messaging.envelope import DEADLINE, Reply
from messaging.worker.message import Push
from tests.payments.service.asking import operation_on
from tests.payments.service.conftest import an_account, an_attempt
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment() -> Payment:
    return an_attempt(an_account()).payment


def wait(payment: Payment, seconds: float | None) -> int:
    """Join the payment's waiters for so many seconds. Return their number."""
    envelope = command(AwaitPayment(payment=payment.reference))
    if seconds is not None:
        deadline = {DEADLINE: int((time.time() + seconds) * 1000)}
        envelope = msgspec.structs.replace(envelope, headers={**envelope.headers, **deadline})
    deliver(service, envelope)
    return Waiter.objects.filter(payment=payment).count()


def later(seconds: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=False)


def test_more_than_a_few_waiters_at_once_are_not_taken(payment: Payment):
    assert [wait(payment, 8) for _ in range(MAX_WAITERS + 1)][-2:] == [MAX_WAITERS, MAX_WAITERS]


@pytest.mark.parametrize(("asked", "lasts"), [(8, 9), (1, 2), (3600, 60), (None, 60)])
def test_a_waiter_whose_time_is_over_does_not_count(payment: Payment, asked: float | None, lasts: float):
    for _ in range(MAX_WAITERS):
        wait(payment, asked)
    with later(lasts - 1.5):
        assert wait(payment, 8) == MAX_WAITERS
        assert not Waiter.objects.filter(ends_at__gt=timezone.now() + timedelta(seconds=7)).exists()
    with later(lasts + 0.1):
        assert wait(payment, 8) == 1


def test_a_waiter_of_a_process_with_another_clock_waits_for_its_own_time(payment: Payment):
    with later(-600):
        envelope = command(AwaitPayment(payment=payment.reference))
        deadline = {DEADLINE: int((time.time() + 8) * 1000)}
    deliver(service, msgspec.structs.replace(envelope, headers={**envelope.headers, **deadline}))
    ends_at = Waiter.objects.get().ends_at
    assert ends_at is not None
    left = ends_at - timezone.now()
    assert timedelta(seconds=7) < left < timedelta(seconds=9.1)


@pytest.mark.parametrize(("deadline", "seconds"), [(2**63 - 1, 60), (-(2**63), 0), (0, 0)])
def test_a_deadline_at_no_time_is_one_that_is_over_or_the_longest(
    payment: Payment, deadline: int, seconds: float
):
    envelope = command(AwaitPayment(payment=payment.reference))
    with later(0):
        deliver(service, msgspec.structs.replace(envelope, headers={DEADLINE: deadline}))
        assert Waiter.objects.get().ends_at == timezone.now() + timedelta(seconds=seconds)


def test_a_waiter_for_an_operation_is_not_answered_with_the_payment_s_state(payment: Payment):
    Payment.objects.update(state=PaymentState.CAPTURED)
    attempt = payment.attempts.get()
    refund = operation_on(attempt, Operation.Kind.REFUND)
    deliver(service, command(AwaitOperation(payment=payment.reference, operation=refund.reference)))
    ends_at = timezone.now() + timedelta(seconds=5)
    Waiter.objects.create(
        payment=payment, reply_to="test.replies.web", correlation_id="of the payment", ends_at=ends_at
    )
    told = deliver(service, command(AnnouncePayment(payment=payment.reference)))
    replies = [sent.envelope.correlation_id for sent in told.outgoing if sent.envelope.type == "reply"]
    assert replies == ["of the payment"]
    assert Waiter.objects.get().operation == refund.reference


def pushes_of_a_refusal(payment: Payment) -> list[Push]:
    submission = SubmitPayment(payment=payment.reference, attempt=payment.attempts.get().order_code)
    return deliver(service, command(submission)).pushes  # it came without its card


def test_open_pages_are_told_of_every_new_state(payment: Payment):
    watch_payment(payment.reference)
    [push] = pushes_of_a_refusal(payment)
    assert push.group == group_of(payment.reference)
    assert push.event == {"type": "payment.changed", "payment": payment.reference, "state": "refused"}


@pytest.mark.parametrize(
    ("waits", "watches", "tier"),
    [(True, True, "held"), (False, True, "pushed"), (False, False, "polled")],
)
def test_how_the_first_result_reaches_the_shopper_is_recorded(
    payment: Payment, waits: bool, watches: bool, tier: str
):
    if waits:
        wait(payment, 8)
    if watches:
        watch_payment(payment.reference)
    pushes_of_a_refusal(payment)
    assert Payment.objects.get().answer_tier == tier


def test_a_request_that_was_answered_without_a_result_was_not_held_until_it(payment: Payment):
    wait(payment, 8)
    with later(10):
        pushes_of_a_refusal(payment)
    assert Payment.objects.get().answer_tier == "polled"


def test_without_an_open_page_nothing_is_pushed(payment: Payment):
    assert not pushes_of_a_refusal(payment)


@pytest.mark.parametrize(("days", "is_told"), [(1.9, True), (2.1, False)])
def test_a_page_is_told_for_as_long_as_it_may_be_open(payment: Payment, days: float, is_told: bool):
    """A page that opens within a day of another one does not write again, and may be open for a day."""
    Payment.objects.update(watched_at=timezone.now() - timedelta(days=days))
    assert bool(pushes_of_a_refusal(payment)) is is_told


@pytest.mark.parametrize(("days", "writes"), [(0.9, 0), (1.1, 1)])
def test_an_open_page_is_recorded_once_a_day(payment: Payment, days: float, writes: int):
    Payment.objects.update(watched_at=(earlier := timezone.now() - timedelta(days=days)))
    watch_payment(payment.reference)
    assert Payment.objects.filter(watched_at__gt=earlier).count() == writes


@pytest.mark.parametrize("state", [state for state in PaymentState if state != PaymentState.PROCESSING])
def test_clients_who_ask_when_nothing_is_being_tried_are_answered_at_once(
    payment: Payment, state: PaymentState
):
    """The next change may need the shopper, who waits for this answer."""
    Payment.objects.update(state=state)
    told = deliver(service, command(AwaitPayment(payment=payment.reference)))
    assert told.result["state"] == state
    assert not Waiter.objects.exists()


def test_the_end_of_an_earlier_attempt_is_no_news_for_those_who_wait_for_the_next(payment: Payment):
    """Those who wait would be told that the payment is being processed, and would stop waiting."""
    first = payment.attempts.get()
    submit(first)
    purchase = Saga.objects.get()
    answered(purchase, decision="accept")
    answered(purchase, reserved=True)
    Attempt.objects.update(state=Attempt.State.REFUSED)
    [refusal] = replies_of(answered(purchase, outcome="refused"))
    assert refusal["state"] == PaymentState.REFUSED
    assert (purchase.step, purchase.status) == ("release_stock", Saga.Status.RUNNING)

    again = an_attempt_after(first)
    submit(again)
    assert replies_of(answered(purchase)) == []
    assert purchase.status == Saga.Status.COMPENSATED
    [waiter] = Waiter.objects.all()
    assert waiter.payment == payment


def submit(attempt: Attempt) -> None:
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(service, command(body, sealed="a card"))


def an_attempt_after(earlier: Attempt) -> Attempt:
    Payment.objects.update(state=PaymentState.PROCESSING)
    return Attempt.objects.create(
        payment=earlier.payment,
        number=earlier.number + 1,
        provider_account=earlier.provider_account,
        order_code=f"{earlier.payment.reference}-2",
        session_id="another-session",
        browser=earlier.browser,
    )


def replies_of(told: Delivered) -> list[dict[str, Any]]:
    """Return the replies to those who waited."""
    sent = [outgoing.envelope for outgoing in told.outgoing if outgoing.envelope.type == "reply"]
    return [Reply.decode(envelope.body).unwrap() for envelope in sent]
