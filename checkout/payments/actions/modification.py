"""Request a capture, a void or a refund, and show what may be requested.

Every request takes the payment's lock. The amount that is left is calculated from the operations under that
lock, so two requests at once cannot both get the rest of it. An operation counts until it is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from checkout.errors import (
    AmountNotAvailable,
    IllegalTransition,
    KeyReused,
    OperationRejected,
    PaymentDisputed,
    PaymentNotFound,
    RefundableDiffers,
    RequestInvalid,
)
from checkout.money import Money
from checkout.payments.actions.accounts import amount_error
from checkout.payments.actions.metadata import checked_metadata, overlaid, require_no_card_number
from checkout.payments.actions.staff.approvals import require_approval
from checkout.payments.checkout_messages import StartOperation
from checkout.payments.events import open_operation
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import (
    ApprovalRequest,
    Attempt,
    Fact,
    Merchant,
    Operation,
    Payment,
    PostponedComparison,
)
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.totals import Sums, is_accounted_for, is_stuck, sums_of
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor, AttemptState, PaymentState

Kind = Operation.Kind

# The caller of the requests that the timer of expiring authorisations makes.
BY_CLOCK = "clock"
LONGEST_IDEMPOTENCY_KEY = 100


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
    """The sums that are authorised, captured, refunded and charged back, and what may be requested now.

    ``dispute_claimed`` is the part of the refundable sum that open disputes claim.

    Money that a void or the authorisation's expiry has released does not count as authorised.
    """

    authorised: Money
    captured: Money
    refunded: Money
    charged_back: Money
    dispute_claimed: Money
    capturable: Money
    refundable: Money
    can_be_voided: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """The arguments of a call to one of the functions below."""

    kind: Operation.Kind
    by: str
    amount: Money | None = None
    idempotency_key: str = ""
    reason: str = ""
    metadata: Mapping[str, str] | None = None
    merchant: Merchant | None = None
    is_final: bool = False
    approval: ApprovalRequest | None = None
    expected_refundable: Money | None = None


def request_capture(
    reference: str,
    *,
    amount: Money | None = None,
    idempotency_key: str = "",
    by: str,
    reason: str = "",
    metadata: Mapping[str, str] | None = None,
    final_capture: bool = False,
    merchant: Merchant | None = None,
    approval: ApprovalRequest | None = None,
) -> OperationView:
    """Request the capture of ``amount``, or of all that is left.

    After a ``final_capture`` nothing more can be captured, unless it is refused. ``metadata`` is merged into
    the payment's. ``merchant`` is the merchant whose program calls; payments of other merchants are not
    found. Without it, a member of staff calls, who needs an ``approval`` if a rule of the merchant asks for
    one.

    If the idempotency key was used before, its operation is returned, whatever the outcome. Raises
    ``PaymentNotFound``, ``IllegalTransition``, ``AmountNotAvailable``, ``KeyReused`` for a key that was used
    for something else, ``OperationRejected`` for an amount that is not positive or in another currency, and
    for a key that is too long or contains NUL, ``ApprovalRequired``, and ``RequestInvalid`` for an amount
    that the provider account cannot send, for metadata that cannot be stored and for a program's reason with
    a card number.
    """
    return _request(
        reference,
        _Request(
            kind=Kind.CAPTURE,
            by=by,
            amount=amount,
            idempotency_key=idempotency_key,
            reason=reason,
            metadata=metadata,
            merchant=merchant,
            is_final=final_capture,
            approval=approval,
        ),
    )


def request_refund(
    reference: str,
    *,
    amount: Money | None = None,
    idempotency_key: str = "",
    by: str,
    reason: str = "",
    metadata: Mapping[str, str] | None = None,
    expected_refundable: Money | None = None,
    merchant: Merchant | None = None,
    approval: ApprovalRequest | None = None,
) -> OperationView:
    """Request the refund of ``amount``, or of all that is left. Raises the errors of ``request_capture``.

    Raises ``PaymentDisputed`` if only disputes that are not booked yet stand in the way of the amount. Raises
    ``RefundableDiffers`` if the sum left is not ``expected_refundable``, for example because a colleague has
    requested a refund at the same time.
    """
    return _request(
        reference,
        _Request(
            kind=Kind.REFUND,
            by=by,
            amount=amount,
            idempotency_key=idempotency_key,
            reason=reason,
            metadata=metadata,
            merchant=merchant,
            expected_refundable=expected_refundable,
            approval=approval,
        ),
    )


def request_void(
    reference: str,
    *,
    idempotency_key: str = "",
    by: str,
    reason: str = "",
    metadata: Mapping[str, str] | None = None,
    merchant: Merchant | None = None,
) -> OperationView:
    """Request the release of an authorisation without captures. Raises the errors of ``request_capture``."""
    return _request(
        reference,
        _Request(
            kind=Kind.VOID,
            by=by,
            idempotency_key=idempotency_key,
            reason=reason,
            metadata=metadata,
            merchant=merchant,
        ),
    )


def operations_of(reference: str) -> list[OperationView]:
    """Return a payment's operations, oldest first; raises ``PaymentNotFound``."""
    payment = _payment(reference)
    return [view_of(operation, payment) for operation in payment.operations.order_by("pk")]


def available(reference: str) -> Available:
    """Return what may be requested now; raises ``PaymentNotFound``. It may be less a moment later."""
    payment = _payment(reference)
    attempt, sums = _authorised_attempt(payment), sums_of(payment)
    may_act = attempt is not None and is_accounted_for(payment, sums)
    is_released = payment.state == PaymentState.EXPIRED or sums.total(Kind.VOID, Operation.State.DONE) > 0
    return Available(
        authorised=_money(payment, payment.amount_minor if attempt and not is_released else 0),
        captured=_money(payment, sums.captured),
        refunded=_money(payment, sums.refunded),
        charged_back=_money(payment, sums.charged_back),
        dispute_claimed=_money(payment, sums.dispute_claimed),
        capturable=_money(payment, sums.left_to_capture if may_act else 0),
        refundable=_money(payment, sums.left_to_refund if may_act else 0),
        can_be_voided=(may_act or is_stuck(payment, sums)) and sums.can_be_voided,
    )


@transaction.atomic
def _request(reference: str, wanted: _Request) -> OperationView:
    kind, key = wanted.kind, wanted.idempotency_key
    metadata = checked_metadata(wanted.metadata)
    if wanted.merchant is not None:
        # A program gets an error. Text that a person typed is stored with the number masked.
        require_no_card_number("reason", wanted.reason)
    payment = get_payment_for_update(reference, wanted.merchant)
    if len(key) > LONGEST_IDEMPOTENCY_KEY or "\0" in key:
        longest = LONGEST_IDEMPOTENCY_KEY
        raise OperationRejected(f"An idempotency key has at most {longest} characters, and no NUL.")
    if key:
        known = payment.operations.filter(idempotency_key=key).first()
        if known is not None:
            return _repeated(known, payment, kind, wanted.amount)
    attempt = _authorised_attempt(payment)
    sums = sums_of(payment)
    may_act = is_accounted_for(payment, sums) or (kind == Kind.VOID and is_stuck(payment, sums))
    if attempt is None or not may_act:
        # The text does not name the state, because staff and the API have different names for it.
        raise IllegalTransition(f"In its present state, the payment has nothing to {kind}.")
    _require_compared(payment)
    _require_as_expected(payment, sums, wanted.expected_refundable)
    amount = _checked_amount(payment, sums, kind, wanted.amount)
    if kind != Kind.VOID and (fault := amount_error(attempt.provider_account, amount)):
        raise RequestInvalid("amount", fault)
    if kind != Kind.VOID and _actor(wanted) == Actor.STAFF:
        require_approval(payment, kind, wanted.approval, amount)
    reason = scrub_note(wanted.reason)
    operation = Operation(
        payment=payment,
        attempt=attempt,
        kind=kind,
        amount_minor=amount.minor,
        currency=payment.currency,
        idempotency_key=key,
        requested_by=wanted.by[:150],
        reason=reason,
        metadata=overlaid(payment.metadata, metadata),
        is_final=wanted.is_final,
    )
    open_operation(payment, operation)
    Fact.objects.create(
        payment=payment,
        attempt=attempt,
        source=_actor(wanted),
        kind=f"{kind}_requested_by",
        data={
            "by": wanted.by,
            "reason": reason,
            "amount": str(operation.amount),
            "reference": operation.reference,
        },
    )
    command = StartOperation(payment=payment.reference, operation=operation.reference)
    send_to_checkout(command, payment.reference)
    return view_of(operation, payment)


def _actor(wanted: _Request) -> Actor:
    if wanted.by == BY_CLOCK:
        return Actor.CLOCK
    return Actor.STAFF if wanted.merchant is None else Actor.MERCHANT


def _require_compared(payment: Payment) -> None:
    """Raise ``IllegalTransition`` if the payment was restored from a backup and may lack operations since."""
    if PostponedComparison.objects.filter(payment=payment, is_lock=True).exists():
        raise IllegalTransition(
            "The database was restored, and the payment has not been compared with the provider's books "
            "since. Try again when it has been."
        )


def _require_as_expected(payment: Payment, sums: Sums, expected: Money | None) -> None:
    left = _money(payment, sums.left_to_refund)
    if expected is not None and expected != left:
        text = f"{left} is left to refund, not {expected}."
        raise RefundableDiffers(text, expected=expected, available=left)


def _checked_amount(payment: Payment, sums: Sums, kind: str, amount: Money | None) -> Money:
    if kind == Kind.VOID:
        if not sums.can_be_voided:
            if sums.has_void:
                raise IllegalTransition("The payment has a void already, which was not refused.")
            raise IllegalTransition("Only an authorisation without captures can be voided.")
        return payment.amount
    left = _money(payment, _left(sums, kind))
    wanted = left if amount is None else amount
    if wanted.currency != payment.currency:
        raise OperationRejected(f"The payment is in {payment.currency}, not in {wanted.currency}.")
    if amount is not None and amount.minor <= 0:
        raise OperationRejected(f"The amount to {kind} must be greater than zero.")
    if left.minor <= 0 or left < wanted:
        words = (
            f"{left} is left to {kind}, which is less than {wanted}."
            if amount is not None
            else f"Nothing is left to {kind}."
        )
        if kind == Kind.REFUND and sums.dispute_claimed and wanted.minor <= sums.left_beside_claims:
            words = f"{words} A dispute claims {_money(payment, sums.dispute_claimed)}."
            raise PaymentDisputed(words, requested=wanted, available=left)
        raise AmountNotAvailable(words, requested=wanted, available=left)
    return wanted


def _left(sums: Sums, kind: str) -> int:
    return sums.left_to_capture if kind == Kind.CAPTURE else sums.left_to_refund


def _repeated(known: Operation, payment: Payment, kind: str, amount: Money | None) -> OperationView:
    is_same = known.kind == kind and (amount is None or amount == known.amount)
    if not is_same:
        field = "amount" if known.kind == kind else ""
        raise KeyReused(f"This key was used for a {known.kind} of {known.amount}.", field=field)
    return view_of(known, payment)


def _payment(reference: str) -> Payment:
    payment = Payment.objects.filter(reference=reference).first()
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    return payment


def _authorised_attempt(payment: Payment) -> Attempt | None:
    authorised = payment.attempts.filter(state=AttemptState.AUTHORISED)
    return authorised.select_related("provider_account").order_by("-number").first()


def _money(payment: Payment, minor: int) -> Money:
    return Money(minor, payment.currency)


def view_of(operation: Operation, payment: Payment) -> OperationView:
    """Return the data of the payment's ``operation`` that may be shown."""
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
