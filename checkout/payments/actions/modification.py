"""Request a capture, a void or a refund, and show what may be requested.

Every request takes the payment's lock. The amount that is left is calculated from the operations under that
lock, so two requests at once cannot both get the rest of it. An operation counts until it is refused.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from checkout.errors import (
    AmountNotAvailable,
    DuplicateRequest,
    IllegalTransition,
    OperationRejected,
    PaymentNotFound,
)
from checkout.money import Money
from checkout.payments.checkout_messages import StartOperation
from checkout.payments.models import Attempt, Fact, Operation, Payment
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.totals import Sums, sums_of
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor, AttemptState, PaymentState

Kind = Operation.Kind

# States in which money is held or taken, and no conflict has to be settled first.
_STATES = frozenset(
    {
        PaymentState.AUTHORISED,
        PaymentState.CAPTURE_PENDING,
        PaymentState.PARTIALLY_CAPTURED,
        PaymentState.CAPTURED,
        PaymentState.VOID_PENDING,
        PaymentState.PARTIALLY_REFUNDED,
        PaymentState.REFUNDED,
        PaymentState.CHARGED_BACK,
    }
)
_CLOCK = "clock"
LONGEST_KEY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """The data of an operation that may be shown. ``kind`` and ``state`` are as in ``models.Operation``."""

    reference: str
    payment: str
    kind: str
    amount: Money
    state: str
    refusal_reason: str
    requested_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """The sums that are authorised, captured, refunded and charged back, and what may be requested now."""

    authorised: Money
    captured: Money
    refunded: Money
    charged_back: Money
    capturable: Money
    refundable: Money
    can_be_voided: bool


def request_capture(
    reference: str, *, amount: Money | None = None, idempotency_key: str = "", by: str, reason: str = ""
) -> OperationView:
    """Request the capture of ``amount``, or of all that is left.

    If the idempotency key was used before, its operation is returned, whatever the outcome. Raises
    ``PaymentNotFound``, ``IllegalTransition``, ``AmountNotAvailable``, ``DuplicateRequest`` for a key that
    was used for something else, ``OperationRejected`` for an amount that is not positive or in another
    currency.
    """
    return _request(reference, Kind.CAPTURE, amount, idempotency_key, by, reason)


def request_refund(
    reference: str, *, amount: Money | None = None, idempotency_key: str = "", by: str, reason: str = ""
) -> OperationView:
    """Request the refund of ``amount``, or of all that is left. Raises the errors of ``request_capture``."""
    return _request(reference, Kind.REFUND, amount, idempotency_key, by, reason)


def request_void(reference: str, *, idempotency_key: str = "", by: str, reason: str = "") -> OperationView:
    """Request the release of an authorisation without captures. Raises the errors of ``request_capture``."""
    return _request(reference, Kind.VOID, None, idempotency_key, by, reason)


def operations_of(reference: str) -> list[OperationView]:
    """Return a payment's operations, oldest first; raises ``PaymentNotFound``."""
    payment = _payment(reference)
    return [view_of(operation, payment) for operation in payment.operations.order_by("pk")]


def available(reference: str) -> Available:
    """Return what may be requested now; raises ``PaymentNotFound``. It may be less a moment later."""
    payment = _payment(reference)
    attempt, sums = _authorised_attempt(payment), sums_of(payment)
    may_act = attempt is not None and _may_act(payment, sums)
    return Available(
        authorised=_money(payment, payment.amount_minor if attempt else 0),
        captured=_money(payment, sums.captured),
        refunded=_money(payment, sums.refunded),
        charged_back=_money(payment, sums.charged_back),
        capturable=_money(payment, sums.left_to_capture if may_act else 0),
        refundable=_money(payment, sums.left_to_refund if may_act else 0),
        can_be_voided=(may_act or _is_stuck(payment, sums)) and sums.can_be_voided,
    )


@transaction.atomic
def _request(
    reference: str, kind: str, amount: Money | None, idempotency_key: str, by: str, reason: str
) -> OperationView:
    payment = Payment.objects.select_for_update(no_key=True).filter(reference=reference).first()
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    if len(idempotency_key) > LONGEST_KEY or "\0" in idempotency_key:
        raise OperationRejected(f"An idempotency key has at most {LONGEST_KEY} characters.")
    if idempotency_key:
        known = payment.operations.filter(idempotency_key=idempotency_key).first()
        if known is not None:
            return _repeated(known, payment, kind, amount)
    attempt = _authorised_attempt(payment)
    sums = sums_of(payment)
    may_act = _may_act(payment, sums) or (kind == Kind.VOID and _is_stuck(payment, sums))
    if attempt is None or not may_act:
        raise IllegalTransition(f"A payment that is {payment.state} has nothing to {kind}.")
    reason = scrub_note(reason)
    operation = Operation.objects.create(
        payment=payment,
        attempt=attempt,
        kind=kind,
        amount_minor=_checked_amount(payment, sums, kind, amount).minor,
        currency=payment.currency,
        idempotency_key=idempotency_key,
        requested_by=by[:150],
        reason=reason,
    )
    Fact.objects.create(
        payment=payment,
        attempt=attempt,
        source=Actor.CLOCK if by == _CLOCK else Actor.STAFF,
        kind=f"{kind}_requested_by",
        data={"by": by, "reason": reason, "amount": str(operation.amount), "reference": operation.reference},
    )
    command = StartOperation(payment=payment.reference, operation=operation.reference)
    send_to_checkout(command, payment.reference)
    return view_of(operation, payment)


def _checked_amount(payment: Payment, sums: Sums, kind: str, amount: Money | None) -> Money:
    if kind == Kind.VOID:
        if not sums.can_be_voided:
            raise IllegalTransition("Only an authorisation without captures can be voided.")
        return payment.amount
    left = _money(payment, _left(sums, kind))
    wanted = left if amount is None else amount
    if wanted.currency != payment.currency:
        raise OperationRejected(f"The payment is in {payment.currency}, not in {wanted.currency}.")
    if amount is not None and amount.minor <= 0:
        raise OperationRejected(f"An amount to {kind} is more than nothing.")
    if left.minor <= 0 or left < wanted:
        raise AmountNotAvailable(
            f"{left} is left to {kind}, which is less than {wanted}."
            if amount is not None
            else f"Nothing is left to {kind}.",
            requested=wanted,
            available=left,
        )
    return wanted


def _may_act(payment: Payment, sums: Sums) -> bool:
    """Return True if the payment's operations account for all of its money.

    If the amount of a charge-back is not known yet, there is no operation with it.
    """
    is_booked = payment.state != PaymentState.CHARGED_BACK or sums.charged_back > 0
    return payment.state in _STATES and is_booked


def _is_stuck(payment: Payment, sums: Sums) -> bool:
    """Return True if an automatic capture was refused, and its authorisation could not be released so far."""
    return payment.state == PaymentState.CONFIRMING and sums.total(Kind.CAPTURE, Operation.State.REFUSED) > 0


def _left(sums: Sums, kind: str) -> int:
    return sums.left_to_capture if kind == Kind.CAPTURE else sums.left_to_refund


def _repeated(known: Operation, payment: Payment, kind: str, amount: Money | None) -> OperationView:
    is_same = known.kind == kind and (amount is None or amount == known.amount)
    if not is_same:
        raise DuplicateRequest(f"This key was used for a {known.kind} of {known.amount}.")
    return view_of(known, payment)


def _payment(reference: str) -> Payment:
    payment = Payment.objects.filter(reference=reference).first()
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    return payment


def _authorised_attempt(payment: Payment) -> Attempt | None:
    return payment.attempts.filter(state=AttemptState.AUTHORISED).order_by("-number").first()


def _money(payment: Payment, minor: int) -> Money:
    return Money(minor, payment.currency)


def view_of(operation: Operation, payment: Payment) -> OperationView:
    """Return the data of ``operation``, which belongs to ``payment``, that may be shown."""
    return OperationView(
        reference=operation.reference,
        payment=payment.reference,
        kind=operation.kind,
        amount=operation.amount,
        state=operation.state,
        refusal_reason=operation.refusal_reason,
        requested_by=operation.requested_by,
        created_at=operation.created_at,
    )
