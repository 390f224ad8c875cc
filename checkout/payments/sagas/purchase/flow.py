"""The purchase: risk, stock, authorisation, perhaps a challenge, capture, order, receipt.

If it fails, the stock reservation is undone; an authorisation whose capture is refused is voided before that.
If staff void the authorisation, the order is cancelled. While the outcome at the provider is unknown, nothing
is repeated or undone; the provider is asked instead. A challenge that nobody completes is cancelled at the
provider before it expires here.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.messages import Command
from checkout.orders.messages import CancelOrder, ConfirmOrder, ReleaseStock, ReserveStock
from checkout.payments.messages import (
    AbandonPayment,
    AuthorisePayment,
    CompleteAuthentication,
    InquirePayment,
)
from checkout.payments.providers.base import RefusalReason
from checkout.payments.sagas.definition import Ask, End
from checkout.payments.sagas.pauses import inquiry_delay
from checkout.payments.sagas.purchase.data import D, PurchaseData
from checkout.payments.sagas.purchase.fulfilment import (
    authorised,
    cancel_order,
    capture,
    confirm_order,
    order_cancelled,
    order_confirmed,
    receipt_sent,
    refuse,
    release,
    release_stock,
    send_receipt,
    stock_released,
    told,
    void,
)
from checkout.payments.sagas.repeating import asked_again
from checkout.receipts.messages import SendReceipt
from checkout.risk.messages import AssessRisk
from messaging.envelope import Reply

# The deadline is later than the return token's expiry, so that it never overtakes a last-second return.
CHALLENGE_MARGIN = timedelta(seconds=30)

# Signals of notifications that may say how an open attempt has ended, and of its becoming conflicted.
HINTS = ("authorised", "refused", "captured", "cancelled", "expired", "conflicted")


class Purchase:
    """The definition of the purchase saga."""

    kind = "purchase"
    data_type = PurchaseData

    questions: Mapping[str, type[Command[Any]]] = {
        "assess_risk": AssessRisk,
        "reserve_stock": ReserveStock,
        "authorise": AuthorisePayment,
        "complete_challenge": CompleteAuthentication,
        "inquire": InquirePayment,
        "abandon": AbandonPayment,
        "confirm_order": ConfirmOrder,
        "send_receipt": SendReceipt,
        "release_stock": ReleaseStock,
        "cancel_order": CancelOrder,
    }

    @property
    def steps(self) -> frozenset[str]:
        """Every step that a purchase may stand at."""
        waiting = {"await_challenge", "capture", "void", "conflicted", "finished", "unpaid"}
        return frozenset({*self.questions, *waiting})

    def start(self, data: PurchaseData) -> D:
        """Ask the risk service first, as its refusal costs least.

        A submission whose card was lost in an outage cannot be paid, so no service is asked.
        """
        if not data.has_card:
            return _not_begun(data, RefusalReason.CARD_NOT_RECEIVED)
        return _assess_risk(data)

    def on_reply(self, step: str, data: PurchaseData, reply: Reply) -> D:
        """Go on from ``step``. An error reply counts as unknown where money may be involved.

        Before that, a question that was not carried out, or that is harmless, is repeated a few times.
        """
        is_harmless = step not in _MAY_MOVE_MONEY or not reply.tells_nothing
        if step in _REPEATED and is_harmless and (again := asked_again(_REPEATED[step], data, reply)):
            return again
        return _REPLIES[step](data, reply)

    def on_signal(self, step: str, data: PurchaseData, signal: str) -> D | None:
        """React to the shopper's return, to notifications, and to the sagas of capture, void and review."""
        if signal == "challenge_returned":
            is_awaited = step == "await_challenge" or (data.is_expiring and step in ("inquire", "abandon"))
            return _complete_challenge(with_changes(data, tries=0)) if is_awaited else None
        # A notification is not an answer but a reason to ask at once, which does not count as an inquiry. It
        # is only used while the outcome is unknown: otherwise the provider's own reply is on its way.
        if step == "inquire" and signal in HINTS:
            return _ask_provider(data, delay_seconds=0)
        if step == "inquire" and signal == "hinted":
            return _ask_because_of_hint(data)
        return told(step, data, signal)

    def on_deadline(self, step: str, data: PurchaseData) -> D:
        """Refuse if no money is involved; otherwise ask the provider, or ask our own services again."""
        if step in ("assess_risk", "reserve_stock"):
            return replace(refuse(data, "provider_error"), attempt_transitions=("not_sent",))
        if step == "await_challenge":
            return _ask_provider(with_changes(data, is_expiring=True), delay_seconds=0)
        if step in _AGAIN:
            return _AGAIN[step](with_changes(data, tries=data.tries + 1))
        return _confirm(data)

    def on_resume(self, step: str, data: PurchaseData) -> D:
        """Carry the step out again, with all its retries. An unpaid purchase ends: staff have settled it."""
        if step == "unpaid":
            return D(step="finished", data=data, end=End.COMPLETED)
        return self.on_deadline(step, with_changes(data, inquiries=0, hinted=0, tries=0))


def _not_begun(data: PurchaseData, reason: str) -> D:
    return D(
        step="assess_risk",
        data=data,
        transitions=("refused",),
        attempt_transitions=("not_sent",),
        refusal_reason=reason,
        reply_to_waiters=True,
        end=End.COMPENSATED,
    )


def _assess_risk(data: PurchaseData) -> D:
    body = AssessRisk(
        payment=data.payment,
        minor=data.minor,
        currency=data.currency,
        email=data.email,
        ip_address=data.ip_address,
    )
    ask = Ask(command=body)
    return D(step="assess_risk", data=data, ask=ask, timeout=conf.service_wait)


def _risk_assessed(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok or reply.result.get("decision") != "accept":
        return _not_begun(data, "not_permitted" if reply.ok else "provider_error")
    return _reserve_stock(with_changes(data, tries=0))


def _reserve_stock(data: PurchaseData) -> D:
    body = ReserveStock(payment=data.payment, lines=data.lines, attempt=data.attempt)
    ask = Ask(command=body)
    return D(step="reserve_stock", data=data, ask=ask, timeout=conf.service_wait)


def _stock_reserved(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok or not reply.result.get("reserved"):
        decision = refuse(data, "out_of_stock" if reply.ok else "provider_error")
        return replace(decision, attempt_transitions=("not_sent",))
    return _authorise(with_changes(data, tries=0))


def _authorise(data: PurchaseData) -> D:
    body = AuthorisePayment(payment=data.payment, attempt=data.attempt)
    ask = Ask(command=body)
    return D(step="authorise", data=data, ask=ask, timeout=conf.provider_wait)


def _provider_answered(data: PurchaseData, reply: Reply) -> D:
    """Handle the answer to an authorisation, to the second message of a challenge, or to an inquiry."""
    outcome = reply.result.get("outcome") if reply.ok else "unknown"
    if outcome == "approved":
        return _authorised(data)
    if outcome == "challenge_required":
        return D(
            step="await_challenge",
            data=data,
            transitions=("challenge_required",),
            reply_to_waiters=True,
            timeout=conf.challenge_lifetime + CHALLENGE_MARGIN,
        )
    if outcome in ("refused", "not_sent"):
        return refuse(data, reply.result.get("refusal_reason") or "provider_error")
    if outcome == "conflicted":
        why = "The provider's answer contradicts what we know."
        return D(
            step="conflicted",
            data=data,
            transitions=("conflicted",),
            reply_to_waiters=True,
            end=End.PARKED,
            why=why,
        )
    return _confirm(data)


def _inquiry_answered(data: PurchaseData, reply: Reply) -> D:
    outcome = reply.result.get("outcome") if reply.ok else "unknown"
    if not data.is_expiring or outcome in ("approved", "conflicted"):
        return _provider_answered(data, reply)
    return _expired(data) if outcome == "refused" else _abandon(data)


def _complete_challenge(data: PurchaseData) -> D:
    body = CompleteAuthentication(payment=data.payment, attempt=data.attempt)
    ask = Ask(command=body)
    back = with_changes(data, is_back=True, is_expiring=False)
    return D(step="complete_challenge", data=back, ask=ask, timeout=conf.provider_wait)


def _confirm(data: PurchaseData) -> D:
    """Ask the provider at growing intervals. If the outcome is unknown after the last, park the saga.

    If the shopper came back from a challenge, the order is cancelled at the provider before that, since the
    provider may never find it.
    """
    delay_seconds = inquiry_delay(data.inquiries)
    if delay_seconds is None and data.is_back and not data.is_expiring:
        return _abandon(with_changes(data, is_expiring=True))
    if delay_seconds is None:
        why = "The provider did not say what became of the payment."
        return D(
            step="inquire",
            data=data,
            transitions=("outcome_unknown",),
            reply_to_waiters=True,
            end=End.PARKED,
            why=why,
        )
    return _ask_provider(with_changes(data, inquiries=data.inquiries + 1), delay_seconds=delay_seconds)


def _ask_provider(data: PurchaseData, *, delay_seconds: float) -> D:
    body = InquirePayment(payment=data.payment, attempt=data.attempt)
    ask = Ask(command=body, delay_seconds=delay_seconds)
    return D(
        step="inquire",
        data=data,
        ask=ask,
        # The outcome of a late challenge is not unknown: it was not completed, or is just being completed.
        transitions=() if data.is_expiring else ("outcome_unknown",),
        attempt_transitions=() if data.is_expiring else ("outcome_unknown",),
        reply_to_waiters=True,
        timeout=conf.provider_wait,
    )


def _ask_because_of_hint(data: PurchaseData) -> D | None:
    """Ask at once instead of later, once for each inquiry that we would make anyway.

    Anybody can send any number of hints, so they must neither start a second question while one is under way,
    nor use up our inquiries.
    """
    if data.inquiries <= data.hinted:
        return None
    return _ask_provider(
        with_changes(data, inquiries=data.inquiries - 1, hinted=data.inquiries), delay_seconds=0
    )


def _abandon(data: PurchaseData) -> D:
    """Cancel a challenge whose end is unknown: the provider must not hold money for it, now or later."""
    body = AbandonPayment(payment=data.payment, attempt=data.attempt)
    ask = Ask(command=body)
    return D(step="abandon", data=data, ask=ask, timeout=conf.provider_wait)


def _abandoned(data: PurchaseData, reply: Reply) -> D:
    outcome = reply.result.get("outcome") if reply.ok else "unknown"
    if outcome in ("refused", "not_sent"):
        return _expired(data)
    return _provider_answered(data, reply) if outcome in ("approved", "conflicted") else _confirm(data)


def _expired(data: PurchaseData) -> D:
    return release(data, transitions=("expired",), attempt_transitions=("expired",))


def _authorised(data: PurchaseData) -> D:
    held = with_changes(data, inquiries=0, tries=0, is_expiring=False)
    if not data.captures:
        return authorised(held)
    # If the challenge was late, the payment is still in the state that waits for it. This event ends that.
    return replace(capture(held), transitions=("outcome_unknown",) if data.is_expiring else ())


_REPLIES: dict[str, Callable[[PurchaseData, Reply], D]] = {
    "assess_risk": _risk_assessed,
    "reserve_stock": _stock_reserved,
    "authorise": _provider_answered,
    "complete_challenge": _provider_answered,
    "inquire": _inquiry_answered,
    "abandon": _abandoned,
    "confirm_order": order_confirmed,
    "send_receipt": receipt_sent,
    "release_stock": stock_released,
    "cancel_order": order_cancelled,
}

# Steps whose question is repeated after a retryable error and, at most of them, after a malformed reply.
_REPEATED: dict[str, Callable[[PurchaseData], D]] = {
    "assess_risk": _assess_risk,
    "reserve_stock": _reserve_stock,
    "authorise": _authorise,
    "complete_challenge": _complete_challenge,
    "confirm_order": confirm_order,
    "send_receipt": send_receipt,
}
# After a malformed reply at these steps the provider is asked, as it may have received the request.
_MAY_MOVE_MONEY = ("authorise", "complete_challenge")

# Steps that may be repeated at any time, as the service or saga that is asked knows what it has done.
_AGAIN: dict[str, Callable[[PurchaseData], D]] = {
    "capture": capture,
    "void": void,
    "confirm_order": confirm_order,
    "send_receipt": send_receipt,
    "release_stock": release_stock,
    "cancel_order": cancel_order,
}
