"""Payments that contradict the provider's books, and staff who settle them by its figures."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as with_changes

from checkout.errors import OperationRejected
from checkout.ledger import service as ledger
from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.money import Money
from checkout.payments import service as payments
from checkout.payments.books.figures import TheirBooks, reckon, state_after
from checkout.payments.models import Attempt, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from messaging.envelope import Envelope
from tests.payments.service.asking import operation_on, settle
from tests.payments.service.delivering import Delivered, deliver
from tests.payments.service.replying import reply_to
from tests.payments.service.settling import started
from tests.support.settling import settle_payment

Kind, State = Operation.Kind, Operation.State
NOTHING = TheirBooks(
    captured=Money(0, "GBP"), refunded=Money(0, "GBP"), charged_back=Money(0, "GBP"), is_held=False
)
HELD = replace(NOTHING, is_held=True)


def books_with(captured: int = 0, refunded: int = 0, charged_back: int = 0, **more: Any) -> TheirBooks:
    """Return the provider's books as staff enter them, in minor units of GBP."""
    return replace(
        NOTHING,
        captured=Money(captured, "GBP"),
        refunded=Money(refunded, "GBP"),
        charged_back=Money(charged_back, "GBP"),
        **more,
    )


def conflicted(attempt: Attempt, state: str = Attempt.State.CONFLICTED) -> Attempt:
    """Put the attempt into `state` and its payment into conflicted; return the attempt."""
    Attempt.objects.filter(pk=attempt.pk).update(state=state)
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.CONFLICTED)
    attempt.refresh_from_db()
    return attempt


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    """Return an authorised attempt of 12.50 GBP whose payment is conflicted."""
    return conflicted(attempt, Attempt.State.AUTHORISED)


@pytest.fixture
def aside(attempt: Attempt) -> Attempt:
    """Return an attempt that is itself conflicted."""
    return conflicted(attempt)


@pytest.fixture
def taken(authorised: Attempt) -> Attempt:
    """Return the attempt with all 12.50 GBP captured in our books."""
    posted(authorised, Kind.CAPTURE)
    return conflicted(authorised, Attempt.State.AUTHORISED)


def another(attempt: Attempt, state: str) -> Attempt:
    """Create a second attempt of the same payment."""
    return Attempt.objects.create(
        payment=attempt.payment,
        number=2,
        provider_account=attempt.provider_account,
        order_code=f"{attempt.payment.reference}-2",
        state=state,
    )


def posted(attempt: Attempt, kind: str, minor: int = 1250, **fields: Any) -> Operation:
    """Create a done operation, and let its saga post it to the ledger."""
    operation = operation_on(attempt, kind, minor)
    Operation.objects.filter(pk=operation.pk).update(state=State.DONE, **fields)
    operation.refresh_from_db()
    _carry_on(started(operation))
    return operation


def said(attempt: Attempt, theirs: TheirBooks, *, by: str = "ada", **more: Any) -> Envelope:
    """Settle the payment as staff do. Return the command that was written to the outbox."""
    reason = "Seen in the portal"
    settle_payment(
        attempt.payment.reference, theirs, attempt=attempt.order_code, by=by, reason=reason, **more
    )
    return envelope_of(OutboxMessage.objects.filter(type="checkout.settle_books").latest("pk"))


def carried_out(envelope: Envelope) -> Delivered:
    """Deliver the command, and answer every saga that it moves until all sagas wait or have ended."""
    delivered = deliver(service, envelope)
    _carry_on(delivered)
    for row in OutboxMessage.objects.filter(type="checkout.start_operation").order_by("pk"):
        _carry_on(deliver(service, envelope_of(row)))
    return delivered


def settled(attempt: Attempt, theirs: TheirBooks, **more: Any) -> Payment:
    """Settle the payment by `theirs`. Return the payment in its new state, which the page announces."""
    fresh = Attempt.objects.get(pk=attempt.pk)
    announced = state_after(fresh, theirs, reckon(fresh, theirs))
    carried_out(said(attempt, theirs, **more))
    attempt.refresh_from_db()
    payment = Payment.objects.get(pk=attempt.payment_id)
    assert payment.state == announced
    return payment


def balances() -> dict[str, int]:
    """Return the ledger's sums by account, without accounts at zero."""
    sums: dict[str, int] = {}
    for account, minor in LedgerEntry.objects.values_list("account", "amount_minor"):
        sums[account] = sums.get(account, 0) + minor
    return {account: minor for account, minor in sums.items() if minor}


def kept(minor: int) -> dict[str, int]:
    """Return the balances after a capture of this amount that was not given back."""
    return {"provider:captured": minor, "merchant:payable": -minor} if minor else {}


def _carry_on(delivered: Delivered) -> None:
    """Let the services do what sagas request. Payments sends nothing about operations that are done."""
    for sent in delivered.commands:
        if sent.type == PostEntries.to:
            deliver(ledger.service, sent)
        saga = Saga.objects.filter(awaiting=sent.correlation_id).exclude(awaiting="").first()
        if sent.type.startswith("payments.") and saga is not None:
            answered = deliver(payments.service, with_changes(sent, reply_to="test.replies.saga"))
            _carry_on(reply_to(saga, answered.reply))


def envelope_of(row: OutboxMessage) -> Envelope:
    """Return the message that is sent for an outbox row."""
    return Envelope(
        type=row.type, body=row.body.encode(), message_id=row.message_id, headers={"subject": row.subject}
    )


def refused(attempt: Attempt, theirs: TheirBooks, why: str, **more: Any) -> None:
    """Assert that this settlement is rejected with the reason `why` and writes no command."""
    with pytest.raises(OperationRejected, match=why):
        said(attempt, theirs, **more)
    assert not OutboxMessage.objects.filter(type="checkout.settle_books").exists()


def found() -> list[tuple[str, int, str]]:
    """Return kind, amount and state of every operation, the oldest first."""
    return [(each.kind, each.amount_minor, each.state) for each in Operation.objects.order_by("pk")]


def parked(attempt: Attempt, kind: str, minor: int) -> Saga:
    """Return the parked saga of an operation of unknown outcome."""
    operation = operation_on(attempt, kind, minor)
    settle(operation, State.UNKNOWN)
    return Saga.objects.create(
        kind=kind,
        key=operation.reference,
        payment=attempt.payment,
        attempt=attempt,
        step="inquire",
        status=Saga.Status.PARKED,
        data={
            "payment": attempt.payment.reference,
            "attempt": attempt.order_code,
            "operation": operation.reference,
            "minor": minor,
            "currency": "GBP",
        },
    )
