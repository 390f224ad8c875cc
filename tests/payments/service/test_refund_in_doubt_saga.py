"""A refund reported as failed: its saga asks the provider, even if the saga had finished long ago."""

import json

import pytest

from checkout.ledger.models import LedgerEntry
from checkout.payments.checkout_messages import StartOperation
from checkout.payments.models import Attempt, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas import service as checkout
from checkout.states import PaymentState
from messaging.envelope import Envelope
from tests.payments.service.asking import authorise, operation_on, settle
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered, notified, state_of

pytestmark = pytest.mark.django_db
CAPTURE, REFUND = Operation.Kind.CAPTURE, Operation.Kind.REFUND
State = Operation.State


def finished(attempt: Attempt, minor: int = 529) -> tuple[Operation, Saga]:
    """Return a refund that was requested, notified and posted, with its saga."""
    operation = operation_on(attempt, REFUND, minor)
    body = StartOperation(payment=attempt.payment.reference, operation=operation.reference)
    deliver(checkout.service, command(body))
    saga = Saga.objects.get(kind=REFUND, key=operation.reference)
    settle(operation, State.PENDING)
    answered(saga, outcome="pending")
    settle(operation, State.DONE)
    notified(attempt, "refunded", operation.reference)
    saga.refresh_from_db()
    assert saga.status == Saga.Status.COMPLETED
    return operation, saga


def postings(delivered: Delivered) -> list[Envelope]:
    return [sent for sent in delivered.commands if sent.type == "ledger.post"]


@pytest.fixture
def refunded(attempt: Attempt) -> Attempt:
    """Return the attempt of a captured payment, of which parts are about to be refunded."""
    authorise(attempt, "approve")
    settle(operation_on(attempt, CAPTURE, 1250), State.DONE)
    Payment.objects.update(state=PaymentState.CAPTURED)
    return attempt


def test_only_the_saga_of_the_refund_that_is_named_asks_and_nothing_is_moved(refunded):
    (first, saga), (_, other) = finished(refunded), finished(refunded, 300)
    [asked] = notified(refunded, "refund_failed", first.reference).commands
    assert asked.type == "payments.inquire_operation"
    saga.refresh_from_db()
    other.refresh_from_db()
    assert (saga.step, saga.status) == ("inquire", Saga.Status.RUNNING)
    assert other.status == Saga.Status.COMPLETED
    assert not Saga.objects.filter(kind="asking").exists()
    assert state_of(refunded) == PaymentState.PARTIALLY_REFUNDED


def test_a_doubt_that_a_step_only_notes_leaves_its_reply_and_deadline(refunded):
    refund = operation_on(refunded, REFUND, 529)
    body = StartOperation(payment=refunded.payment.reference, operation=refund.reference)
    deliver(checkout.service, command(body))
    saga = Saga.objects.get(kind=REFUND)
    awaited, deadline = saga.awaiting, saga.deadline_at
    notified(refunded, "refund_failed", refund.reference)
    saga.refresh_from_db()
    assert (saga.step, saga.awaiting, saga.deadline_at) == ("refund", awaited, deadline)
    assert saga.data["is_doubted"]


def test_what_is_denied_is_finished_again_and_posted_once(refunded):
    operation, saga = finished(refunded)
    notified(refunded, "refund_failed", operation.reference)
    entries = LedgerEntry.objects.count()
    assert postings(answered(saga, outcome="approved")) == []
    assert (saga.status, LedgerEntry.objects.count()) == (Saga.Status.COMPLETED, entries)
    assert state_of(refunded) == PaymentState.PARTIALLY_REFUNDED


def test_what_is_confirmed_is_booked_back(refunded):
    operation, saga = finished(refunded)
    notified(refunded, "refund_failed", operation.reference)
    settle(operation, State.REFUSED)
    [posted] = postings(answered(saga, outcome="refused"))
    assert b"refund_returned" in posted.body
    assert saga.status == Saga.Status.COMPENSATED
    assert state_of(refunded) == PaymentState.CAPTURED


def test_what_is_made_after_all_after_it_was_booked_back_is_booked_once_more(refunded):
    operation, saga = finished(refunded)
    notified(refunded, "refund_failed", operation.reference)
    settle(operation, State.REFUSED)
    answered(saga, outcome="refused")
    settle(operation, State.DONE)
    [posted] = postings(notified(refunded, "refunded", operation.reference))
    assert b'"refunded"' in posted.body
    assert f"{operation.reference}/1".encode() in posted.body
    saga.refresh_from_db()
    assert saga.status == Saga.Status.COMPLETED
    assert state_of(refunded) == PaymentState.PARTIALLY_REFUNDED


def test_the_provider_is_asked_about_what_is_made_after_all_while_it_contradicts_us(refunded):
    """A review compares sums, and may take the money for that of another refund, which is open."""
    operation, saga = finished(refunded)
    notified(refunded, "refund_failed", operation.reference)
    settle(operation, State.REFUSED)
    answered(saga, outcome="refused")
    Attempt.objects.update(state=Attempt.State.CONFLICTED)
    Payment.objects.update(state=PaymentState.CONFLICTED)
    assert notified(refunded, "refunded", "").commands == []
    [asked] = notified(refunded, "refunded", operation.reference).commands
    assert asked.type == "payments.check_claim"
    assert state_of(refunded) == PaymentState.CONFLICTED


def test_a_second_notification_does_not_begin_the_questions_anew(refunded):
    """Anybody who knows the reference could otherwise cause inquiries for ever without a pause."""
    operation, saga = finished(refunded)
    notified(refunded, "refund_failed", operation.reference)
    saga.refresh_from_db()
    before = saga.awaiting
    assert notified(refunded, "refund_failed", operation.reference).commands == []
    saga.refresh_from_db()
    assert (saga.step, saga.awaiting) == ("inquire", before)


def test_other_news_of_the_payment_do_not_end_the_doubt(refunded):
    operation, saga = finished(refunded)
    notified(refunded, "refund_failed", operation.reference)
    saga.refresh_from_db()
    before = saga.awaiting
    assert notified(refunded, "settled").commands == []
    saga.refresh_from_db()
    assert (saga.step, saga.awaiting) == ("inquire", before)


def test_an_answer_that_is_older_than_what_became_of_the_refund_since_does_not_stay_booked(refunded):
    """The failure was confirmed, the refund made after all, and that message overtook the answer."""
    operation, saga = finished(refunded)
    notified(refunded, "refund_failed", operation.reference)
    saga.refresh_from_db()
    settle(operation, State.DONE)
    notified(refunded, "refunded", operation.reference)
    answered(saga, outcome="refused")
    assert saga.status == Saga.Status.COMPLETED
    assert state_of(refunded) == PaymentState.PARTIALLY_REFUNDED
    posted = OutboxMessage.objects.filter(type="ledger.post").values_list("body", flat=True)
    kinds = [json.loads(body)["kind"] for body in posted]
    assert kinds.count("refunded") - kinds.count("refund_returned") == 1
