"""The purchase: risk, stock, authorisation, perhaps a challenge, capture, ledger, order, receipt.

What is undone when it fails is the stock reservation alone: a refused authorisation holds no money. While the
outcome at the provider is unknown nothing is repeated and nothing is undone; the provider is asked instead.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from msgspec.structs import replace as with_changes

from checkout import commands
from checkout.conf import conf
from checkout.messaging.envelope import Reply
from checkout.sagas.definition import Ask, Decision, End

# How long until the provider is asked (again) what became of a payment: 5 s, 15 s, 45 s, 2 min, 10 min,
# then every hour for three days.
INQUIRY_DELAYS = (5, 15, 45, 120, 600, *[3600] * 72)

SERVICE_WAIT = timedelta(minutes=10)
PROVIDER_WAIT = timedelta(minutes=2)


class PurchaseData(commands.Body, frozen=True):
    """What the purchase knows. ``inquiries`` counts how often the provider was asked without an answer."""

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
    is_expiring: bool = False


D = Decision[PurchaseData]


class Purchase:
    """The definition of the purchase saga."""

    kind = "purchase"
    data_type = PurchaseData

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
        return D(step="assess_risk", data=data, ask=ask, wait=SERVICE_WAIT)

    def on_reply(self, step: str, data: PurchaseData, reply: Reply) -> D:
        """Go on from ``step``; an error reply where money may be involved counts as unknown."""
        return _REPLIES[step](data, reply)

    def on_signal(self, step: str, data: PurchaseData, signal: str) -> D | None:
        """React to the shopper's return and to what the provider tells by notification."""
        if step == "await_challenge" and signal == "challenge_returned":
            return _complete_challenge(data)
        # Only while the outcome is unknown: otherwise the provider's own reply is on its way. A notification
        # is a reason to ask at once, not an answer: anybody could have sent it.
        if step == "inquire" and signal in ("authorised", "refused", "captured"):
            return _ask_provider(data, delay_seconds=0)
        if step in ("capture", "await_capture") and signal == "captured":
            return _post_ledger(data)
        return None

    def on_deadline(self, step: str, data: PurchaseData) -> D:
        """Ask the provider where money may be involved; give up where none is; otherwise call a human."""
        if step in ("assess_risk", "reserve_stock"):
            return replace(_refuse(data, "provider_error"), attempt_events=("not_sent",))
        if step in ("authorise", "complete_challenge"):
            return _confirm(data)
        if step == "await_challenge":
            return _ask_provider(with_changes(data, is_expiring=True), delay_seconds=0)
        # A question or its answer was lost: a dead letter, say. Both may be asked again at any time.
        if step == "inquire":
            return _confirm(data)
        if step == "capture" and data.inquiries < len(INQUIRY_DELAYS):
            return _capture_again(data, delay_seconds=0)
        return D(step=step, data=data, end=End.PARKED)


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
    ask = Ask(
        service="orders",
        type="orders.reserve",
        body=commands.ReserveStock(payment=data.payment, lines=data.lines),
    )
    return D(step="reserve_stock", data=data, ask=ask, wait=SERVICE_WAIT)


def _stock_reserved(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok or not reply.result.get("reserved"):
        decision = _refuse(data, "out_of_stock" if reply.ok else "provider_error")
        return replace(decision, attempt_events=("not_sent",))
    body = commands.AuthorisePayment(payment=data.payment, attempt=data.attempt)
    ask = Ask(service="payments", type="payments.authorise", body=body)
    return D(step="authorise", data=data, ask=ask, wait=PROVIDER_WAIT)


def _provider_answered(data: PurchaseData, reply: Reply) -> D:
    """The answer to an authorisation, to the second message of a challenge, or to an inquiry."""
    outcome = reply.result.get("outcome") if reply.ok else "unknown"
    if outcome == "approved":
        return _authorised(data)
    if outcome == "challenge_required" and not data.is_expiring:
        return D(
            step="await_challenge",
            data=data,
            events=("challenge_required",),
            tells=True,
            # Longer than the return token lives, so that a last-second return is never overtaken.
            wait=conf.challenge_lifetime + timedelta(seconds=30),
        )
    if outcome in ("refused", "not_sent"):
        return _refuse(data, reply.result.get("refusal_reason") or "provider_error")
    if outcome == "conflicted":
        return D(step="conflicted", data=data, events=("conflicted",), tells=True, end=End.PARKED)
    return _confirm(data)


def _inquiry_answered(data: PurchaseData, reply: Reply) -> D:
    outcome = reply.result.get("outcome") if reply.ok else "unknown"
    if data.is_expiring and outcome in ("not_sent", "refused"):
        return _release(data, events=("expired",), attempt_events=("expired",))
    return _provider_answered(data, reply)


def _complete_challenge(data: PurchaseData) -> D:
    body = commands.CompleteAuthentication(payment=data.payment, attempt=data.attempt)
    ask = Ask(service="payments", type="payments.complete_challenge", body=body)
    return D(step="complete_challenge", data=data, ask=ask, wait=PROVIDER_WAIT)


def _confirm(data: PurchaseData) -> D:
    """Nobody knows what happened: ask the provider, later and later; a human looks when it never answers."""
    if data.inquiries >= len(INQUIRY_DELAYS):
        return D(step="inquire", data=data, events=("outcome_unknown",), tells=True, end=End.PARKED)
    return _ask_provider(data, delay_seconds=INQUIRY_DELAYS[data.inquiries])


def _ask_provider(data: PurchaseData, *, delay_seconds: float) -> D:
    body = commands.InquirePayment(payment=data.payment, attempt=data.attempt)
    ask = Ask(service="payments", type="payments.inquire", body=body, delay_seconds=delay_seconds)
    return D(
        step="inquire",
        data=with_changes(data, inquiries=data.inquiries + 1),
        ask=ask,
        events=("outcome_unknown",),
        attempt_events=("outcome_unknown",),
        tells=True,
        wait=PROVIDER_WAIT,
    )


def _authorised(data: PurchaseData) -> D:
    if not data.captures:
        return replace(_confirm_order(data), events=("authorised",), tells=True)
    return replace(_capture(with_changes(data, inquiries=0), delay_seconds=0), events=("authorised",))


def _capture(data: PurchaseData, *, delay_seconds: float) -> D:
    body = commands.CapturePayment(
        payment=data.payment,
        attempt=data.attempt,
        operation=data.capture_operation,
        minor=data.minor,
        currency=data.currency,
    )
    ask = Ask(service="payments", type="payments.capture", body=body, delay_seconds=delay_seconds)
    return D(step="capture", data=data, ask=ask, wait=PROVIDER_WAIT)


def _capture_again(data: PurchaseData, *, delay_seconds: float) -> D:
    """The operation is the same one, so that the provider is asked at most once unless it was not reached."""
    again = _capture(with_changes(data, inquiries=data.inquiries + 1), delay_seconds=delay_seconds)
    return replace(again, tells=True)


def _capture_answered(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok:
        # By contract nothing was done, and trying again would change nothing.
        return D(step="capture", data=data, tells=True, end=End.PARKED)
    outcome = reply.result.get("outcome")
    if outcome in ("approved", "pending"):
        return replace(_post_ledger(data), events=("capture_requested",), tells=True)
    if outcome == "not_sent" and data.inquiries < len(INQUIRY_DELAYS):
        return _capture_again(data, delay_seconds=INQUIRY_DELAYS[data.inquiries])
    if outcome == "unknown":
        # The capture may have been taken. The provider's notification tells; until then nothing is repeated.
        return D(
            step="await_capture",
            data=data,
            events=("capture_requested",),
            tells=True,
            wait=timedelta(days=3),
        )
    return D(step="capture", data=data, tells=True, end=End.PARKED)


def _post_ledger(data: PurchaseData) -> D:
    body = commands.PostEntries(
        payment=data.payment,
        kind="capture_requested",
        reference=data.capture_operation,
        minor=data.minor,
        currency=data.currency,
    )
    ask = Ask(service="ledger", type="ledger.post", body=body)
    return D(step="post_ledger", data=data, ask=ask, wait=SERVICE_WAIT)


def _ledger_posted(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok:
        return D(step="post_ledger", data=data, end=End.PARKED)
    return _confirm_order(data)


def _confirm_order(data: PurchaseData) -> D:
    ask = Ask(service="orders", type="orders.confirm", body=commands.ConfirmOrder(payment=data.payment))
    return D(step="confirm_order", data=data, ask=ask, wait=SERVICE_WAIT)


def _order_confirmed(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok:
        return D(step="confirm_order", data=data, end=End.PARKED)
    if not data.email:
        return D(step="finished", data=data, end=End.COMPLETED)
    body = commands.SendReceipt(payment=data.payment)
    ask = Ask(service="notifications", type="notifications.send_receipt", body=body)
    return D(step="send_receipt", data=data, ask=ask, wait=SERVICE_WAIT)


def _receipt_sent(data: PurchaseData, reply: Reply) -> D:
    if not reply.ok:
        return D(step="send_receipt", data=data, end=End.PARKED)
    return D(step="finished", data=data, end=End.COMPLETED)


def _refuse(data: PurchaseData, reason: str) -> D:
    return replace(_release(data, events=("refused",)), refusal_reason=reason)


def _release(data: PurchaseData, *, events: tuple[str, ...], attempt_events: tuple[str, ...] = ()) -> D:
    ask = Ask(service="orders", type="orders.release", body=commands.ReleaseStock(payment=data.payment))
    return D(
        step="release_stock",
        data=data,
        ask=ask,
        events=events,
        attempt_events=attempt_events,
        tells=True,
        wait=SERVICE_WAIT,
    )


def _stock_released(data: PurchaseData, reply: Reply) -> D:
    end = End.COMPENSATED if reply.ok else End.PARKED
    return D(step="release_stock", data=data, end=end)


_REPLIES: dict[str, Callable[[PurchaseData, Reply], D]] = {
    "assess_risk": _risk_assessed,
    "reserve_stock": _stock_reserved,
    "authorise": _provider_answered,
    "complete_challenge": _provider_answered,
    "inquire": _inquiry_answered,
    "capture": _capture_answered,
    "post_ledger": _ledger_posted,
    "confirm_order": _order_confirmed,
    "send_receipt": _receipt_sent,
    "release_stock": _stock_released,
}
