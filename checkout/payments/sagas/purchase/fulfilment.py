"""The end of a purchase: capture, order and receipt if it is paid; void and release of stock if not."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from msgspec.structs import replace as with_changes

from checkout.messages import Done
from checkout.orders.messages import ORDER_CONFIRMED
from checkout.payments.card_brands import SCHEMES
from checkout.payments.sagas.definition import End, Start
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.sagas.pauses import retry_delay
from checkout.payments.sagas.purchase.data import At, PurchaseData, PurchaseDecision
from checkout.payments.sagas.signals import ChildResult, Heard, News, Signal
from checkout.payments.sagas.table import AfterSignal, Go
from checkout.receipts.messages import SendReceipt
from checkout.states import AttemptEvent, PaymentEvent
from messaging.envelope import Reply


def authorised(data: PurchaseData) -> PurchaseDecision:
    """Move the payment to authorised and confirm the order. Success is not reported before.

    If the result of the capture is known already, it is applied at the same moment.
    """
    return Go(
        step=At.CONFIRM_ORDER,
        data=with_changes(data, tries=0),
        transitions=("authorised",),
        recalculate=True,
        reply_to_waiters=True,
    )


def not_known_yet(step: At) -> Callable[[PurchaseData], PurchaseDecision]:
    """Report that the outcome is not known yet, so that the shopper's request need not wait any longer."""
    return lambda data: PurchaseDecision(
        step=step, data=data, transitions=("outcome_unknown",), reply_to_waiters=True
    )


# The capture and the void, which are sagas of their own


def the_capture(data: PurchaseData) -> Start:
    return _operation("capture", data.capture_operation, data, is_included=data.is_capture_included)


def the_void(data: PurchaseData) -> Start:
    """Return the void of an authorisation that cannot be captured, or that we refuse.

    A refused void is final, so the next void is another operation.
    """
    suffix = f"v{data.voids}" if data.voids else "void"
    return _operation("void", f"{data.capture_operation}-{suffix}", data)


def _operation(kind: str, reference: str, data: PurchaseData, *, is_included: bool = False) -> Start:
    operation = OperationData(
        payment=data.payment,
        attempt=data.attempt,
        operation=reference,
        minor=data.minor,
        currency=data.currency,
        merchant_code=data.merchant_code,
        is_included=is_included,
    )
    return Start(kind=kind, key=reference, data=operation)


def capture_parked(data: PurchaseData) -> PurchaseDecision:
    return _parked(At.CAPTURE, data, "The capture has stopped.")


def void_accepted(data: PurchaseData) -> PurchaseDecision:
    return PurchaseDecision(step=At.VOID, data=data, transitions=("void_requested",), reply_to_waiters=True)


def voided(data: PurchaseData) -> PurchaseDecision:
    """Release the stock. An attempt that we have refused is reported as refused only now, as nothing is held.

    The same applies to an attempt whose payment was cancelled meanwhile.
    """
    if data.is_called_off:
        return release(data, transitions=("cancelled",), attempt_transitions=("released",))
    if not data.refusal_reason:
        return release(data, transitions=("voided",))
    return replace(refuse(data, data.refusal_reason), attempt_transitions=("released",))


def void_refused(data: PurchaseData) -> PurchaseDecision:
    return void_parked(with_changes(data, voids=data.voids + 1))


def void_parked(data: PurchaseData) -> PurchaseDecision:
    why = "The authentication failed" if data.refusal_reason else "The capture was refused"
    if data.is_called_off:
        why = "The payment was cancelled"
    return _parked(At.VOID, data, f"{why}, and the authorisation could not be released.")


def _parked(step: At, data: PurchaseData, why: str) -> PurchaseDecision:
    return PurchaseDecision(
        step=step, data=data, transitions=("outcome_unknown",), reply_to_waiters=True, end=End.PARKED, why=why
    )


# The next step of an order that is confirmed, or may be, if its money turns out to be released.
NOT_HELD_ANY_MORE: Mapping[Heard, AfterSignal[PurchaseData]] = {
    ChildResult("void", News.DONE): At.CANCEL_ORDER,
    Signal.REVIEW_RELEASED: At.CANCEL_ORDER,
    Signal.LAPSED: At.CANCEL_ORDER,
}


# The order and the receipt


def order_confirmed(data: PurchaseData, answer: Done) -> PurchaseDecision:
    """Finish, and have a receipt sent, unless the order is not paid or the shopper gave no e-mail address."""
    is_owed = data.email and not data.is_capture_refused
    return replace(finished(data), side_commands=(receipt(data),) if is_owed else ())


def receipt(data: PurchaseData) -> SendReceipt:
    """Return the command to send the receipt. If staff found only a part taken, it names that amount."""
    told = {name: getattr(data, name) for name in SendReceipt.__struct_fields__}
    brand = SCHEMES.get(data.card_brand, "")
    return SendReceipt(**{**told, "minor": data.taken_minor or data.minor, "card_brand": brand})


def order_not_confirmed(data: PurchaseData, reply: Reply) -> PurchaseDecision:
    """Park the saga: a capture is never undone because a later step has failed."""
    reason = reply.error.message if reply.error else ""
    why = f"The order could not be confirmed: {reason}"
    return PurchaseDecision(step=At.CONFIRM_ORDER, data=data, end=End.PARKED, why=why)


def finished(data: PurchaseData) -> PurchaseDecision:
    return Go(step=At.UNPAID if data.is_capture_refused else At.FINISHED, data=data)


def capture_lost(step: str) -> Callable[[PurchaseData], PurchaseDecision | None]:
    """Note that a capture was refused after it had been accepted. The step under way is finished first.

    If staff found the money taken, the refusal changes nothing.
    """
    return lambda data: None if data.is_taken else PurchaseDecision(step=step, data=_without_capture(data))


def found_taken_at(step: str) -> Callable[[PurchaseData], PurchaseDecision]:
    """Note that staff found the money of a confirmed order taken. The step under way is finished first.

    If the money was taken by a capture that is not ours, a refusal of ours no longer counts.
    """
    return lambda data: PurchaseDecision(step=step, data=_paid(data))


def found_taken_at_the_end(data: PurchaseData) -> PurchaseDecision:
    return finished(_paid(data))


def found_untaken_at(step: str) -> Callable[[PurchaseData], PurchaseDecision | None]:
    """Note that staff first found the money taken, and now say that nothing was taken."""
    return lambda data: PurchaseDecision(step=step, data=_unpaid(data)) if data.is_taken else None


def found_untaken_at_the_end(data: PurchaseData) -> PurchaseDecision | None:
    return finished(_unpaid(data)) if data.is_taken else None


def capture_lost_at_the_end(data: PurchaseData) -> PurchaseDecision | None:
    return None if data.is_taken else finished(_without_capture(data))


def _without_capture(data: PurchaseData) -> PurchaseData:
    return with_changes(data, is_capture_refused=True)


def _paid(data: PurchaseData) -> PurchaseData:
    return with_changes(data, is_taken=True, is_capture_refused=False)


def _unpaid(data: PurchaseData) -> PurchaseData:
    """Return the data of an order whose money is not taken. It is unpaid if we capture automatically."""
    return with_changes(data, is_taken=False, taken_minor=0, is_capture_refused=data.captures)


# The undoing


def refuse(data: PurchaseData, reason: str) -> PurchaseDecision:
    """Release the stock. The payment is refused; if it was called off meanwhile, it is cancelled instead."""
    if data.is_called_off:
        return release(data, transitions=("cancelled",))
    return release(data, transitions=("refused",), refusal_reason=reason)


def release(
    data: PurchaseData,
    *,
    transitions: tuple[PaymentEvent, ...],
    attempt_transitions: tuple[AttemptEvent, ...] = (),
    refusal_reason: str = "",
) -> PurchaseDecision:
    return Go(
        step=At.RELEASE_STOCK,
        data=with_changes(data, tries=0, refusal_reason="", is_called_off=False),
        transitions=transitions,
        attempt_transitions=attempt_transitions,
        refusal_reason=refusal_reason,
        reply_to_waiters=True,
    )


def until_done(step: str) -> Callable[[PurchaseData, Reply], PurchaseDecision]:
    """Have a service undo something. It is asked again until it has done so."""
    return lambda data, reply: Go(
        step=step, data=with_changes(data, tries=data.tries + 1), delay_seconds=retry_delay(data.tries)
    )


def until_released(
    follows: Callable[[PurchaseData, Done], PurchaseDecision],
) -> Callable[[PurchaseData, Reply], PurchaseDecision]:
    """Have the stock released. If another attempt has confirmed the order, nothing is left to give back.

    In that case, the other attempt turned out to hold money before this release arrived, and the stock is
    sold for it.
    """
    again = until_done(At.RELEASE_STOCK)

    def failed(data: PurchaseData, reply: Reply) -> PurchaseDecision:
        is_sold = reply.error is not None and reply.error.code == ORDER_CONFIRMED
        return follows(data, Done()) if is_sold else again(data, reply)

    return failed


# The end of a conflict. A purchase that was still inquiring must not receive "approved" afterwards: it would
# capture what staff have captured already.


def taken_up_again(data: PurchaseData) -> PurchaseDecision:
    again = with_changes(data, tries=0, refusal_reason="", is_called_off=False)
    return Go(step=At.CONFIRM_ORDER, data=again, reply_to_waiters=True)


def found_held(data: PurchaseData) -> PurchaseDecision:
    """Confirm the order: the money is held. The purchase does not capture it; an included capture does."""
    return taken_up_again(with_changes(data, is_only_held=not data.is_capture_included))


def found_taken(data: PurchaseData) -> PurchaseDecision:
    """Confirm the order: the money is taken, whatever became of the capture that the purchase requested."""
    return taken_up_again(with_changes(data, is_taken=True))


def money_returned(data: PurchaseData) -> PurchaseDecision:
    """Park a purchase whose money came back after its order had been given up.

    Staff decide, because the goods may have been sold to others, and the merchant may have come to terms with
    the shopper.
    """
    why = "Money came back after the order had been given up. Refund it, or try again to confirm the order."
    if data.is_order_cancelled:
        why = "Money came back after the order had been called off. Refund it. Trying again only closes this."
    return Go(step=At.MONEY_RETURNED, data=data, why=why)


def confirmed_after_all(data: PurchaseData) -> PurchaseDecision:
    """Have the order confirmed, as staff want. An order that was cancelled is never confirmed."""
    return given_up_for_good(data) if data.is_order_cancelled else found_taken(data)


def given_up_for_good(data: PurchaseData) -> PurchaseDecision:
    """End the purchase at the step where its undoing ended: staff have refunded the money that came back."""
    step = At.CANCEL_ORDER if data.is_order_cancelled else At.RELEASE_STOCK
    return PurchaseDecision(step=step, data=data, end=End.COMPENSATED)


def found_released(data: PurchaseData) -> PurchaseDecision:
    return release(data, transitions=())


# The purchase's own attempt has no money left. This is for purchases that never confirmed their order. If a
# purchase has confirmed it, another attempt pays for the order: whatever becomes of its own capture, the
# order is not unpaid.
NOTHING_LEFT: Mapping[Heard, AfterSignal[PurchaseData]] = {
    Signal.REVIEW_RELEASED: found_released,
    Signal.REVIEW_GIVEN_BACK: found_released,
    Signal.HELD_ELSEWHERE: found_released,
}
