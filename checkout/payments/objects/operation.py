"""The public object of a capture, a void, a refund, a dispute or its reversal."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from checkout.described import ATTEMPT, OPERATION, TIME, Amount, Currency, OwnData, PaymentId, told
from checkout.payments.models.payment import Operation, Payment
from checkout.payments.objects.attempt import latest_attempt


class OperationKind(StrEnum):
    """The kinds of operations. Disputes and their reversals come from issuers. All others are requested."""

    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"


class OperationState(StrEnum):
    """The states of an operation.

    The provider has accepted a ``pending`` operation. While the state is ``unknown``, the provider is being
    asked.
    """

    REQUESTED = "requested"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    UNKNOWN = "unknown"


KINDS: Mapping[str, OperationKind] = {
    Operation.Kind.CAPTURE: OperationKind.CAPTURE,
    Operation.Kind.VOID: OperationKind.VOID,
    Operation.Kind.REFUND: OperationKind.REFUND,
    Operation.Kind.CHARGE_BACK: OperationKind.DISPUTE,
    Operation.Kind.CHARGE_BACK_REVERSAL: OperationKind.DISPUTE_REVERSAL,
}
STATES: Mapping[str, OperationState] = {
    Operation.State.REQUESTED: OperationState.REQUESTED,
    Operation.State.PENDING: OperationState.PENDING,
    Operation.State.DONE: OperationState.SUCCEEDED,
    Operation.State.REFUSED: OperationState.REFUSED,
    Operation.State.UNKNOWN: OperationState.UNKNOWN,
}


_ENDED = (Operation.State.DONE, Operation.State.REFUSED)


class OperationObject(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of a payment's money: a capture, a void, a refund, or a dispute or its reversal."""

    id: Annotated[str, told("The id of the operation.", OPERATION)]
    object: Annotated[OperationKind, told("The kind of operation.", "refund")]
    payment: PaymentId
    amount: Amount
    currency: Currency
    state: Annotated[OperationState, told("The state of the operation.", "succeeded")]
    refusal_reason: Annotated[
        str, told("The reason for a refusal, in the provider's words; otherwise blank.", "")
    ]
    reason: Annotated[str, told("The requester's reason; blank if none was given.", "one tin was broken")]
    metadata: OwnData
    requested_by: Annotated[
        str, told("The requester: a user, an API key or a timer.", "API key sk_test_TryO")
    ]
    final_capture: Annotated[bool, told("True if nothing more is to be captured after this capture.", False)]
    created_at: Annotated[datetime, told("The time at which the operation was made.", TIME)]
    updated_at: Annotated[datetime, told("The time of the last change.", TIME)]
    attempt: Annotated[
        str, told("The id of the attempt that holds the money, which is the provider's order code.", ATTEMPT)
    ]
    outcome_at: Annotated[
        datetime | None, told("The time at which the outcome became known; null until then.", TIME)
    ]


def operation_object(
    operation: Operation, payment: Payment | None = None, *, order_code: str = ""
) -> OperationObject:
    """Return the object of an operation.

    ``payment`` and ``order_code`` (that of its attempt) can be passed if they have been read.
    """
    return OperationObject(
        id=operation.reference,
        object=KINDS[operation.kind],
        payment=(payment or operation.payment).reference,
        amount=operation.amount_minor,
        currency=operation.currency,
        state=STATES[operation.state],
        refusal_reason=operation.refusal_reason,
        reason=operation.reason,
        metadata=operation.metadata,
        requested_by=operation.requested_by,
        final_capture=operation.is_final,
        created_at=operation.created_at,
        updated_at=operation.updated_at,
        attempt=order_code or _order_code(operation, payment),
        outcome_at=operation.updated_at if operation.state in _ENDED else None,
    )


def _order_code(operation: Operation, payment: Payment | None) -> str:
    """Return the order code of the operation's attempt, which is usually the payment's latest."""
    if payment is not None and "attempt" not in operation._state.fields_cache:
        latest = latest_attempt(payment)
        if latest is not None and latest.pk == operation.attempt_id:
            return latest.order_code
    return operation.attempt.order_code
