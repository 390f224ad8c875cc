"""Refunds that the provider reported as failed, and that may still be made: REFUND_FAILED, then REFUNDED.

If another refund was made in place of a failed one, together they may exceed the money that is left.
"""

from typing import Protocol

from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.events import move_operation
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.models.payment import Attempt, Fact, Operation, Payment
from checkout.payments.providers.base import EventKind
from checkout.payments.totals import operations_of
from checkout.privacy.scrubbing import scrub_text
from checkout.states import Actor

FAILED = "refund_failed"
# The fact that a refund which had failed was made after all. From then on it is no longer in doubt.
MADE_AFTER_ALL = "refund_made_after_all"


def failed_refunds(attempt: Attempt) -> list[Operation]:
    """Return the attempt's refunds that the provider accepted, and later reported as failed."""
    kind, refused = Operation.Kind.REFUND, Operation.State.REFUSED
    return [
        each
        for each in operations_of(attempt)
        if each.kind == kind and each.state == refused and each.refusal_reason == FAILED
    ]


def refund_made_after_all(attempt: Attempt, reference: str, minor: int | None = None) -> Operation | None:
    """Return the refused refund that a provider's report of a made refund is about; None if there is none.

    That is the refund with this reference or, without a reference, the only one that has failed. If the
    report has another amount, ``minor``, somebody has made another refund in the provider's portal instead.
    """
    if reference:
        ours = attempt.operations.filter(kind=Operation.Kind.REFUND, state=Operation.State.REFUSED)
        return ours.filter(reference=reference).first()
    failed = failed_refunds(attempt)
    is_certain = len(failed) == 1 and minor in (None, failed[0].amount_minor)
    return failed[0] if is_certain else None


class Claim(Protocol):
    """A claim, as its verification keeps it and asks about it. See ``CheckClaim``."""

    @property
    def claim(self) -> str: ...

    @property
    def operation(self) -> str: ...

    @property
    def minor(self) -> int | None: ...


def refund_claimed(attempt: Attempt, told: Claim) -> Operation | None:
    """Return the refused refund that a claim says was made after all; None for a claim of another kind."""
    is_refund = told.claim == EventKind.REFUNDED
    return refund_made_after_all(attempt, told.operation, told.minor) if is_refund else None


def fail_refund(payment: Payment, refund: Operation) -> None:
    """Mark a refund as refused because it failed, perhaps weeks after it was made."""
    move_operation(payment, refund, Operation.State.REFUSED, refusal_reason=FAILED)


def make_after_all(payment: Payment, refund: Operation) -> None:
    """Mark a failed refund as made. Its saga gets an event, and books it."""
    move_operation(payment, refund, Operation.State.DONE)
    Fact.objects.create(
        payment=payment,
        attempt=refund.attempt,
        source=Actor.PROVIDER,
        kind=MADE_AFTER_ALL,
        data={"reference": scrub_text(refund.reference), "amount": str(refund.amount)},
    )
    told = ApplyProviderEvent(
        payment=payment.reference,
        attempt=refund.attempt.order_code,
        kind="refunded",
        operation=refund.reference,
    )
    send_to_checkout(told, payment.reference)
