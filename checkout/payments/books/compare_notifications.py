"""The table of notifications: what a stored notification says about an order of ours.

Only the provider's own reply decides how an open attempt ends, and only a proven event settles an operation.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from checkout.money import Money
from checkout.payments.books.compare_events import Event, explains
from checkout.payments.books.events import BY_ISSUERS, IMPLY_MONEY, fits, kind_of_ours, meaning
from checkout.payments.books.ours import OF_ANOTHER_AMOUNT, Ours
from checkout.payments.models.notification import ProviderNotification
from checkout.payments.models.payment import Operation
from checkout.payments.providers.base import EventKind, Notification
from checkout.states import ENDED_WITHOUT_MONEY, OPEN_ATTEMPTS, AttemptState

State = ProviderNotification.State

# The reason of a contradiction begins with one of these: another merchant, or another amount.
OTHER_MERCHANT, OTHER_AMOUNT = "is for the merchant ", "says "
# Events of an authorised payment that the provider must confirm before they are believed.
CLAIMS = frozenset(
    {
        EventKind.CAPTURED,
        EventKind.CAPTURE_FAILED,
        EventKind.CANCELLED,
        EventKind.REFUNDED,
        EventKind.REFUND_FAILED,
        EventKind.EXPIRED,
        EventKind.CHARGED_BACK,
        EventKind.CHARGE_BACK_REVERSED,
    }
)
# The events that say how an authorisation ended. A capture, settlement or refund implies that it was given.
_OF_AUTHORISATIONS = (
    EventKind.AUTHORISED,
    EventKind.CAPTURED,
    EventKind.SETTLED,
    EventKind.REFUNDED,
    EventKind.REFUSED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """The consequences of one event of a notification.

    ``reason`` says why it was not simply applied. ``signals`` is the kind of the event for the orchestrator,
    if any. ``operation`` is our operation that the event is about. The event ``settles`` that operation, or
    ``doubts`` it because it reports a failure, or ``differs`` from its amount.
    """

    state: ProviderNotification.State
    reason: str = ""
    signals: str = ""
    operation: Operation | None = None
    settles: bool = False
    doubts: bool = False
    differs: bool = False


def compare_notification(
    operations: Sequence[Operation],
    event: Notification,
    *,
    owed: Money,
    attempt: str,
    merchant_code: str,
    is_proven: bool,
) -> Notified:
    """Return what follows from an event about an order of ours.

    ``operations`` are those of the order, ``owed`` is the payment's amount, and ``attempt`` the attempt's
    state. ``merchant_code`` is the one under which the order was sent.
    """
    if event.merchant_code != merchant_code:
        return Notified(state=State.CONFLICTED, reason=f"{OTHER_MERCHANT}{event.merchant_code}")
    is_open = attempt in OPEN_ATTEMPTS
    if event.amount is not None and not fits(owed, event.amount, event.kind):
        # Unless the attempt has the money, the provider is asked, and its reply contains the amount.
        is_asked = attempt in ENDED_WITHOUT_MONEY or (is_open and is_proven)
        return Notified(
            state=State.CONFLICTED,
            reason=f"{OTHER_AMOUNT}{event.amount}, the payment is {owed}",
            signals=event.kind if is_asked else "",
        )
    names = (*event.references, event.reference)
    operation = operation_meant(operations, event.kind, names)
    if operation is not None and event.amount not in (None, operation.amount):
        if operation.reference in names or not is_proven:
            # The amount of a release does not matter once nothing is held any more.
            is_released = operation.kind == Operation.Kind.VOID and operation.state == Operation.State.DONE
            differs = is_proven and meaning(event.kind).end and not is_released
            return Notified(
                state=State.CONFLICTED,
                reason=f"{OTHER_AMOUNT}{event.amount}, we asked to {operation.kind} {operation.amount}",
                signals=event.kind if differs else "",
                operation=operation,
                differs=differs,
            )
        operation = None  # a refund made in the provider's portal: the provider is asked
    told = Notified(
        state=State.APPLIED,
        signals=event.kind,
        operation=operation,
        settles=_is_settled(operation, event.kind) and is_proven,
        doubts=operation is not None and is_proven and event.kind == EventKind.REFUND_FAILED,
    )
    return told if is_open else _of_an_ended_attempt(told, event, attempt, is_proven=is_proven)


def _is_settled(operation: Operation | None, event: EventKind) -> bool:
    """Return True if an event ends an operation, and no other event has reported another amount for it."""
    return operation is not None and operation.doubt != OF_ANOTHER_AMOUNT and meaning(event).end


def _of_an_ended_attempt(told: Notified, event: Notification, attempt: str, *, is_proven: bool) -> Notified:
    if event.kind not in _OF_AUTHORISATIONS:
        return told
    if event.kind == EventKind.REFUSED:
        if attempt == AttemptState.AUTHORISED and is_proven:
            # A risk service may refuse an order that was authorised (Worldpay/hybris#130).
            reason = "was authorised: the provider is asked"
            return replace(told, signals=EventKind.CANCELLED, reason=reason)
        is_news = attempt != AttemptState.REFUSED
        reason = f"comes too late: the attempt is {attempt}" if is_news else ""
        return Notified(state=State.APPLIED, reason=reason)
    if attempt != AttemptState.AUTHORISED:
        # Either the provider holds money for an attempt that ended without any, or the event is false.
        return replace(told, reason=f"the attempt is {attempt}: the provider is asked")
    return told


def may_be_told_twice(event: Notification) -> bool:
    """Return True if two events of one day may have the same content: they end or undo an operation.

    The provider gives such events no identity, so a second one may also be a repetition of the first (row
    P5).
    """
    return not event.is_identity and (meaning(event.kind).end or meaning(event.kind).failure)


def is_told_anew(operations: Iterable[Operation], event: Notification) -> bool:
    """Return True if a repeated event contradicts the state of the operation that it names.

    A refund may be made, fail and be made again on one day. If a refund is in doubt, the provider is asked.
    """
    named = operation_meant(operations, event.kind, (*event.references, event.reference))
    if named is None or named.doubt or not may_be_told_twice(event):
        return False
    return named.state == (Operation.State.DONE if meaning(event.kind).failure else Operation.State.REFUSED)


def operation_meant(
    operations: Iterable[Operation], event: EventKind, references: Iterable[str]
) -> Operation | None:
    """Return the operation of an attempt that an event is about; None if that is not certain.

    The first of ``references`` that names an operation of ours decides. If none does, the event must fit
    exactly one operation, which must be pending: an operation that was not sent, or may have got lost, needs
    an inquiry. Events that end no operation are only matched by reference.
    """
    kind = kind_of_ours(event)
    if kind is None:
        return None
    candidates = [each for each in operations if each.kind == kind]
    by_reference = {each.reference: each for each in candidates}
    named = next((by_reference[name] for name in references if name in by_reference), None)
    if named is not None or not meaning(event).end:
        return named
    if event != EventKind.REFUNDED:
        # A failed refund may still be made. No other refused operation explains an event.
        candidates = [each for each in candidates if each.state != Operation.State.REFUSED]
    is_certain = len(candidates) == 1 and candidates[0].state == Operation.State.PENDING
    return candidates[0] if is_certain and not candidates[0].doubt else None


# Events that none of our operations explains


def claim_of(
    event: Event, state: str, ours_of_attempt: Callable[[], Ours], *, is_capture_included: bool
) -> str:
    """Return the kind of event that the provider is to confirm; empty if no question is needed.

    For a conflicted attempt, only two kinds are asked about. A review may never find charge-backs and their
    reversals, and it may mistake a failed refund that was made after all for an open one. All other events
    are left to the review. An attempt whose outcome is unknown may have been captured with its authorisation,
    and charged back.

    ``state`` is the attempt's. ``ours_of_attempt`` reads our side; most events do not need it.
    """
    kind, is_held = event.kind, state == AttemptState.AUTHORISED
    if state in ENDED_WITHOUT_MONEY:
        return EventKind.AUTHORISED if kind in IMPLY_MONEY else ""
    if state == AttemptState.CONFLICTED and _is_made_after_all(ours_of_attempt, event):
        return kind
    if is_held and kind == EventKind.REFUND_SENT:
        return "" if _may_be_sent_for_us(ours_of_attempt(), event) else EventKind.REFUNDED
    if is_held and kind == EventKind.SETTLED:
        return "" if _may_be_settled_for_us(ours_of_attempt(), event) else EventKind.CAPTURED
    may_be_disputed = state == AttemptState.CONFLICTED or (is_capture_included and event.is_proven)
    if kind not in CLAIMS or not (is_held or (may_be_disputed and kind in BY_ISSUERS)):
        return ""
    ours = ours_of_attempt()
    if kind == EventKind.REFUND_FAILED and not event.is_proven:
        # A hint does not put a refund in doubt, so the saga of a refund that is done would not ask.
        is_done = any(
            each.reference == event.operation and each.state == Operation.State.DONE
            for each in ours.operations
        )
        return kind if is_done or not explains(ours, Event(kind=kind)) else ""
    return "" if explains(ours, event) else kind


def _is_made_after_all(ours_of_attempt: Callable[[], Ours], event: Event) -> bool:
    """Return True if the event is proven, and reports as made a refund that is refused in our books."""
    if event.kind != EventKind.REFUNDED or not event.is_proven:
        return False
    refunds = ours_of_attempt().of_kind(Operation.Kind.REFUND)
    refused = (each for each in refunds if each.state == Operation.State.REFUSED)
    return any(each.reference == event.operation for each in refused)


def _may_be_sent_for_us(ours: Ours, event: Event) -> bool:
    """Return True if the sending of a refund may be about one of ours, or a failed one that is sent again.

    If the refund was made in the provider's portal instead, no later notification may follow: accounts need
    not have selected notifications of refunds.
    """
    minors = [each.minor for each in ours.of_kind(Operation.Kind.REFUND) if not each.is_clean]
    fits_one = bool(minors) if event.amount is None else event.amount.minor in minors
    return bool(event.operation) or fits_one


def _may_be_settled_for_us(ours: Ours, event: Event) -> bool:
    """Return True if our captures that were not refused come to the settled amount, or more.

    If a capture was made in the provider's portal instead, no other notification may report it: accounts need
    not have selected notifications of captures. After a refund, less than the captured amount may be settled,
    and the currency may differ.
    """
    asked = ours.range(Operation.Kind.CAPTURE).most
    return asked > 0 and (event.amount is None or event.amount.minor <= asked)
