"""Conflicted payments, and staff who say what the provider's books have of them."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as with_changes

from checkout.errors import OperationRejected
from checkout.models import Attempt, LedgerEntry, Operation, OutboxMessage, Payment, Saga
from checkout.money import Money
from checkout.operations import settle_payment
from checkout.sagas.reckoning import TheirBooks
from checkout.services import ledger, payments
from checkout.services.checkout import service
from checkout.states import PaymentState
from messaging.envelope import Envelope
from tests.services.asking import operation_on
from tests.services.delivering import Delivered, deliver
from tests.services.replying import reply_to
from tests.services.settling import started

Kind, State = Operation.Kind, Operation.State
NOTHING = TheirBooks(
    captured=Money(0, "GBP"), refunded=Money(0, "GBP"), charged_back=Money(0, "GBP"), is_held=False
)
HELD = replace(NOTHING, is_held=True)
ASKED_BY_SAGAS = {"ledger": ledger.service, "payments": payments.service}


def books_with(captured: int = 0, refunded: int = 0, charged_back: int = 0, **more: Any) -> TheirBooks:
    """The provider's books, in minor units of GBP."""
    return replace(
        NOTHING,
        captured=Money(captured, "GBP"),
        refunded=Money(refunded, "GBP"),
        charged_back=Money(charged_back, "GBP"),
        **more,
    )


def conflicted(attempt: Attempt, state: str = Attempt.State.CONFLICTED) -> Attempt:
    """Return the attempt of a payment that contradicts the provider, itself in this state."""
    Attempt.objects.filter(pk=attempt.pk).update(state=state)
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.CONFLICTED)
    attempt.refresh_from_db()
    return attempt


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    """12.50 GBP are authorised, and the provider contradicts what we know of them."""
    return conflicted(attempt, Attempt.State.AUTHORISED)


@pytest.fixture
def aside(attempt: Attempt) -> Attempt:
    """An attempt that was put aside itself."""
    return conflicted(attempt)


@pytest.fixture
def taken(authorised: Attempt) -> Attempt:
    """All 12.50 GBP are captured, by our books."""
    posted(authorised, Kind.CAPTURE)
    return conflicted(authorised, Attempt.State.AUTHORISED)


def another(attempt: Attempt, state: str) -> Attempt:
    """A second attempt of the same payment."""
    return Attempt.objects.create(
        payment=attempt.payment,
        number=2,
        provider_account=attempt.provider_account,
        order_code=f"{attempt.payment.reference}-2",
        state=state,
    )


def posted(attempt: Attempt, kind: str, minor: int = 1250, **fields: Any) -> Operation:
    """An operation that is done and in the ledger, by its saga."""
    operation = operation_on(attempt, kind, minor)
    Operation.objects.filter(pk=operation.pk).update(state=State.DONE, **fields)
    operation.refresh_from_db()
    _carry_on(started(operation))
    return operation


def said(attempt: Attempt, theirs: TheirBooks, *, by: str = "ada", **more: Any) -> Envelope:
    """Decide as staff do; return the command that was written."""
    reason = "Seen in the portal"
    settle_payment(
        attempt.payment.reference, theirs, attempt=attempt.order_code, by=by, reason=reason, **more
    )
    return envelope_of(OutboxMessage.objects.filter(type="checkout.settle_payment").latest("pk"))


def carried_out(envelope: Envelope) -> Delivered:
    """Deliver it, and let every saga that goes on from there be answered until all have come to rest."""
    delivered = deliver(service, envelope)
    _carry_on(delivered)
    for row in OutboxMessage.objects.filter(type="checkout.start_operation").order_by("pk"):
        _carry_on(deliver(service, envelope_of(row)))
    return delivered


def settled(attempt: Attempt, theirs: TheirBooks, **more: Any) -> Payment:
    """Have it settled so, and return the payment as it is then."""
    carried_out(said(attempt, theirs, **more))
    attempt.refresh_from_db()
    return Payment.objects.get(pk=attempt.payment_id)


def balances() -> dict[str, int]:
    """The ledger's sums by account, without those that are empty."""
    sums: dict[str, int] = {}
    for account, minor in LedgerEntry.objects.values_list("account", "amount_minor"):
        sums[account] = sums.get(account, 0) + minor
    return {account: minor for account, minor in sums.items() if minor}


def kept(minor: int) -> dict[str, int]:
    """The balances when so much was taken and stayed."""
    return {"provider:captured": minor, "merchant:payable": -minor} if minor else {}


def _carry_on(delivered: Delivered) -> None:
    """Let the ledger post, and the payments service answer of what is done; it sends nothing then."""
    for asked in delivered.commands:
        answering = ASKED_BY_SAGAS.get(asked.type.partition(".")[0])
        saga = Saga.objects.filter(awaiting=asked.correlation_id).exclude(awaiting="").first()
        if answering is not None and saga is not None:
            answered = deliver(answering, with_changes(asked, reply_to="test.replies.saga"))
            _carry_on(reply_to(saga, answered.reply))


def envelope_of(row: OutboxMessage) -> Envelope:
    """Return the message that a row of the outbox will be sent as."""
    return Envelope(
        type=row.type, body=row.body.encode(), message_id=row.message_id, headers={"subject": row.subject}
    )


def refused(attempt: Attempt, theirs: TheirBooks, why: str, **more: Any) -> None:
    """Staff cannot say so, are told why, and nothing is written."""
    with pytest.raises(OperationRejected, match=why):
        said(attempt, theirs, **more)
    assert not OutboxMessage.objects.filter(type="checkout.settle_payment").exists()


def found() -> list[tuple[str, int, str]]:
    """Kind, amount and state of every operation, the oldest first."""
    return [(each.kind, each.amount_minor, each.state) for each in Operation.objects.order_by("pk")]
