"""The purchase: risk, stock, authorisation, perhaps a challenge, capture, order, receipt.

What is undone when it fails is the stock reservation; an authorisation whose capture is refused is voided
first. While the outcome at the provider is unknown nothing is repeated and nothing is undone; the provider is
asked instead. A challenge that nobody completes is cancelled at the provider before it expires here.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from msgspec.structs import replace as with_changes

from checkout import commands
from checkout.conf import conf
from checkout.messaging.envelope import Reply
from checkout.sagas.definition import Ask, Decision, End, Start
from checkout.sagas.operation import OperationData
from checkout.sagas.pauses import OVERDUE, inquiry_delay, retry_delay

# Longer than the return token lives, so that a last-second return is never overtaken.
CHALLENGE_MARGIN = timedelta(seconds=30)

# Notifications that may say how an open attempt has ended.
HINTS = ("authorised", "refused", "captured", "cancelled", "expired")


class PurchaseData(commands.Body, frozen=True, forbid_unknown_fields=False):
    """What the purchase knows. ``inquiries``, ``tries`` and ``voids`` count what was asked in vain."""

    payment: str
    attempt: str
    minor: int
    currency: str
    email: str
    ip_address: str
    lines: list[commands.OrderLine]
    captures: bool
    capture_operation: str
    inquiries: int = 0
    tries: int = 0
    voids: int = 0
    is_expiring: bool = False


D = Decision[PurchaseData]


class Purchase:
    """The definition of the purchase saga."""

    kind = "purchase"
    data_type = PurchaseData

    @property
    def steps(self) -> frozenset[str]:
        """Every step that a purchase may stand at."""
        waiting = {"await_challenge", "capture", "void", "conflicted", "finished", "unpaid"}
        return frozenset({*_REPLIES, *waiting})

    def start(self, data: PurchaseData) -> D:
        """Ask the risk service first: it is the cheapest way to say no."""
        body = commands.AssessRisk(
            payment=data.payment,
            minor=data.minor,
            currency=data.currency,
            email=data.email,
            ip_address=data.ip_address,
        )
        ask = Ask(service="risk", type="risk.assess", body=body)
        return D(step="assess_risk", data=data, ask=ask, wait=conf.service_wait)

    def on_reply(self, step: str, data: PurchaseData, reply: Reply) -> D:
        """Go on from ``step``; an error reply where money may be involved counts as unknown."""
        return _REPLIES[step](data, reply)

    def on_signal(self, step: str, data: PurchaseData, signal: str) -> D | None:
        """React to the shopper's return, to notifications, and to the sagas of capture and void."""
        if signal == "challenge_returned":
            is_awaited = step == "await_challenge" or (data.is_expiring and step in ("inquire", "abandon"))
            return _complete_challenge(data) if is_awaited else None
        # Only while the outcome is unknown: otherwise the provider's own reply is on its way. A notification
        # is a reason to ask at once, not an answer: anybody could have sent it. So it uses up no patience.
        if step == "inquire" and signal in HINTS:
            return _ask_provider(data, delay_seconds=0)
        if step == "capture":
            return _capture_told(data, signal)
        if step == "void":
            return _void_told(data, signal)
        if step == "finished" and signal == "capture_refused":
            why = "The capture was refused after the order had been confirmed: it is not paid."
            return D(step="unpaid", data=data, end=End.PARKED, why=why)
        return None

    def on_deadline(self, step: str, data: PurchaseData) -> D:
        """Give up where no money is involved, else ask the provider; ask our own services again."""
        if step in ("assess_risk", "reserve_stock"):
            return replace(_refuse(data, "provider_error"), attempt_events=("not_sent",))
        if step == "await_challenge":
            return _ask_provider(with_changes(data, is_expiring=True), delay_seconds=0)
        if step in _AGAIN:
            return _AGAIN[step](with_changes(data, tries=data.tries + 1))
        return _confirm(data)

    def on_resume(self, step: str, data: PurchaseData) -> D:
        """Carry the step out again, with all its patience; what only staff can settle is settled by now."""
        if step == "unpaid":
            return D(step="finished", data=data, end=End.COMPLETED)
        return self.on_deadline(step, with_changes(data, inquiries=0, tries=0))


def _risk_assessed(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok or reply.result.get("decision") != "accept":
        return D(
            step="assess_risk",
            data=data,
            events=("refused",),
            attempt_events=("not_sent",),
            refusal_reason="not_permitted" if reply.ok else "provider_error",
            tells=True,
            end=End.COMPENSATED,
        )
    body = commands.ReserveStock(payment=data.payment, lines=data.lines, attempt=data.attempt)
    ask = Ask(service="orders", type="orders.reserve", body=body)
    return D(step="reserve_stock", data=data, ask=ask, wait=conf.service_wait)


def _stock_reserved(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok or not reply.result.get("reserved"):
        decision = _refuse(data, "out_of_stock" if reply.ok else "provider_error")
        return replace(decision, attempt_events=("not_sent",))
    body = commands.AuthorisePayment(payment=data.payment, attempt=data.attempt)
    ask = Ask(service="payments", type="payments.authorise", body=body)
    return D(step="authorise", data=data, ask=ask, wait=conf.provider_wait)


def _provider_answered(data: PurchaseData, reply: Reply) -> D:
    """The answer to an authorisation, to the second message of a challenge, or to an inquiry."""
    outcome = reply.result.get("outcome") if reply.ok else "unknown"
    if outcome == "approved":
        return _authorised(data)
    if outcome == "challenge_required":
        return D(
            step="await_challenge",
            data=data,
            events=("challenge_required",),
            tells=True,
            wait=conf.challenge_lifetime + CHALLENGE_MARGIN,
        )
    if outcome in ("refused", "not_sent"):
        return _refuse(data, reply.result.get("refusal_reason") or "provider_error")
    if outcome == "conflicted":
        why = "The provider's answer contradicts what we know."
        return D(step="conflicted", data=data, events=("conflicted",), tells=True, end=End.PARKED, why=why)
    return _confirm(data)


def _inquiry_answered(data: PurchaseData, reply: Reply) -> D:
    outcome = reply.result.get("outcome") if reply.ok else "unknown"
    if not data.is_expiring or outcome in ("approved", "conflicted"):
        return _provider_answered(data, reply)
    return _expired(data) if outcome == "refused" else _abandon(data)


def _complete_challenge(data: PurchaseData) -> D:
    body = commands.CompleteAuthentication(payment=data.payment, attempt=data.attempt)
    ask = Ask(service="payments", type="payments.complete_challenge", body=body)
    back = with_changes(data, is_expiring=False)
    return D(step="complete_challenge", data=back, ask=ask, wait=conf.provider_wait)


def _confirm(data: PurchaseData) -> D:
    """Nobody knows what happened: ask the provider, later and later; a human looks when it never answers."""
    delay_seconds = inquiry_delay(data.inquiries)
    if delay_seconds is None:
        why = "The provider did not say what became of the payment."
        return D(step="inquire", data=data, events=("outcome_unknown",), tells=True, end=End.PARKED, why=why)
    return _ask_provider(with_changes(data, inquiries=data.inquiries + 1), delay_seconds=delay_seconds)


def _ask_provider(data: PurchaseData, *, delay_seconds: float) -> D:
    body = commands.InquirePayment(payment=data.payment, attempt=data.attempt)
    ask = Ask(service="payments", type="payments.inquire", body=body, delay_seconds=delay_seconds)
    return D(
        step="inquire",
        data=data,
        ask=ask,
        events=("outcome_unknown",),
        # Of a challenge that is late it is known that it was not completed, or is only being completed now.
        attempt_events=() if data.is_expiring else ("outcome_unknown",),
        tells=True,
        wait=conf.provider_wait,
    )


def _abandon(data: PurchaseData) -> D:
    """Nobody completed the challenge. The provider must not hold, or come to hold, money for it."""
    body = commands.AbandonPayment(payment=data.payment, attempt=data.attempt)
    ask = Ask(service="payments", type="payments.abandon", body=body)
    return D(step="abandon", data=data, ask=ask, wait=conf.provider_wait)


def _abandoned(data: PurchaseData, reply: Reply) -> D:
    outcome = reply.result.get("outcome") if reply.ok else "unknown"
    if outcome in ("refused", "not_sent"):
        return _expired(data)
    return _provider_answered(data, reply) if outcome in ("approved", "conflicted") else _confirm(data)


def _expired(data: PurchaseData) -> D:
    return _release(data, events=("expired",), attempt_events=("expired",))


def _authorised(data: PurchaseData) -> D:
    authorised = with_changes(data, inquiries=0, tries=0, is_expiring=False)
    if not data.captures:
        return replace(_confirm_order(authorised), events=("authorised",), tells=True)
    return replace(_capture(authorised), events=("authorised",))


def _capture(data: PurchaseData) -> D:
    """The capture is a saga of its own, and signals how it goes."""
    return D(step="capture", data=data, starts=_operation("capture", data.capture_operation, data))


def _capture_told(data: PurchaseData, signal: str) -> D | None:
    if signal in ("capture_accepted", "capture_done"):
        return replace(_confirm_order(data), tells=True)
    if signal == "capture_delayed":
        return D(step="capture", data=data, tells=True)
    if signal == "capture_refused":
        return _void(data)
    if signal == "capture_parked":
        return D(step="capture", data=data, tells=True, end=End.PARKED, why="The capture is parked.")
    return None


def _void(data: PurchaseData) -> D:
    """What was authorised and cannot be captured is given back before the stock is.

    A void that was refused has ended: the next one is another operation.
    """
    suffix = f"v{data.voids}" if data.voids else "void"
    return D(step="void", data=data, starts=_operation("void", f"{data.capture_operation}-{suffix}", data))


def _void_told(data: PurchaseData, signal: str) -> D | None:
    if signal == "void_done":
        return _release(data, events=())
    if signal in ("void_refused", "void_parked"):
        why = "The capture was refused, and the authorisation could not be released."
        refused = with_changes(data, voids=data.voids + (signal == "void_refused"))
        return D(step="void", data=refused, tells=True, end=End.PARKED, why=why)
    return None


def _operation(kind: str, reference: str, data: PurchaseData) -> Start:
    operation = OperationData(
        payment=data.payment,
        attempt=data.attempt,
        operation=reference,
        minor=data.minor,
        currency=data.currency,
    )
    return Start(kind=kind, key=reference, data=operation)


def _confirm_order(data: PurchaseData) -> D:
    ask = Ask(service="orders", type="orders.confirm", body=commands.ConfirmOrder(payment=data.payment))
    return D(step="confirm_order", data=data, ask=ask, wait=conf.service_wait)


def _order_confirmed(data: PurchaseData, reply: Reply) -> D:
    if reply.error is not None:
        # Captured money is never undone because of what comes after it.
        why = f"The order could not be confirmed: {reply.error.message}"
        return D(step="confirm_order", data=data, end=End.PARKED, why=why)
    if not data.email:
        return D(step="finished", data=data, end=End.COMPLETED)
    return _send_receipt(with_changes(data, tries=0))


def _send_receipt(data: PurchaseData) -> D:
    body = commands.SendReceipt(payment=data.payment)
    ask = Ask(service="notifications", type="notifications.send_receipt", body=body)
    return D(step="send_receipt", data=data, ask=ask, wait=conf.service_wait)


def _receipt_sent(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok:
        return D(step="send_receipt", data=data, end=End.PARKED, why="The receipt was rejected.")
    return D(step="finished", data=data, end=End.COMPLETED)


def _refuse(data: PurchaseData, reason: str) -> D:
    return replace(_release(data, events=("refused",)), refusal_reason=reason)


def _release(data: PurchaseData, *, events: tuple[str, ...], attempt_events: tuple[str, ...] = ()) -> D:
    decision = _release_stock(with_changes(data, tries=0))
    return replace(decision, events=events, attempt_events=attempt_events, tells=True)


def _release_stock(data: PurchaseData, *, delay_seconds: float = 0) -> D:
    body = commands.ReleaseStock(payment=data.payment, attempt=data.attempt)
    ask = Ask(service="orders", type="orders.release", body=body, delay_seconds=delay_seconds)
    is_overdue = data.tries >= OVERDUE
    return D(step="release_stock", data=data, ask=ask, wait=conf.service_wait, is_overdue=is_overdue)


def _stock_released(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok:
        again = with_changes(data, tries=data.tries + 1)
        return _release_stock(again, delay_seconds=retry_delay(data.tries))
    return D(step="release_stock", data=data, end=End.COMPENSATED)


_REPLIES: dict[str, Callable[[PurchaseData, Reply], D]] = {
    "assess_risk": _risk_assessed,
    "reserve_stock": _stock_reserved,
    "authorise": _provider_answered,
    "complete_challenge": _provider_answered,
    "inquire": _inquiry_answered,
    "abandon": _abandoned,
    "confirm_order": _order_confirmed,
    "send_receipt": _receipt_sent,
    "release_stock": _stock_released,
}

# What may be asked again at any time: whoever is asked knows what was done before.
_AGAIN: dict[str, Callable[[PurchaseData], D]] = {
    "capture": _capture,
    "void": _void,
    "confirm_order": _confirm_order,
    "send_receipt": _send_receipt,
    "release_stock": _release_stock,
}
