"""The types of events. ``docs/life-cycle.md`` has the complete list."""

from collections.abc import Mapping
from typing import Any

from checkout.payments.objects.operation import OperationKind, OperationObject, OperationState
from checkout.payments.objects.payment import PaymentObject
from checkout.states import PaymentEvent, PaymentState

# The prefix of the types of events about the payment itself.
OF_PAYMENT = "payment."
EVENT_TYPES: Mapping[str, str] = {
    "payment.created": "The payment was created, and a shopper may pay it.",
    "payment.processing": "An attempt is under way, also when the shopper is back from a challenge, or the "
    "payment is cancelled during one.",
    "payment.action_required": "The shopper has to complete a challenge at the card's issuer.",
    "payment.unknown": "It is not certain if money is held. The provider is asked, then staff decide.",
    "payment.authorised": "The amount is held on the card.",
    "payment.capture_pending": "A capture is under way: the provider has accepted it, or perhaps, if it was "
    "requested after the purchase. Shoppers are told that they have paid.",
    "payment.capture_refused": "The capture was refused after it had been accepted: the amount is only held.",
    "payment.partially_captured": "A part of the amount was taken, or another part.",
    "payment.captured": "The amount was taken.",
    "payment.declined": "An attempt ended without money. Another one may follow if `can_retry` says so.",
    "payment.void_pending": "The provider has accepted to release the amount.",
    "payment.void_refused": "The provider did not release the amount: it is still held.",
    "payment.voided": "The amount was released, and nothing is held any more.",
    "payment.partially_refunded": "A part of the money was given back, or another part.",
    "payment.refunded": "All money was given back.",
    "payment.refund_returned": "A refund that had been made came back: its money is taken as before.",
    "payment.disputed": "An issuer has taken money back, or has returned a part of it.",
    "payment.dispute_reversed": "The issuer has returned all disputed money.",
    "payment.cancelled": "The payment was closed without having been paid.",
    "payment.expired": "The payment was not paid in time, or its authorisation has lapsed.",
    "capture.requested": "A capture was requested, or is sent again.",
    "capture.pending": "The provider has accepted the capture.",
    "capture.succeeded": "The capture was made.",
    "capture.refused": "The capture was not made.",
    "capture.unknown": "It is not known if the capture was made. The provider is asked.",
    "void.requested": "A void was requested, or is sent again.",
    "void.pending": "The provider has accepted the void.",
    "void.succeeded": "The void was made.",
    "void.refused": "The void was not made.",
    "void.unknown": "It is not known if the void was made. The provider is asked.",
    "refund.requested": "A refund was requested, or is sent again.",
    "refund.pending": "The provider has accepted the refund.",
    "refund.succeeded": "The refund was made.",
    "refund.refused": "The refund was not made, or has come back although it had succeeded.",
    "refund.unknown": "It is not known if the refund was made. The provider is asked.",
    "dispute.opened": "An issuer has taken money back (a charge-back).",
    "dispute.reversed": "An issuer has returned disputed money.",
}

# The type of event for each move of a payment.
_OF_MOVES: Mapping[PaymentEvent, str] = {
    "submitted": "payment.processing",
    "challenge_required": "payment.action_required",
    "challenge_returned": "payment.processing",
    "called_off": "payment.processing",
    "outcome_unknown": "payment.unknown",
    "refusal_doubted": "payment.unknown",
    "authorised": "payment.authorised",
    "refused": "payment.declined",
    "expired": "payment.expired",
    "cancelled": "payment.cancelled",
    "capture_requested": "payment.capture_pending",
    "capture_refused": "payment.capture_refused",
    "captured_in_part": "payment.partially_captured",
    "captured": "payment.captured",
    "void_requested": "payment.void_pending",
    "void_refused": "payment.void_refused",
    "voided": "payment.voided",
    "refunded_in_part": "payment.partially_refunded",
    "refunded": "payment.refunded",
    "charged_back": "payment.disputed",
    "charge_back_reversed": "payment.dispute_reversed",
    "charge_back_reversed_captured_in_part": "payment.dispute_reversed",
    "charge_back_reversed_refunded_in_part": "payment.dispute_reversed",
    "charge_back_reversed_refunded": "payment.dispute_reversed",
    "authorisation_expired": "payment.expired",
    "conflict_resolved": "payment.authorised",
    "conflict_released": "payment.voided",
    "settled_as_held": "payment.authorised",
    "settled_as_released": "payment.voided",
    "conflicted": "payment.unknown",
}
_GIVEN_BACK = (PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUNDED)
# After a state in which money was refunded, these moves mean that less is refunded than before.
_TAKEN_AGAIN = ("captured_in_part", "captured")

_BY_ISSUER = {OperationKind.DISPUTE: "dispute.opened", OperationKind.DISPUTE_REVERSAL: "dispute.reversed"}


def type_of_move(event: str, earlier: str, *, is_by_capture: bool = False, is_by_return: bool = False) -> str:
    """Return the type for a payment's move by ``event`` from the ``earlier`` state.

    A merchant who ships at ``payment.captured`` must not ship again because a refund has failed. If
    everything that was captured has been refunded, a further capture is not a returned refund.
    """
    if earlier in _GIVEN_BACK and event in _TAKEN_AGAIN:
        return "payment.refund_returned"
    if earlier == PaymentState.REFUNDED and event == "refunded_in_part" and not is_by_capture:
        return "payment.refund_returned"
    if earlier == PaymentState.PARTIALLY_REFUNDED and event == "refunded_in_part" and is_by_return:
        return "payment.refund_returned"
    return _OF_MOVES[event]  # type: ignore[index]  # mypy knows the events of the table only


def type_of_operation(kind: OperationKind, state: OperationState) -> str:
    """Return the type for an operation that has reached a state."""
    return _BY_ISSUER.get(kind) or f"{kind}.{state}"


def object_of(type: str) -> Any:
    """Return the class of the object in events of this type."""
    return PaymentObject if type.startswith(OF_PAYMENT) else OperationObject
