"""What the checkout service makes of a provider's news: told to the sagas, believed when it is confirmed."""

from dataclasses import asdict

import msgspec
import pytest

from checkout.commands import CheckClaim, StartOperation
from checkout.models import Attempt, LedgerEntry, Operation, Payment, Saga
from checkout.providers.base import Browser
from checkout.services.checkout import service
from checkout.states import PaymentState
from tests.services.asking import operation_on
from tests.services.delivering import Delivered, command, deliver
from tests.services.replying import answered, notified

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
    deliver(service, command("checkout.start_operation", body))
    return Saga.objects.get(kind=operation.kind, key=operation.reference)


def accepted(attempt: Attempt, kind: str, minor: int = 1250) -> tuple[Operation, Saga]:
    """An operation that the provider took and its saga waits for."""
    operation = operation_on(attempt, kind, minor)
    saga = started(operation)
    settle(operation, State.PENDING)
    answered(saga, outcome="pending")
    if kind == CAPTURE:
        answered(saga)
    assert saga.step == "await_provider"
    return operation, saga


def settle(operation: Operation, state: str) -> None:
    operation.state = state
    operation.save()


def state_of(attempt: Attempt) -> str:
    return Payment.objects.get(pk=attempt.payment_id).state


def commands_of(delivered: Delivered) -> list[str]:
    return [envelope.type for envelope in delivered.commands if not envelope.type.startswith("payment.")]


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
    assert saga.step == ("post_done" if kind == CAPTURE else "finished")
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
    assert not Saga.objects.filter(kind="verification").exists(), "the refund's own saga asks"
    settle(operation, State.DONE)
    notified(authorised, "refund_failed")
    assert Saga.objects.get(kind="verification").data["claim"] == "refund_failed"


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
    saga = Saga.objects.get(kind="verification")
    answered(saga, outcome="denied")
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
    answered(Saga.objects.get(kind="verification"), outcome="confirmed")
    assert state_of(authorised) == after


def test_a_charge_back_and_its_reversal_move_the_payment_when_confirmed(authorised):
    operation, _ = accepted(authorised, CAPTURE)
    settle(operation, State.DONE)
    notified(authorised, "captured")
    notified(authorised, "charged_back")
    answered(Saga.objects.get(kind="verification"), outcome="confirmed")
    assert state_of(authorised) == PaymentState.CHARGED_BACK
    notified(authorised, "charge_back_reversed")
    answered(Saga.objects.filter(kind="verification").latest("pk"), outcome="confirmed")
    assert state_of(authorised) == PaymentState.CAPTURED


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
    answered(Saga.objects.get(kind="verification"), outcome="confirmed")
    assert state_of(authorised) == PaymentState.CONFLICTED


def test_two_that_we_hold_as_refused_are_two_questions(authorised):
    first, second = operation_on(authorised, REFUND, 500), operation_on(authorised, REFUND, 300)
    for operation in (first, second):
        settle(operation, State.REFUSED)
        assert commands_of(notified(authorised, "refunded", operation.reference)) == ["payments.check_claim"]


@pytest.mark.parametrize("kind", ["settled", "other", "error", "authorised"])
def test_what_says_nothing_of_money_is_not_verified(authorised, kind):
    assert notified(authorised, kind).commands == []


@pytest.mark.parametrize("claim", sorted(set(CLAIMS) - {"captured", "refunded"}))
def test_what_becomes_of_an_earlier_attempt_does_not_move_the_payment(attempt, claim):
    attempt.state = Attempt.State.REFUSED
    attempt.save()
    later_attempt(attempt)
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.AUTHORISED)
    assert notified(attempt, claim).commands == []
    assert state_of(attempt) == PaymentState.AUTHORISED


@pytest.mark.parametrize("kind", ["authorised", "captured", "settled", "refunded"])
@pytest.mark.parametrize("end", ["refused", "not_sent", "expired"])
def test_money_for_an_attempt_that_had_ended_is_for_staff_when_the_provider_confirms_it(attempt, kind, end):
    attempt.state = end
    attempt.save()
    later_attempt(attempt)
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.AUTHORISED)
    [envelope] = notified(attempt, kind).commands
    assert msgspec.json.decode(envelope.body, type=CheckClaim).claim == "authorised"
    assert state_of(attempt) == PaymentState.AUTHORISED
    answered(Saga.objects.get(kind="verification"), outcome="confirmed")
    assert state_of(attempt) == PaymentState.CONFLICTED
