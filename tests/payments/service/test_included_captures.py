"""Captures that the provider makes with the authorisation, between the payments service and the sagas."""

import pytest

from checkout.money import Money
from checkout.payments.checkout_messages import (
    ApplyProviderEvent,
    ReviewPayment,
    StartOperation,
    SubmitPayment,
)
from checkout.payments.messages import CheckClaim, ReviewAttempt
from checkout.payments.models import Attempt, Fact, Operation, Payment, Saga
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult
from checkout.payments.sagas.service import service
from checkout.payments.service import service as payments
from checkout.payments.service.attempt_outcome import apply_to_attempt
from checkout.states import PaymentState
from tests.payments.service.asking import authorise, inquire, let_settle, operation_on, settle
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered, commands_of, notified, state_of
from tests.support.memory_provider.books import Books

pytestmark = pytest.mark.django_db
NAME = "op_included"


@pytest.fixture
def included(attempt: Attempt) -> Attempt:
    attempt.capture_reference = NAME
    attempt.save()
    return attempt


@pytest.fixture
def purchase(included: Attempt) -> Saga:
    """Return a purchase that waits for the provider's answer to the authorisation."""
    body = SubmitPayment(payment=included.payment.reference, attempt=included.order_code)
    deliver(service, command(body, sealed="approve"))
    saga = Saga.objects.get(kind="purchase")
    answered(saga, decision="accept")
    answered(saga, reserved=True)
    return saga


def capture() -> Saga:
    return Saga.objects.get(kind="capture")


def approved(purchase: Saga) -> Delivered:
    return answered(purchase, outcome="approved", event="AUTHORISED")


def captured_is_told(attempt: Attempt) -> None:
    """Let the payments service and the orchestrator handle a proven notification of the capture."""
    Operation.objects.filter(reference=NAME).update(state=Operation.State.DONE)
    notified(attempt, "captured", NAME)


def charged_back(attempt: Attempt) -> None:
    event = ApplyProviderEvent(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        kind="charged_back",
        minor=500,
        currency="GBP",
        event_id="one",
    )
    deliver(service, command(event))


def answered_by_the_provider(attempt: Attempt, asking: Saga, books: Books) -> None:
    """Let the payments service ask what was charged back, and the asking saga handle its answer."""
    books.orders[attempt.order_code].charged_back = Money(500, "GBP")
    data = asking.data
    question = CheckClaim(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        claim="charged_back",
        operation="",
        minor=data["minor"],
        currency=data["currency"],
        event_id=data["event_id"],
        is_proven=True,
    )
    answered(asking, **deliver(payments, command(question)).result)


def test_it_is_recorded_with_the_authorisation_as_accepted(included, books: Books):
    authorise(included, "approve")
    operation = Operation.objects.get()
    assert (operation.reference, operation.kind, operation.state) == (NAME, "capture", "pending")
    assert (operation.amount, operation.attempt) == (included.payment.amount, included)
    assert books.orders[included.order_code].captured == included.payment.amount


@pytest.mark.parametrize("card", ["refuse", "challenge", "unavailable"])
def test_without_an_authorisation_there_is_none(included, card):
    authorise(included, card)
    assert not Operation.objects.exists()


def test_it_is_recorded_when_an_inquiry_finds_the_authorisation(included):
    authorise(included, "unknown")
    assert not Operation.objects.exists()
    let_settle(included)
    inquire(included)
    inquire(included)
    assert Operation.objects.get().state == "pending"


def test_the_flow_of_an_included_capture_begins_as_accepted_and_the_purchase_goes_on_at_once(
    included, purchase
):
    authorise(included, "approve")
    delivered = approved(purchase)
    assert commands_of(delivered) == ["ledger.post", "orders.confirm"]
    assert (capture().step, capture().status) == ("await_provider", "running")
    assert capture().parent == purchase
    assert (purchase.step, purchase.status) == ("confirm_order", "running")
    assert purchase.awaiting
    assert purchase.deadline_at is not None
    assert state_of(included) == PaymentState.CAPTURE_PENDING


def test_a_notification_of_it_before_its_flow_begins_is_explained_and_settles_it(included, purchase):
    authorise(included, "approve")
    captured_is_told(included)
    assert not Saga.objects.filter(kind="asking").exists()
    approved(purchase)
    assert (capture().step, capture().status) == ("finished", "completed")
    assert (purchase.step, purchase.status) == ("confirm_order", "running")
    assert state_of(included) == PaymentState.CAPTURED


def test_a_notification_of_it_afterwards_settles_it(included, purchase):
    authorise(included, "approve")
    approved(purchase)
    captured_is_told(included)
    assert capture().status == "completed"
    assert state_of(included) == PaymentState.CAPTURED


def test_a_refusal_before_its_flow_begins_leaves_the_purchase_unpaid_for_staff(included, purchase):
    authorise(included, "approve")
    Operation.objects.update(state=Operation.State.REFUSED)
    approved(purchase)
    assert capture().status == "compensated"
    answered(purchase)
    assert (purchase.step, purchase.status) == ("unpaid", "parked")
    assert Payment.objects.get().state == PaymentState.AUTHORISED


def test_a_notification_of_it_before_the_providers_answer_settles_it_with_the_authorisation(included):
    fact = {"event": "CAPTURED", "event_id": "1", "amount": str(included.payment.amount)}
    Fact.objects.create(
        payment=included.payment, attempt=included, source="provider", kind="notified_captured", data=fact
    )
    authorise(included, "approve")
    assert Operation.objects.get().state == "done"


@pytest.mark.parametrize(
    "untrue",
    [{"amount": "9.00 GBP"}, {"not_applied": "is for the merchant ANOTHER"}],
    ids=["amount", "merchant"],
)
def test_a_notification_that_was_not_applied_settles_nothing(included, untrue):
    fact = {"event": "CAPTURED", "event_id": "1", "amount": str(included.payment.amount), **untrue}
    Fact.objects.create(
        payment=included.payment, attempt=included, source="provider", kind="notified_captured", data=fact
    )
    authorise(included, "approve")
    assert Operation.objects.get().state == "pending"


def contradict(attempt: Attempt) -> None:
    """Let the provider contradict us about an authorised attempt."""
    result = ProviderResult(outcome=Outcome.APPROVED, order_code="another", kind=EventKind.AUTHORISED)
    locked = Attempt.objects.select_related("payment__merchant").get(pk=attempt.pk)
    apply_to_attempt(locked, result)
    attempt.refresh_from_db()
    assert attempt.state == "conflicted"


def test_a_contradiction_before_its_flow_begins_parks_the_purchase_and_confirms_no_order(included, purchase):
    authorise(included, "approve")
    contradict(included)
    assert commands_of(approved(purchase)) == []
    assert (purchase.step, purchase.status) == ("capture", "parked")
    assert not Saga.objects.filter(kind="capture").exists()


def test_the_flow_of_an_included_capture_is_begun_without_the_purchase_if_that_does_not_go_on(
    included, purchase
):
    authorise(included, "approve")
    contradict(included)
    notified(included, "conflicted")
    approved(purchase)
    operation = Operation.objects.get()
    body = StartOperation(payment=included.payment.reference, operation=operation.reference)
    assert commands_of(deliver(service, command(body))) == ["ledger.post"]
    assert (capture().step, capture().status) == ("await_provider", "running")


def test_a_purchase_that_goes_on_later_learns_that_its_capture_was_accepted(included, purchase):
    authorise(included, "approve")
    body = StartOperation(payment=included.payment.reference, operation=NAME)
    deliver(service, command(body))
    assert commands_of(approved(purchase)) == ["orders.confirm"]
    assert capture().parent == purchase
    captured_is_told(included)
    assert state_of(included) == PaymentState.CAPTURED


def test_a_review_that_finds_the_authorisation_held_expects_its_capture(included, books: Books):
    authorise(included, "approve")
    Operation.objects.all().delete()
    contradict(included)
    Payment.objects.update(state=PaymentState.CONFLICTED)
    books.orders[included.order_code].captured = Money(0, "GBP")
    deliver(
        payments,
        command(ReviewAttempt(payment=included.payment.reference, attempt=included.order_code)),
    )
    included.refresh_from_db()
    assert (included.state, Operation.objects.get().state) == ("authorised", "pending")


def test_a_refusal_after_staff_found_the_authorisation_held_leaves_the_order_unpaid_for_staff(
    included, purchase
):
    Attempt.objects.update(state=Attempt.State.CONFLICTED)
    answered(purchase, outcome="conflicted")
    assert (purchase.step, purchase.status) == ("conflicted", "parked")
    body = ReviewPayment(payment=included.payment.reference)
    deliver(service, command(body))
    Attempt.objects.update(state=Attempt.State.AUTHORISED)
    operation = operation_on(included, Operation.Kind.CAPTURE)
    Operation.objects.update(reference=NAME, state=Operation.State.PENDING)
    operation.refresh_from_db()
    answered(Saga.objects.get(kind="asking", step="review"), outcome="held")
    purchase.refresh_from_db()
    answered(purchase)
    assert (purchase.step, purchase.status) == ("finished", "completed")
    deliver(service, command(StartOperation(payment=included.payment.reference, operation=NAME)))
    settle(operation, Operation.State.REFUSED)
    notified(included, "refused", NAME)
    assert capture().status == "compensated"
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == ("unpaid", "parked")


def test_a_charge_back_before_the_authorisation_is_known_waits_for_it_and_is_booked(
    included, purchase, books: Books
):
    authorise(included, "unknown")
    answered(purchase, outcome="unknown")
    charged_back(included)
    asking = Saga.objects.get(kind="asking")
    answered_by_the_provider(included, asking, books)
    assert asking.status == "running"
    let_settle(included)
    inquire(included)
    approved(purchase)
    captured_is_told(included)
    answered_by_the_provider(included, asking, books)
    assert asking.status == "completed"
    assert Operation.objects.get(kind="charge_back").amount_minor == 500


@pytest.mark.parametrize("is_proven", [True, False])
def test_what_is_not_captured_with_its_authorisation_is_not_charged_back_before_it(attempt, is_proven):
    notified(attempt, "charged_back", is_proven=is_proven)
    assert not Saga.objects.filter(kind="asking").exists()


def test_a_charge_back_that_anybody_may_have_told_is_not_asked_about_before_the_authorisation(
    included, purchase
):
    notified(included, "charged_back", is_proven=False)
    assert not Saga.objects.filter(kind="asking").exists()
    notified(included, "charged_back")
    assert Saga.objects.filter(kind="asking").exists()
