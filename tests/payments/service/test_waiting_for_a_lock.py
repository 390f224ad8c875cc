"""One message waits for the transaction of another, and uses the rows that it has written."""

import threading

import pytest
from django.db import transaction

from checkout.payments.actions import record_notification
from checkout.payments.actions.saved_cards import erase_cards, remove_card
from checkout.payments.checkout_messages import AnnouncePayment, AwaitPayment, SubmitPayment
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import (
    Attempt,
    Event,
    Fact,
    Operation,
    Payment,
    ProviderNotification,
    Saga,
    SavedCard,
    Waiter,
)
from checkout.payments.sagas.orchestration.locking import locked_saga, numbered_saga
from checkout.payments.sagas.service import service as checkout_service
from checkout.payments.service import service
from checkout.states import PaymentState
from tests.payments.service.asking import authorise, operation_on, to_authorise
from tests.payments.service.at_once import at_once, behind, is_locked, somebody_waits_for_a_lock
from tests.payments.service.conftest import an_account, an_attempt
from tests.payments.service.delivering import command, deliver
from tests.payments.service.removed_cards import ask, remove
from tests.payments.service.replying import answered
from tests.payments.service.test_notification import body, stored
from tests.payments.service.test_saved_cards import charge, kept
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def applied(row: ProviderNotification) -> object:
    return deliver(service, command(ApplyNotification(notification=row.pk)))


def test_a_notification_for_which_two_commands_were_sent_is_applied_once(attempt: Attempt):
    authorise(attempt, "lost")
    row = stored(attempt, body(attempt, "AUTHORISED"))
    behind(*[lambda: applied(row)] * 2)
    assert Fact.objects.filter(kind="notified_authorised").count() == 1


def test_two_notifications_of_one_capture_move_it_once(attempt: Attempt):
    authorise(attempt, "approve")
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    Operation.objects.update(state=Operation.State.PENDING)
    first, second = (
        stored(attempt, body(attempt, "CAPTURED", reference=operation.reference, number=number))
        for number in (1, 2)
    )
    behind(lambda: applied(first), lambda: applied(second))
    assert Fact.objects.filter(kind="notified_captured").count() == 2
    assert Event.objects.filter(type="capture.succeeded").count() == 1


def test_one_of_two_proven_copies_of_a_hint_is_applied():
    attempt = an_attempt(an_account())
    text = body(attempt, "AUTHORISED").encode()
    record_notification("twin", text)
    copies = behind(*[lambda: record_notification("twin", text, is_proven=True)] * 2)
    assert [copy.owed is not None for copy in copies] == [True, False]
    assert ProviderNotification.objects.get().copies == 3


def test_no_charge_begins_while_its_card_is_being_removed(books):
    card = kept(an_attempt(an_account()), books)
    attempt = charge(card)
    _, outcome = behind(
        lambda: remove_card(card.merchant, card.reference, by="ada"),
        lambda: deliver(service, to_authorise(attempt, "")).result["outcome"],
    )
    assert (outcome, books.orders) == ("not_sent", {})


def test_a_card_that_a_later_payment_saves_while_it_is_erased_stays(books):
    first = an_attempt(an_account())
    later = an_attempt(first.provider_account, "A-2").payment
    card = kept(first, books)

    def erase() -> None:
        with transaction.atomic():
            erase_cards(first.payment, by="ada")

    behind(lambda: SavedCard.objects.update(payment=later), erase)
    card.refresh_from_db()
    assert (card.state, card.customer_reference) == ("active", "customer-7")


def test_what_is_erased_while_a_token_is_deleted_stays_erased(books):
    card = remove(kept(an_attempt(an_account()), books))
    assert card.customer_reference
    is_asked, is_erased = threading.Event(), threading.Event()

    def wait_for_the_erasure() -> None:
        is_asked.set()
        assert is_erased.wait(20)

    def erase() -> None:
        assert is_asked.wait(20)
        with transaction.atomic():
            SavedCard.objects.update(customer_reference="")
            is_erased.set()
            wait_until(somebody_waits_for_a_lock, "the answer to wait for the erasure", seconds=20)

    books.scenarios.before("delete_token", wait_for_the_erasure)
    at_once(erase, lambda: ask(card))
    card.refresh_from_db()
    assert (card.customer_reference, card.token_to_delete) == ("", "")
    assert card.deleted_at is not None


@pytest.fixture
def purchase(attempt: Attempt) -> Saga:
    """Return a purchase that waits for the answer to its authorisation, which was approved."""
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(checkout_service, command(body, sealed="card"))
    saga = Saga.objects.get()
    answered(saga, decision="accept")
    answered(saga, reserved=True)
    Attempt.objects.update(state=Attempt.State.AUTHORISED)
    return saga


def capture_without_parent(purchase: Saga) -> Saga:
    """Return the saga of the purchase's capture as the timer of lost operations may start it."""
    return Saga.objects.create(
        kind="capture",
        key=purchase.data["capture_operation"],
        payment=purchase.payment,
        attempt=purchase.attempt,
        step="finished",
        data={},
    )


def test_a_purchase_hears_of_a_capture_that_ends_while_it_starts_it(purchase: Saga):
    capture = Saga.objects.filter(pk=capture_without_parent(purchase).pk)
    behind(
        lambda: capture.select_for_update().get(),
        lambda: answered(purchase, outcome="approved"),
        at_last=lambda: capture.update(status=Saga.Status.COMPLETED),
    )
    purchase.refresh_from_db()
    assert purchase.step == "confirm_order"


@pytest.mark.parametrize("by_number", [True, False])
def test_a_saga_that_got_its_parent_while_its_lock_was_waited_for_has_that_locked(
    purchase: Saga, by_number: bool
):
    """The next decision of the saga may move its parent on."""
    capture = capture_without_parent(purchase)

    def lock() -> bool:
        with transaction.atomic():
            saga = numbered_saga(capture.pk) if by_number else locked_saga(capture.kind, capture.key)
            assert saga is not None
            assert saga.parent == purchase
            return is_locked(purchase)

    _, is_parent_locked = behind(lambda: Saga.objects.filter(pk=capture.pk).update(parent=purchase), lock)
    assert is_parent_locked
    assert not is_locked(purchase)


def test_the_end_of_an_attempt_is_not_announced_to_those_who_wait_for_the_next(attempt: Attempt):
    """The next attempt's purchase goes on, whatever has become of the earlier one."""
    reference = attempt.payment.reference
    Payment.objects.update(state=PaymentState.REFUSED)

    def try_again() -> object:
        locked = Payment.objects.select_for_update(no_key=True).get()
        locked.state = PaymentState.PROCESSING
        locked.save()
        return deliver(checkout_service, command(AwaitPayment(payment=reference)))

    announce = command(AnnouncePayment(payment=reference))
    behind(try_again, lambda: deliver(checkout_service, announce))
    assert Waiter.objects.count() == 1
