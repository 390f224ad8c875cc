"""The checkout service passes provider events to sagas, and verifies them if necessary."""

from dataclasses import asdict
from typing import Any

import msgspec
import pytest

from checkout.ledger.models import LedgerEntry
from checkout.payments.checkout_messages import ApplyProviderEvent, StartOperation, SubmitPayment
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Operation, Payment, Saga
from checkout.payments.providers.base import Browser
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from tests.payments.service.asking import operation_on, settle
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, commands_of, denied, notified, state_of

pytestmark = pytest.mark.django_db
CAPTURE, VOID, REFUND = Operation.Kind.CAPTURE, Operation.Kind.VOID, Operation.Kind.REFUND
State = Operation.State


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    attempt.state = Attempt.State.AUTHORISED
    attempt.save()
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.AUTHORISED)
    return attempt


def later_attempt(attempt: Attempt) -> Attempt:
    browser = Browser(accept_header="text/html", user_agent="Test", ip_address="192.0.2.7")
    return Attempt.objects.create(
        payment=attempt.payment,
        number=2,
        provider_account=attempt.provider_account,
        order_code=f"{attempt.payment.reference}-2",
        session_id="another-session",
        browser=asdict(browser),
        state=Attempt.State.AUTHORISED,
    )


def started(operation: Operation) -> Saga:
    body = StartOperation(payment=operation.payment.reference, operation=operation.reference)
    deliver(service, command(body))
    return Saga.objects.get(kind=operation.kind, key=operation.reference)


def accepted(attempt: Attempt, kind: str, minor: int = 1250) -> tuple[Operation, Saga]:
    """Return an operation that the provider accepted, and its waiting saga."""
    operation = operation_on(attempt, kind, minor)
    saga = started(operation)
    settle(operation, State.PENDING)
    answered(saga, outcome="pending")
    assert saga.step == "await_provider"
    return operation, saga


@pytest.mark.parametrize(
    ("kind", "event", "done"),
    [
        (CAPTURE, "captured", PaymentState.CAPTURED),
        (VOID, "cancelled", PaymentState.VOIDED),
    ],
)
def test_a_settled_operation_ends_its_saga_and_moves_the_payment(authorised, kind, event, done):
    operation, saga = accepted(authorised, kind)
    assert state_of(authorised) in (PaymentState.CAPTURE_PENDING, PaymentState.VOID_PENDING)
    settle(operation, State.DONE)
    delivered = notified(authorised, event)
    assert state_of(authorised) == done
    saga.refresh_from_db()
    assert (saga.step, saga.status) == ("finished", Saga.Status.COMPLETED)
    assert commands_of(delivered) == (["ledger.post"] if kind == CAPTURE else [])


def test_news_is_told_once(authorised):
    operation, _ = accepted(authorised, CAPTURE)
    settle(operation, State.DONE)
    notified(authorised, "captured")
    assert commands_of(notified(authorised, "captured")) == []


def test_a_notification_that_settled_nothing_ends_nothing(authorised):
    _, saga = accepted(authorised, CAPTURE)
    for kind in ("captured", "refused", "authorised", "cancelled", "expired"):
        notified(authorised, kind)
    saga.refresh_from_db()
    assert saga.step == "await_provider"
    assert state_of(authorised) == PaymentState.CAPTURE_PENDING


def test_parts_add_up(authorised):
    (first, _), (second, _) = accepted(authorised, CAPTURE, 500), accepted(authorised, CAPTURE, 750)
    settle(first, State.DONE)
    notified(authorised, "captured")
    assert state_of(authorised) == PaymentState.PARTIALLY_CAPTURED
    settle(second, State.DONE)
    notified(authorised, "captured")
    assert state_of(authorised) == PaymentState.CAPTURED
    refund, _ = accepted(authorised, REFUND, 1000)
    settle(refund, State.DONE)
    notified(authorised, "refunded")
    assert state_of(authorised) == PaymentState.PARTIALLY_REFUNDED
    last, _ = accepted(authorised, REFUND, 250)
    settle(last, State.DONE)
    notified(authorised, "refunded")
    assert state_of(authorised) == PaymentState.REFUNDED
    settle(last, State.REFUSED)
    notified(authorised, "refund_failed")
    assert state_of(authorised) == PaymentState.PARTIALLY_REFUNDED


def test_a_refused_capture_leads_back_to_authorised(authorised):
    operation, _ = accepted(authorised, CAPTURE)
    settle(operation, State.REFUSED)
    assert commands_of(notified(authorised, "other")) == ["ledger.post"]
    assert state_of(authorised) == PaymentState.AUTHORISED


def test_a_parked_operation_hears_of_its_end(authorised):
    operation, saga = accepted(authorised, VOID)
    Saga.objects.filter(pk=saga.pk).update(status=Saga.Status.PARKED, deadline_at=None)
    settle(operation, State.DONE)
    notified(authorised, "cancelled")
    saga.refresh_from_db()
    assert saga.status == Saga.Status.COMPLETED


def test_a_failure_that_names_no_refund_is_verified_when_every_refund_is_done(authorised):
    operation, _ = accepted(authorised, REFUND)
    notified(authorised, "refund_failed")
    assert not Saga.objects.filter(kind="asking").exists(), "the refund's own saga asks"
    settle(operation, State.DONE)
    notified(authorised, "refund_failed")
    assert Saga.objects.get(kind="asking").data["claim"] == "refund_failed"


CLAIMS = [
    "captured",
    "cancelled",
    "refunded",
    "refund_failed",
    "expired",
    "charged_back",
    "charge_back_reversed",
]


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_nothing_explains_is_verified_and_moves_nothing_before(authorised, claim):
    before = state_of(authorised)
    [envelope] = notified(authorised, claim).commands
    assert envelope.type == "payments.check_claim"
    assert msgspec.json.decode(envelope.body, type=CheckClaim).claim == claim
    assert state_of(authorised) == before
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_same_claim_is_verified_once_at_a_time(authorised, claim):
    notified(authorised, claim)
    assert notified(authorised, claim).commands == []
    saga = Saga.objects.get(kind="asking")
    denied(saga)
    assert [envelope.type for envelope in notified(authorised, claim).commands] == ["payments.check_claim"]


@pytest.mark.parametrize(
    ("claim", "after"),
    [
        ("expired", PaymentState.EXPIRED),
        ("captured", PaymentState.CONFLICTED),
        ("cancelled", PaymentState.CONFLICTED),
    ],
)
def test_what_the_provider_confirms_moves_the_payment(authorised, claim, after):
    notified(authorised, claim)
    answered(Saga.objects.get(kind="asking"), outcome="confirmed")
    assert state_of(authorised) == after


def adopted(attempt: Attempt, kind: str, minor: int) -> Saga:
    """Start the saga of an operation that the payments service has adopted into our books."""
    operation = operation_on(attempt, kind, minor)
    settle(operation, State.DONE)
    return started(operation)


def test_a_charge_back_and_its_reversal_move_the_payment_by_its_sums(authorised):
    for kind, minor in ((CAPTURE, 1250), (REFUND, 300)):
        operation, _ = accepted(authorised, kind, minor)
        settle(operation, State.DONE)
        notified(authorised, "captured")
    saga = adopted(authorised, Operation.Kind.CHARGE_BACK, 950)
    assert state_of(authorised) == PaymentState.CHARGED_BACK
    assert saga.status == Saga.Status.COMPLETED
    adopted(authorised, Operation.Kind.CHARGE_BACK_REVERSAL, 900)
    assert state_of(authorised) == PaymentState.CHARGED_BACK, "a part is still gone"
    adopted(authorised, Operation.Kind.CHARGE_BACK_REVERSAL, 50)
    assert state_of(authorised) == PaymentState.PARTIALLY_REFUNDED


def told_of(attempt: Attempt, **statement: Any) -> list[CheckClaim]:
    """Return the queries to the provider after a notification of a charge-back."""
    event = ApplyProviderEvent(
        payment=attempt.payment.reference, attempt=attempt.order_code, kind="charged_back", **statement
    )
    delivered = deliver(service, command(event))
    return [msgspec.json.decode(each.body, type=CheckClaim) for each in delivered.commands]


def test_the_claim_carries_what_was_notified_of_a_charge_back(authorised):
    [asked] = told_of(authorised, minor=300, currency="GBP", event_id="e-1", is_proven=False)
    assert (asked.minor, asked.currency, asked.event_id, asked.is_proven) == (300, "GBP", "e-1", False)


def test_each_charge_back_that_is_proven_is_a_question_of_its_own(authorised):
    for event_id in ("e-1", "e-2"):
        assert len(told_of(authorised, minor=300, currency="GBP", event_id=event_id)) == 1
        assert told_of(authorised, minor=300, currency="GBP", event_id=event_id) == []


def test_charge_backs_without_names_are_told_apart_by_their_amounts(authorised):
    [first] = told_of(authorised, minor=300, currency="GBP")
    [second] = told_of(authorised, minor=301, currency="GBP")
    assert first.event_id != second.event_id
    assert told_of(authorised, minor=300, currency="GBP") == []


def test_charge_backs_that_anybody_may_have_sent_are_one_question_together(authorised):
    assert len(told_of(authorised, minor=300, currency="GBP", event_id="e-1", is_proven=False)) == 1
    assert told_of(authorised, minor=400, currency="GBP", event_id="e-2", is_proven=False) == []
    assert len(told_of(authorised, minor=400, currency="GBP", event_id="e-3")) == 1


@pytest.mark.parametrize(("kind", "event"), [(REFUND, "refunded"), (CAPTURE, "captured")])
def test_what_is_said_to_be_done_and_we_hold_as_refused_is_verified_whatever_else_was_done(
    authorised, kind, event
):
    refused, done = operation_on(authorised, kind, 500), operation_on(authorised, kind, 300)
    settle(refused, State.REFUSED)
    settle(done, State.DONE)
    assert notified(authorised, event, done.reference).commands == []
    [envelope] = notified(authorised, event, refused.reference).commands
    asked = msgspec.json.decode(envelope.body, type=CheckClaim)
    assert (asked.claim, asked.operation) == (event, refused.reference)
    assert notified(authorised, event, refused.reference).commands == [], "once at a time"
    answered(Saga.objects.get(kind="asking"), outcome="confirmed")
    assert state_of(authorised) == PaymentState.CONFLICTED


def test_two_that_we_hold_as_refused_are_two_questions(authorised):
    first, second = operation_on(authorised, REFUND, 500), operation_on(authorised, REFUND, 300)
    for operation in (first, second):
        settle(operation, State.REFUSED)
        assert commands_of(notified(authorised, "refunded", operation.reference)) == ["payments.check_claim"]


@pytest.mark.parametrize("kind", ["other", "error", "authorised"])
def test_what_says_nothing_of_money_is_not_verified(authorised, kind):
    assert notified(authorised, kind).commands == []


@pytest.mark.parametrize("claim", ["cancelled", "expired"])
def test_what_becomes_of_an_earlier_attempt_does_not_move_the_payment(attempt, claim):
    attempt.state = Attempt.State.REFUSED
    attempt.save()
    later_attempt(attempt)
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.AUTHORISED)
    assert notified(attempt, claim).commands == []
    assert state_of(attempt) == PaymentState.AUTHORISED


@pytest.mark.parametrize(
    "kind",
    [
        "authorised",
        "captured",
        "settled",
        "refunded",
        "refund_failed",
        "charged_back",
        "charge_back_reversed",
    ],
)
@pytest.mark.parametrize("end", ["refused", "not_sent", "expired"])
def test_money_for_an_attempt_that_had_ended_is_for_staff_when_the_provider_confirms_it(attempt, kind, end):
    attempt.state = end
    attempt.save()
    later_attempt(attempt)
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.AUTHORISED)
    [envelope] = notified(attempt, kind).commands
    assert msgspec.json.decode(envelope.body, type=CheckClaim).claim == "authorised"
    assert state_of(attempt) == PaymentState.AUTHORISED
    answered(Saga.objects.get(kind="asking"), outcome="confirmed")
    assert state_of(attempt) == PaymentState.CONFLICTED


def test_money_for_a_payment_that_was_cancelled_is_for_staff_when_the_provider_confirms_it(attempt):
    attempt.state = Attempt.State.NOT_SENT
    attempt.save()
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.CANCELLED)
    notified(attempt, "captured")
    assert state_of(attempt) == PaymentState.CANCELLED
    answered(Saga.objects.get(kind="asking"), outcome="confirmed")
    assert state_of(attempt) == PaymentState.CONFLICTED


def hinted(attempt: Attempt, kind: str, operation: str = "") -> list[str]:
    """Deliver an unproven event. Return the types of the resulting commands."""
    return commands_of(notified(attempt, kind, operation, is_proven=False))


@pytest.mark.parametrize(
    ("kind", "event"),
    [(CAPTURE, "captured"), (VOID, "cancelled"), (REFUND, "refunded"), (REFUND, "refund_failed")],
)
def test_a_hint_about_an_open_operation_makes_its_saga_ask_once(authorised, kind, event):
    operation, saga = accepted(authorised, kind)
    before = state_of(authorised), LedgerEntry.objects.count()
    asked = [hinted(authorised, event, operation.reference) for _ in range(25)]
    assert asked == [["payments.inquire_operation"], *[[]] * 24]
    saga.refresh_from_db()
    assert saga.step == "inquire"
    assert (state_of(authorised), LedgerEntry.objects.count()) == before


def test_a_hint_ends_no_saga_whose_operation_has_ended(authorised):
    operation, saga = accepted(authorised, VOID)
    settle(operation, State.DONE)
    assert hinted(authorised, "cancelled", operation.reference) == []
    saga.refresh_from_db()
    assert saga.step == "await_provider"


def test_a_hint_that_a_finished_refund_failed_is_looked_into_and_leaves_the_refund_alone(authorised):
    operation, saga = accepted(authorised, REFUND)
    settle(operation, State.DONE)
    notified(authorised, "refunded")
    assert hinted(authorised, "refund_failed", operation.reference) == ["payments.check_claim"]
    assert hinted(authorised, "refund_failed", operation.reference) == []
    saga.refresh_from_db()
    assert (saga.step, saga.data["is_doubted"]) == ("finished", False)


def test_hints_about_one_attempt_are_verified_one_at_a_time_whatever_they_claim(authorised):
    asked = [hinted(authorised, claim) for claim in CLAIMS for _ in range(5)]
    assert asked == [["payments.check_claim"], *[[]] * (5 * len(CLAIMS) - 1)]
    assert commands_of(notified(authorised, "charged_back")) == ["payments.check_claim"], "it is proven"
    for saga in Saga.objects.filter(kind="asking"):
        denied(saga)
    before = Saga.objects.count()
    assert hinted(authorised, "expired") == [], "the next question waits for its turn"
    assert Saga.objects.count() == before + 1


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("status", [Saga.Status.RUNNING, Saga.Status.PARKED])
def test_what_a_hint_has_asked_holds_back_nothing_that_is_proven(authorised, claim, status):
    assert hinted(authorised, claim) == ["payments.check_claim"]
    Saga.objects.filter(kind="asking").update(status=status)
    assert commands_of(notified(authorised, claim)) == ["payments.check_claim"]
    assert commands_of(notified(authorised, claim)) == [], "once at a time"
    assert hinted(authorised, claim) == []


def test_hints_make_a_purchase_whose_outcome_is_unknown_ask_once(attempt):
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(service, command(body, sealed="card"))
    saga = Saga.objects.get(kind="purchase")
    answered(saga, decision="accept")
    answered(saga, reserved=True)
    assert hinted(attempt, "authorised") == [], "the provider's own reply is on its way"
    answered(saga, outcome="unknown")
    assert hinted(attempt, "settled") == [], "it does not say how the attempt ended"
    asked = [hinted(attempt, event) for event in ("captured", "authorised", "refused") for _ in range(8)]
    assert asked == [["payments.inquire"], *[[]] * 23]
