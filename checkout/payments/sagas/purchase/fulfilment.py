"""The end of a purchase: capture, order, receipt when it is paid; void and release of stock when not."""

from collections.abc import Callable
from dataclasses import replace

from msgspec.structs import replace as with_changes

from checkout import messages
from checkout.conf import conf
from checkout.payments.sagas.definition import Ask, End, Start
from checkout.payments.sagas.operations.flow import OperationData
from checkout.payments.sagas.pauses import OVERDUE, retry_delay
from checkout.payments.sagas.purchase.data import D, PurchaseData
from messaging.envelope import Reply

# The steps at which the order has been confirmed, or may have been.
CONFIRMED = ("confirm_order", "send_receipt", "finished", "unpaid")

# The steps of a purchase that was parked or given up, and that may be taken up again.
PUT_ASIDE = ("conflicted", "inquire", "release_stock")


def told(step: str, data: PurchaseData, signal: str) -> D | None:
    """Return the decision after a signal of a capture, void or review; None if the signal is ignored."""
    if step == "capture" and signal.startswith("capture_"):
        return _capture_told(data, signal)
    if step == "void" and signal.startswith("void_"):
        return _void_told(data, signal)
    if signal == "capture_refused" and step in ("confirm_order", "send_receipt", "finished"):
        return None if data.is_taken else _capture_lost(step, data)
    if signal in ("void_done", "review_released") and step in CONFIRMED:
        return cancel_order(with_changes(data, tries=0))
    return _reviewed(step, data, signal)


def capture(data: PurchaseData) -> D:
    """Start the capture, which is a saga of its own. Success is not reported before the capture's signal."""
    return D(step="capture", data=data, child=_operation("capture", data.capture_operation, data))


def _capture_told(data: PurchaseData, signal: str) -> D | None:
    if signal in ("capture_accepted", "capture_done"):
        return authorised(data)
    if signal == "capture_delayed":
        return _unknown("capture", data)
    if signal == "capture_refused":
        return void(data)
    if signal == "capture_parked":
        return replace(_unknown("capture", data), end=End.PARKED, why="The capture is parked.")
    return None


def authorised(data: PurchaseData) -> D:
    """Move the payment to authorised and confirm the order.

    Any result of its capture that has already been received is applied at the same moment.
    """
    return replace(
        confirm_order(with_changes(data, tries=0)),
        transitions=("authorised",),
        recalculate=True,
        reply_to_waiters=True,
    )


def void(data: PurchaseData) -> D:
    """Void an authorisation that cannot be captured, before the stock is released.

    A refused void is final: the next void is another operation.
    """
    suffix = f"v{data.voids}" if data.voids else "void"
    return D(step="void", data=data, child=_operation("void", f"{data.capture_operation}-{suffix}", data))


def _void_told(data: PurchaseData, signal: str) -> D | None:
    if signal == "void_accepted":
        return D(step="void", data=data, transitions=("void_requested",), reply_to_waiters=True)
    if signal == "void_delayed":
        return _unknown("void", data)
    if signal == "void_done":
        return release(data, transitions=("voided",))
    if signal in ("void_refused", "void_parked"):
        why = "The capture was refused, and the authorisation could not be released."
        refused = with_changes(data, voids=data.voids + (signal == "void_refused"))
        return replace(_unknown("void", refused), end=End.PARKED, why=why)
    return None


def _reviewed(step: str, data: PurchaseData, signal: str) -> D | None:
    """Continue after staff have settled a conflict. They also decide if money that is held is captured.

    A purchase that was still inquiring must not receive "approved" afterwards: it would capture what staff
    have captured already.
    """
    # The money is taken, whatever became of the capture that the purchase asked for itself.
    is_taken = signal == "review_captured" and step in (*PUT_ASIDE, "capture", "void")
    if is_taken or (signal == "review_held" and step in PUT_ASIDE):
        known = with_changes(data, tries=0, is_taken=data.is_taken or is_taken)
        return replace(confirm_order(known), reply_to_waiters=True)
    if signal == "review_released" and step in ("conflicted", "inquire", "capture", "void"):
        return release(data, transitions=())
    return None


def _unknown(step: str, data: PurchaseData) -> D:
    """Report that the outcome is not known yet, so that the shopper's request need not wait any longer."""
    return D(step=step, data=data, transitions=("outcome_unknown",), reply_to_waiters=True)


def _operation(kind: str, reference: str, data: PurchaseData) -> Start:
    operation = OperationData(
        payment=data.payment,
        attempt=data.attempt,
        operation=reference,
        minor=data.minor,
        currency=data.currency,
    )
    return Start(kind=kind, key=reference, data=operation)


def confirm_order(data: PurchaseData) -> D:
    ask = Ask(service="orders", type="orders.confirm", body=messages.ConfirmOrder(payment=data.payment))
    return D(step="confirm_order", data=data, ask=ask, timeout=conf.service_wait)


def order_confirmed(data: PurchaseData, reply: Reply) -> D:
    if reply.error is not None:
        # A capture is never undone because a later step has failed.
        why = f"The order could not be confirmed: {reply.error.message}"
        return D(step="confirm_order", data=data, end=End.PARKED, why=why)
    if not data.email or data.is_capture_refused:
        return _finished(data)
    return send_receipt(with_changes(data, tries=0))


def send_receipt(data: PurchaseData) -> D:
    body = messages.SendReceipt(
        payment=data.payment,
        email=data.email,
        merchant=data.merchant,
        order_reference=data.order_reference,
        description=data.description,
        minor=data.minor,
        currency=data.currency,
    )
    ask = Ask(service="notifications", type="notifications.send_receipt", body=body)
    return D(step="send_receipt", data=data, ask=ask, timeout=conf.service_wait)


def receipt_sent(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok:
        return D(step="send_receipt", data=data, end=End.PARKED, why="The receipt was rejected.")
    return _finished(data)


def _capture_lost(step: str, data: PurchaseData) -> D:
    """Note that a capture was refused after it had been accepted. The step under way is finished first."""
    refused = with_changes(data, is_capture_refused=True)
    return _finished(refused) if step == "finished" else D(step=step, data=refused)


def _finished(data: PurchaseData) -> D:
    if data.is_capture_refused:
        why = "The capture was refused after the order had been confirmed: it is not paid."
        return D(step="unpaid", data=data, end=End.PARKED, why=why)
    return D(step="finished", data=data, end=End.COMPLETED)


def refuse(data: PurchaseData, reason: str) -> D:
    return replace(release(data, transitions=("refused",)), refusal_reason=reason)


def release(
    data: PurchaseData, *, transitions: tuple[str, ...], attempt_transitions: tuple[str, ...] = ()
) -> D:
    decision = release_stock(with_changes(data, tries=0))
    return replace(
        decision, transitions=transitions, attempt_transitions=attempt_transitions, reply_to_waiters=True
    )


def release_stock(data: PurchaseData, *, delay_seconds: float = 0) -> D:
    body = messages.ReleaseStock(payment=data.payment, attempt=data.attempt)
    return _undo("release_stock", "orders.release", body, data, delay_seconds)


def stock_released(data: PurchaseData, reply: Reply) -> D:
    return _undone("release_stock", release_stock, data, reply)


def cancel_order(data: PurchaseData, *, delay_seconds: float = 0) -> D:
    """Cancel the order, which may have been confirmed, after its authorisation was voided."""
    body = messages.CancelOrder(payment=data.payment)
    return _undo("cancel_order", "orders.cancel", body, data, delay_seconds)


def order_cancelled(data: PurchaseData, reply: Reply) -> D:
    return _undone("cancel_order", cancel_order, data, reply)


def _undo(step: str, type: str, body: messages.Body, data: PurchaseData, delay_seconds: float) -> D:
    """Have the orders service undo something. It is asked until it has done so."""
    ask = Ask(service="orders", type=type, body=body, delay_seconds=delay_seconds)
    is_overdue = data.tries >= OVERDUE
    return D(step=step, data=data, ask=ask, timeout=conf.service_wait, is_overdue=is_overdue)


def _undone(step: str, undo: Callable[..., D], data: PurchaseData, reply: Reply) -> D:
    if not reply.ok:
        again = with_changes(data, tries=data.tries + 1)
        return undo(again, delay_seconds=retry_delay(data.tries))
    return D(step=step, data=data, end=End.COMPENSATED)
