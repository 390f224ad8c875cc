"""The comparison of books while an operation waits for the provider."""

import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.ledger.messages import PostEntries
from checkout.money import Money
from checkout.payments.books.ours import SAID_TO_HAVE_FAILED
from checkout.payments.models import (
    DeadLetter,
    Fact,
    Operation,
    OutboxMessage,
    Reconciliation,
    RetentionWalk,
    Saga,
)
from checkout.payments.postings import WALK
from messaging.outbox.models import enqueue
from tests.reconciliation.conftest import PAID
from tests.reconciliation.finding import again, found
from tests.support.memory_provider.books import OrderState
from tests.support.reconciling import reconcile


@pytest.mark.parametrize("step", ["await_provider", "inquire"])
@pytest.mark.parametrize("theirs", [200, 500])
def test_while_a_refund_is_open_all_else_is_compared(paid, step, theirs):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.operation("refund", 200)
    purchase.waits(purchase.operation("refund", 300, Operation.State.PENDING), step)
    purchase.books_have(captured=PAID, refunded=theirs)
    assert reconcile() == []
    assert Reconciliation.objects.get().compared == 1
    purchase.books_have(captured=PAID - 1, refunded=theirs)
    assert again() == {("captured", PAID, PAID - 1)}


@pytest.mark.usefixtures("shown_at_once")
def test_a_refund_that_waits_does_not_hold_a_payment_up_that_has_just_changed(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.waits(purchase.operation("refund", 300, Operation.State.PENDING))
    purchase.payment.save()
    purchase.books_have(captured=PAID - 1)
    assert ("captured", PAID, PAID - 1) in found(reconcile())


@pytest.mark.parametrize(("theirs", "ours"), [(199, 200), (501, 500)])
def test_what_no_end_of_an_open_refund_explains_is_a_difference(paid, theirs, ours):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.operation("refund", 200)
    purchase.waits(purchase.operation("refund", 300, Operation.State.UNKNOWN), "inquire")
    purchase.books_have(captured=PAID, refunded=theirs)
    assert found(reconcile()) == {("refunded", ours, theirs)}


@pytest.mark.parametrize("theirs", [0, 300])
@pytest.mark.parametrize("has_heard", [True, False])
def test_a_refund_in_doubt_may_or_may_not_be_in_their_books(paid, theirs, has_heard):
    purchase = paid()
    purchase.operation("capture", PAID)
    refund = purchase.operation("refund", 300)
    saga = purchase.waits(
        refund, "inquire" if has_heard else "finished", is_booked=True, is_doubted=has_heard
    )
    if not has_heard:
        Saga.objects.filter(pk=saga.pk).update(status=Saga.Status.COMPLETED)
    Operation.objects.filter(pk=refund.pk).update(doubt=SAID_TO_HAVE_FAILED, doubted_at=timezone.now())
    purchase.books_have(captured=PAID, refunded=theirs)
    assert reconcile() == []
    purchase.post("refunded", "op_unknown", 7)
    assert again() == {("ledger_refunded", 307, 300)}


def test_a_refund_that_staff_must_look_at_does_not_hide_a_difference(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.waits(purchase.operation("refund", 300, Operation.State.UNKNOWN), "inquire")
    Saga.objects.update(status=Saga.Status.PARKED)
    purchase.books_have(captured=PAID, refunded=300)
    assert found(reconcile()) == {("refunded", 0, 300), ("ledger_refunded", 0, 300)}


def test_a_refund_in_doubt_that_staff_must_look_at_does_not_hide_a_difference(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    refund = purchase.operation("refund", 300)
    purchase.waits(refund, "inquire", is_booked=True, is_doubted=True)
    Fact.objects.create(
        payment=purchase.payment,
        attempt=purchase.attempt,
        source="provider",
        kind="notified_refund_failed",
        data={"reference": refund.reference},
    )
    purchase.books_have(captured=PAID, refunded=0)
    assert reconcile() == []
    Saga.objects.update(status=Saga.Status.PARKED)
    assert ("refunded", 300, 0) in again()


def test_while_a_capture_waits_for_the_provider_the_rest_is_compared(paid):
    purchase = paid()
    capture = purchase.operation("capture", PAID, Operation.State.PENDING)
    purchase.post("capture_requested", capture.reference, PAID)
    purchase.waits(capture)
    for theirs in (0, PAID):
        purchase.books_have(captured=theirs)
        assert again() == set()
    purchase.books_have(captured=PAID, refunded=1)
    assert again() == {("refunded", 0, 1)}


def test_while_a_void_waits_for_the_provider_the_money_is_held_or_is_not(paid):
    purchase = paid()
    purchase.waits(purchase.operation("void", PAID, Operation.State.PENDING))
    assert again() == set()
    purchase.order.state = OrderState.CANCELLED
    assert again() == set()
    purchase.books_have(captured=1)
    assert again() == {("captured", 0, 1), ("ledger_captured", 0, 1)}


@pytest.mark.parametrize(
    ("state", "step", "knows"),
    [
        (Operation.State.DONE, "await_provider", {}),
        (Operation.State.REFUSED, "inquire", {}),
        (Operation.State.REQUESTED, "refund", {}),
        (Operation.State.DONE, "inquire", {"is_booked": True}),
    ],
)
def test_books_that_are_between_two_pages_are_left_for_later(paid, state, step, knows):
    """The operation has ended, but its saga has not posted it yet, or has not received its end."""
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.waits(purchase.operation("refund", 300, state), step, **knows)
    assert reconcile() == []
    assert Reconciliation.objects.get().in_progress == 1


def test_what_was_just_taken_into_our_books_is_left_until_it_is_posted(paid):
    purchase = paid()
    Operation.objects.filter(pk=purchase.operation("capture", PAID).pk).update(created_at=timezone.now())
    assert reconcile() == []
    assert Reconciliation.objects.get().in_progress == 1


def captured_and_not_posted(purchase):
    """Capture all in both books, and write the ledger's command. Return that command."""
    capture = purchase.operation("capture", PAID, Operation.State.PENDING)
    Operation.objects.filter(pk=capture.pk).update(state=Operation.State.DONE)
    purchase.post("capture_requested", capture.reference, PAID)
    purchase.books_have(captured=PAID)
    payment = purchase.payment.reference
    body = PostEntries(
        payment=payment, kind="captured", reference=capture.reference, minor=PAID, currency="GBP"
    )
    return enqueue(OutboxMessage, *body.address, body, subject=payment)


def test_what_the_ledger_was_told_and_has_not_posted_yet_is_left_for_later(paid):
    """If the posting has become a dead letter, its absence is a difference for staff."""
    told = captured_and_not_posted(paid())
    for _ in range(2):
        assert reconcile() == []
        assert Reconciliation.objects.latest("pk").in_progress == 1
    DeadLetter.objects.create(message_id=told.message_id, type=told.type, body=told.body)
    assert ("ledger_captured", 0, PAID) in found(reconcile())


def test_what_the_ledger_has_lost_after_it_was_posted_is_not_waited_for(paid):
    """Nothing else shows that a ledger, restored to an earlier moment, has lost a posting."""
    told = captured_and_not_posted(paid())
    OutboxMessage.objects.update(published_at=timezone.now())
    RetentionWalk.objects.create(table=WALK, last_pk=OutboxMessage.objects.get(message_id=told.message_id).pk)
    assert reconcile() == [], "staff may just have sent it again"
    OutboxMessage.objects.update(published_at=timezone.now() - conf.service_wait)
    assert ("ledger_captured", 0, PAID) in found(reconcile())


def test_what_is_posted_late_is_compared_by_the_next_run_though_nothing_else_changed(paid, asked):
    purchase = paid()
    captured_and_not_posted(purchase)
    purchase.books_have(captured=PAID - 1)
    assert reconcile() == []
    purchase.post("captured", Operation.objects.get().reference, PAID)
    assert found(reconcile()) == {("captured", PAID, PAID - 1), ("ledger_captured", PAID, PAID - 1)}
    purchase.books_have(captured=PAID)
    assert reconcile() == []
    asked.clear()
    assert reconcile() == []
    assert asked == [], "it was compared, and has not changed since"


def test_a_claim_that_the_provider_says_nothing_about_holds_nothing_up(paid):
    purchase = paid()
    purchase.order.charged_back = Money(300, "GBP")
    saga = Saga.objects.create(
        kind="asking", key="k", payment=purchase.payment, attempt=purchase.attempt, step="check"
    )
    assert reconcile() == [], "it may be booked in a moment"
    saga.data = {"inquiries": 1}
    saga.save()
    assert again() == {("charged_back", 0, 300), ("ledger_charged_back", 0, 300)}
