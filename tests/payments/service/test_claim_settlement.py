"""Staff decide whether a notification's claim is true, and the orchestrator applies the decision once."""

import pytest
from django.db.models import Sum
from msgspec.structs import replace

from checkout.errors import OperationRejected
from checkout.ledger.models import LedgerEntry
from checkout.money import Money
from checkout.payments import service as payments
from checkout.payments.checkout_messages import ResumeSaga
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage, Payment, Saga
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.service import service
from checkout.payments.sagas.settlement.matter import seen_of_saga
from checkout.payments.totals import sums_of
from checkout.states import Actor, AttemptState, PaymentState
from messaging.envelope import new_message_id
from tests.payments.service.asking import authorise, operation_on, settle
from tests.payments.service.claiming import (
    CHARGED_BACK,
    REVERSED,
    booked,
    by_issuer,
    captured,
    carried_out,
    claimed,
    gbp,
    post_all,
    said,
    to_settle_claim,
)
from tests.payments.service.contradicting import books_with, conflicted, settled
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, denied
from tests.payments.service.settling import authorised
from tests.support.memory_provider.books import Manners
from tests.support.settling import settle_claim

pytestmark = pytest.mark.django_db

Kind, State = Operation.Kind, Operation.State
OTHERS = ("captured", "cancelled", "refunded", "refund_failed", "expired")


@pytest.fixture(autouse=True)
def _little_patience(settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = [1]


@pytest.fixture
def taken(attempt: Attempt) -> Attempt:
    """Return an attempt with 10.00 of its 12.50 GBP captured."""
    return captured(attempt)


def too_late() -> Fact:
    return Fact.objects.get(kind="claim_settled_by_not_applied")


def test_a_charge_back_that_staff_have_found_is_booked_posted_and_counted_once(taken):
    saga = claimed(taken, minor=300)
    envelope = said(saga, is_true=True, amount=gbp(450))
    carried_out(envelope, saga)
    carried_out(envelope, saga)
    assert (saga.status, saga.step) == (Saga.Status.COMPLETED, "finished")
    assert booked() == [("charge_back", 450)]
    post_all()
    [operation] = by_issuer()
    postings = LedgerEntry.objects.filter(posting=f"charged_back:{operation.reference}")
    assert sorted(entry.amount_minor for entry in postings) == [-450, 450]
    assert LedgerEntry.objects.aggregate(sum=Sum("amount_minor"))["sum"] == 0
    payment = Payment.objects.get()
    assert payment.state == sums_of(payment).state == PaymentState.CHARGED_BACK


def test_the_operation_bears_the_name_of_who_found_it(taken):
    saga = claimed(taken)
    carried_out(said(saga, is_true=True, amount=gbp(300)), saga)
    [operation] = by_issuer()
    assert (operation.requested_by, operation.state, operation.currency) == ("ada", State.DONE, "GBP")
    assert "Staff found out" in operation.reason


def test_a_reversal_that_staff_have_found_lets_the_payment_follow_its_sums(taken):
    settle(operation_on(taken, Kind.CHARGE_BACK, 300), State.DONE)
    Payment.objects.update(state=PaymentState.CHARGED_BACK)
    saga = claimed(taken, REVERSED)
    carried_out(said(saga, is_true=True, amount=gbp(300)), saga)
    post_all()
    assert booked() == [("charge_back", 300), ("charge_back_reversal", 300)]
    assert Payment.objects.get().state == PaymentState.PARTIALLY_CAPTURED


@pytest.mark.parametrize("claim", [CHARGED_BACK, REVERSED, *OTHERS])
def test_what_is_a_copy_or_false_ends_and_changes_nothing(taken, claim):
    before = Payment.objects.get().state
    if claim in ("captured", "cancelled"):
        Operation.objects.all().delete()  # so that no operation explains the claim
    saga = claimed(taken, claim)
    carried_out(said(saga, is_true=False), saga)
    assert saga.status == Saga.Status.COMPLETED
    assert booked() == []
    assert Payment.objects.get().state == before


@pytest.mark.parametrize("claim", ["captured", "cancelled", "refunded", "refund_failed"])
def test_what_the_provider_did_by_itself_contradicts_us_as_if_it_had_confirmed_it(attempt, claim):
    saga = claimed(authorised(attempt), claim)
    carried_out(said(saga, is_true=True), saga)
    assert saga.status == Saga.Status.COMPLETED
    assert Payment.objects.get().state == PaymentState.CONFLICTED


def test_an_authorisation_that_has_expired_expires_the_payment(attempt):
    saga = claimed(authorised(attempt), "expired")
    carried_out(said(saga, is_true=True), saga)
    assert Payment.objects.get().state == PaymentState.EXPIRED


def test_money_that_is_held_for_a_refused_attempt_puts_it_aside_for_a_review(attempt):
    Attempt.objects.update(state=AttemptState.REFUSED)
    Payment.objects.update(state=PaymentState.REFUSED)
    saga = claimed(attempt, "authorised")
    carried_out(said(saga, is_true=True), saga)
    assert Payment.objects.get().state == PaymentState.CONFLICTED
    assert Attempt.objects.get().state == AttemptState.CONFLICTED


@pytest.mark.parametrize(("is_true", "amount"), [(True, 450), (False, None)])
def test_the_decision_is_a_fact_with_who_why_and_what(taken, is_true, amount):
    saga = claimed(taken)
    said(saga, is_true=is_true, amount=gbp(amount) if amount else None)
    fact = Fact.objects.get(kind="claim_settled_by")
    assert fact.source == Actor.STAFF
    assert fact.data == {
        "by": "ada",
        "reason": "Seen in the portal",
        "claim": CHARGED_BACK,
        "said": "true" if is_true else "untrue",
        **({"amount": "4.50 GBP"} if is_true else {}),
        "saga": saga.pk,
        "seen": seen_of_saga(saga),
    }


@pytest.mark.parametrize("reason", ["", "  ", "\0"])
def test_without_a_reason_nothing_is_settled(taken, reason):
    saga = claimed(taken)
    with pytest.raises(OperationRejected, match="how you found out"):
        settle_claim(saga.pk, is_true=False, by="ada", reason=reason)
    assert not OutboxMessage.objects.filter(type="checkout.settle_books").exists()


@pytest.mark.parametrize(
    ("amount", "why"),
    [
        (None, "Say how much"),
        (gbp(0), "greater than zero"),
        (gbp(-1), "greater than zero"),
        (gbp(1001), r"more than is taken and not charged back: £10\.00"),
        (Money(300, "USD"), "payment is in GBP"),
    ],
)
def test_an_amount_that_our_books_have_no_room_for_is_refused(taken, amount, why):
    saga = claimed(taken)
    with pytest.raises(OperationRejected, match=why):
        settle_claim(saga.pk, is_true=True, amount=amount, by="ada", reason="x")
    assert carried_out(to_settle_claim(saga, is_true=True, amount=amount), saga).commands == []
    assert saga.status == Saga.Status.PARKED
    assert booked() == []


def test_a_charge_back_without_an_amount_of_more_than_our_books_have_is_settled_with_the_payment(taken):
    """The rest had been captured in the provider's portal. The refusal says what to settle first."""
    saga = claimed(taken, minor=None)
    with pytest.raises(OperationRejected, match="say here that nothing more happened"):
        settle_claim(saga.pk, is_true=True, amount=gbp(1001), by="ada", reason="x")
    carried_out(to_settle_claim(saga, is_true=False), saga)
    assert saga.status == Saga.Status.COMPLETED
    conflicted(taken, Attempt.State.AUTHORISED)
    assert settled(taken, books_with(1250, charged_back=1001)).state == PaymentState.CHARGED_BACK
    assert booked() == [("charge_back", 1001)]


def test_all_that_is_taken_may_be_charged_back_even_what_was_given_back_but_not_twice(taken):
    """Issuers charge back refunded money, too. The money is then lost twice, and our books show that."""
    settle(operation_on(taken, Kind.REFUND, 400), State.DONE)
    settle(operation_on(taken, Kind.CHARGE_BACK, 300), State.DONE)
    saga = claimed(taken)
    with pytest.raises(OperationRejected, match=r"£7\.00"):
        settle_claim(saga.pk, is_true=True, amount=gbp(701), by="ada", reason="x")
    carried_out(said(saga, is_true=True, amount=gbp(700)), saga)
    assert booked() == [("charge_back", 300), ("charge_back", 700)]


def test_no_more_is_returned_than_was_charged_back(taken):
    settle(operation_on(taken, Kind.CHARGE_BACK, 200), State.DONE)
    saga = claimed(taken, REVERSED)
    with pytest.raises(OperationRejected, match=r"more than is charged back: £2\.00"):
        settle_claim(saga.pk, is_true=True, amount=gbp(300), by="ada", reason="x")


@pytest.mark.parametrize(("claim", "is_true"), [(CHARGED_BACK, False), ("expired", True), ("expired", False)])
def test_what_books_nothing_has_no_amount(taken, claim, is_true):
    saga = claimed(taken, claim)
    with pytest.raises(OperationRejected, match="only booked of a charge-back"):
        settle_claim(saga.pk, is_true=is_true, amount=gbp(300), by="ada", reason="x")


def test_what_is_booked_already_under_its_name_is_not_booked_again(taken):
    first, second = claimed(taken, minor=300), claimed(taken, minor=300, event_id="e-2")
    carried_out(said(first, is_true=True, amount=gbp(300)), first)
    Saga.objects.filter(pk=second.pk).update(data={**second.data, "event_id": "e-1"})
    with pytest.raises(OperationRejected, match="in our books already"):
        settle_claim(second.pk, is_true=True, amount=gbp(300), by="ada", reason="x")


def test_the_provider_s_late_answer_does_not_book_again_what_staff_have_booked(attempt, books):
    authorise(attempt, "approve")
    taken, order = captured(attempt), books.orders[attempt.order_code]
    order.captured, order.last_event = gbp(1000), EventKind.CHARGED_BACK
    order.manners = Manners(tells_position=False)
    saga = claimed(taken)
    carried_out(said(saga, is_true=True, amount=gbp(300)), saga)
    late = CheckClaim(
        payment=taken.payment.reference,
        attempt=taken.order_code,
        claim=CHARGED_BACK,
        minor=300,
        currency="GBP",
        event_id="e-1",
    )
    checked = deliver(payments.service, command(late))
    assert checked.result["outcome"] == "booked"
    assert booked() == [("charge_back", 300)]


def test_only_a_parked_verification_can_be_settled(taken):
    saga = claimed(taken)
    deliver(service, command(ResumeSaga(saga=saga.pk, version=saga.version)))
    with pytest.raises(OperationRejected, match="is being asked"):
        settle_claim(saga.pk, is_true=False, by="ada", reason="x")
    denied(saga)
    with pytest.raises(OperationRejected, match="has ended"):
        settle_claim(saga.pk, is_true=False, by="ada", reason="x")
    with pytest.raises(OperationRejected, match="no such saga"):
        settle_claim(saga.pk + 1, is_true=False, by="ada", reason="x")
    Saga.objects.update(kind="capture", status=Saga.Status.PARKED, step="capture")
    with pytest.raises(OperationRejected, match="nothing that staff could settle"):
        settle_claim(saga.pk, is_true=False, by="ada", reason="x")


def test_data_of_another_release_is_not_settled(taken):
    saga = claimed(taken)
    Saga.objects.update(data={"claim": 7})
    with pytest.raises(OperationRejected, match="nothing that staff could settle"):
        settle_claim(saga.pk, is_true=False, by="ada", reason="x")


def test_the_second_of_two_who_decide_is_told_what_the_first_said(taken):
    saga = claimed(taken)
    said(saga, is_true=True, amount=gbp(300))
    with pytest.raises(OperationRejected, match="ada has said already: it is so"):
        said(saga, is_true=False, by="bob")
    assert OutboxMessage.objects.filter(type="checkout.settle_books").count() == 1


def test_who_decided_on_less_than_is_known_by_now_is_told_to_look_again(taken):
    saga = claimed(taken)
    seen = seen_of_saga(saga)
    settle(operation_on(taken, Kind.CHARGE_BACK, 100), State.DONE)
    for old in (seen, f"{saga.version - 1}.1"):
        with pytest.raises(OperationRejected, match="Look again"):
            settle_claim(saga.pk, is_true=True, amount=gbp(300), by="ada", reason="x", seen=old)
    settle_claim(saga.pk, is_true=True, amount=gbp(300), by="ada", reason="x", seen=seen_of_saga(saga))


def test_what_was_booked_between_the_decision_and_its_turn_is_not_booked_again_and_may_be_decided_again(
    taken,
):
    saga = claimed(taken)
    envelope = said(saga, is_true=True, amount=gbp(300))
    settle(operation_on(taken, Kind.CHARGE_BACK, 300), State.DONE)
    carried_out(envelope, saga)
    assert saga.status == Saga.Status.PARKED
    assert booked() == [("charge_back", 300)]
    assert "More has become known" in too_late().data["why"]
    carried_out(said(saga, is_true=False), saga)
    assert saga.status == Saga.Status.COMPLETED
    assert booked() == [("charge_back", 300)]


def test_what_was_charged_back_between_the_decision_and_its_turn_is_not_charged_back_twice(taken):
    saga = claimed(taken)
    envelope = said(saga, is_true=True, amount=gbp(300))
    settle(operation_on(taken, Kind.CHARGE_BACK, 900), State.DONE)
    carried_out(envelope, saga)
    assert booked() == [("charge_back", 900)]
    assert too_late().data["why"]
    carried_out(said(saga, is_true=True, amount=gbp(100)), saga)
    assert booked() == [("charge_back", 900), ("charge_back", 100)]


@pytest.mark.parametrize("outcome", ["booked", "denied", "unclear"])
def test_the_provider_s_answer_that_comes_between_page_and_button_comes_first(taken, outcome):
    saga = claimed(taken)
    envelope = said(saga, is_true=True, amount=gbp(300))
    deliver(service, command(ResumeSaga(saga=saga.pk, version=saga.version)))
    answered(saga, outcome=outcome, why="Still not told.")
    carried_out(envelope, saga)
    assert booked() == []
    assert too_late().data["said"] == "true"


@pytest.mark.parametrize("is_true", [True, False])
def test_a_late_copy_and_the_opposite_decision_change_nothing(taken, is_true):
    saga = claimed(taken)
    amount = gbp(300)
    first = to_settle_claim(saga, is_true=is_true, amount=amount if is_true else None)
    opposite = to_settle_claim(saga, is_true=not is_true, amount=None if is_true else amount)
    carried_out(first, saga)
    carried_out(replace(first, message_id=new_message_id()), saga)
    carried_out(opposite, saga)
    assert booked() == ([("charge_back", 300)] if is_true else [])
    assert Fact.objects.filter(kind="claim_settled_by_not_applied").count() == 2


def test_a_command_that_names_another_payment_s_saga_is_rejected(taken):
    saga = claimed(taken)
    envelope = to_settle_claim(saga, is_true=False)
    body = envelope.body.replace(saga.payment.reference.encode(), b"pay_other")
    assert not deliver(service, replace(envelope, body=body)).reply.ok
    saga.refresh_from_db()
    assert saga.status == Saga.Status.PARKED


def test_a_refund_that_failed_and_was_made_after_all_is_booked_on_staff_s_word(taken):
    refund = operation_on(taken, Kind.REFUND, 300)
    settle(refund, State.REFUSED)
    Operation.objects.filter(pk=refund.pk).update(refusal_reason="refund_failed")
    saga = claimed(taken, "refunded", operation=refund.reference)
    carried_out(said(saga, is_true=True), saga)
    assert saga.status == Saga.Status.COMPLETED
    assert Operation.objects.get(pk=refund.pk).state == State.DONE
    assert Payment.objects.get().state != PaymentState.CONFLICTED
    told = OutboxMessage.objects.filter(type="checkout.apply_provider_event").latest("pk")
    assert refund.reference in told.body
