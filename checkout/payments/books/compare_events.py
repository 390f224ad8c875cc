"""The table of events that none of our operations explains: what the provider's answer says about each.

Anybody may send a notification, and staff may move money in the provider's portal. So an event is not
believed until the provider confirms it. Nothing is adopted on a guess. If the provider tells no sum for a
charge-back, staff decide, unless its proven notification is unambiguous.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checkout.money import Money
from checkout.payments.books.events import FOLLOW_CAPTURE, kind_by_issuer, kind_of_ours, meaning
from checkout.payments.books.ours import FAILED, OurOperation, Ours
from checkout.payments.books.theirs import Answer, reliable_sum, shows_money
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.models.payment import Operation
from checkout.payments.providers.base import EventKind, Outcome
from checkout.states import OPEN_ATTEMPTS, AttemptState

Kind, State = Operation.Kind, Operation.State

NAMES: Mapping[str, str] = {
    Kind.CHARGE_BACK: "a charge-back",
    Kind.CHARGE_BACK_REVERSAL: "the reversal of a charge-back",
}
# The reason for which an operation was adopted: staff entered a sum of the provider's books, or confirmed a
# notified event.
FOUND_BY_STAFF = "Staff found it in the provider's books"
CONFIRMED_BY_STAFF = "Staff found out that it happened"
# The last events that also imply these movements: those that only follow a capture, and the sending of a
# refund. If an authorisation is refused afterwards, for example by a risk service, its money is no longer
# held.
_IMPLY: Mapping[str, Sequence[EventKind]] = {
    EventKind.CAPTURED: FOLLOW_CAPTURE,
    EventKind.REFUNDED: (EventKind.REFUND_SENT, EventKind.REFUNDED),
    EventKind.CANCELLED: (EventKind.REFUSED,),
}
_OPEN = Verdict(Conclusion.OPEN, "G5")
_UNDECIDED = Verdict(Conclusion.UNDECIDED, "G5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of an order, as a notification has reported it.

    ``operation`` is the reference of the operation that it names, and ``amount`` the amount of this event.
    Either may be missing. If it is not ``is_proven``, anybody may have sent it.
    """

    kind: str
    operation: str = ""
    amount: Money | None = None
    is_proven: bool = True

    @property
    def names_none_of_this_amount(self) -> bool:
        """Return True if the event is proven, has an amount, and names none of our operations."""
        return self.is_proven and not self.operation and self.amount is not None


def explains(ours: Ours, event: Event) -> bool:
    """Return True if one of our operations explains an event. If the event names one, only that one can.

    A capture or refund that names no operation is explained by one of the same amount, if it has an amount,
    of which a copy may have arrived. Others were made in the provider's portal. The failure of a named refund
    counts as explained, because the refund's own saga asks about it. The failure of a capture contradicts
    nothing unless one of our captures is done. After a partial capture, a cancellation is about the rest.
    """
    kind = kind_of_ours(event.kind)
    if kind == Kind.VOID and 0 < ours.captured < ours.owed.minor:
        return True
    candidates = ours.of_kind(kind)
    named = [each for each in candidates if each.reference == event.operation]
    if named and event.kind == EventKind.REFUND_FAILED:
        return True
    if event.kind in (EventKind.CAPTURED, EventKind.REFUNDED):
        # An operation that cannot have arrived explains nothing (row C24).
        candidates = [each for each in candidates if not each.is_clean]
        if event.amount is not None:
            candidates = [each for each in candidates if each.minor == event.amount.minor]
    if not candidates and event.kind == EventKind.CAPTURE_FAILED:
        return True
    contrary = State.DONE if meaning(event.kind).failure else State.REFUSED
    return any(each.state != contrary for each in named or candidates)


def compare_event(ours: Ours, before: Ours, event: Event, answer: Answer, *, may_exist: bool) -> Verdict:
    """Return the verdict of the provider's answer on an event, other than a charge-back or its reversal.

    ``before`` is our side as it was when the provider was asked. ``may_exist`` says that the order may exist
    although the provider does not find it.
    """
    result, last = answer.result, answer.last_event
    is_missing = result.outcome == Outcome.NOT_FOUND
    if result.outcome == Outcome.UNKNOWN or (is_missing and may_exist):
        return _OPEN
    if event.kind == EventKind.AUTHORISED:
        is_news = shows_money(result) and ours.state != AttemptState.AUTHORISED
        return Verdict(Conclusion.CONFIRMED if is_news else Conclusion.DENIED, "A6")
    if is_missing:
        return _OPEN
    kind = kind_of_ours(event.kind)
    if (total := reliable_sum(ours, result, kind)) is not None:
        if ours.entries(kind) != before.entries(kind):
            return _OPEN
        verdict = _compare_sums(ours, event, total, last)
        if verdict.conclusion == Conclusion.OPEN and ours.state == AttemptState.CONFLICTED:
            # Staff cannot settle the contradiction while the provider is asked about this event.
            return _UNDECIDED
        is_denied = verdict.conclusion == Conclusion.DENIED
        if is_denied and _may_be_instead_of_another(ours, event, total):
            return _UNDECIDED
    elif last != event.kind and last not in _IMPLY.get(event.kind, ()):
        may_be_hidden = event.is_proven and _may_be_hidden(event.kind, last)
        verdict = _UNDECIDED if may_be_hidden else Verdict(Conclusion.DENIED, "C12")
    else:
        verdict = _compare_last_event(ours, event)
    if verdict.conclusion != Conclusion.CONFIRMED:
        return verdict
    if event.kind == EventKind.EXPIRED:
        return _compare_expiry(ours, answer)
    refund = refund_made_after_all(ours, event)
    return verdict if refund is None else _compare_made_after_all(ours, event, refund, answer)


def _compare_last_event(ours: Ours, event: Event) -> Verdict:
    """Return the verdict for an answer without sums whose last event is the notified one."""
    is_doubted = any(each.doubt for each in ours.range(kind_of_ours(event.kind)).entries)
    if explains(ours, Event(kind=event.kind)) or is_doubted:
        # The event may be about another operation than the one that explains it. Only sums could show which.
        # A refund in doubt has an inquiry of its own.
        if _is_of_another_amount(ours, event):
            why = (
                f"None of ours is of {event.amount}, and the provider does not tell its sums. If somebody "
                "has done it in the provider's portal, and our books do not have it yet, it is so."
            )
            return Verdict(Conclusion.UNCLEAR, "C12", why=why)
        return _UNDECIDED if event.operation else Verdict(Conclusion.DENIED, "C11")
    captures = ours.requested(Kind.CAPTURE)
    if event.kind == EventKind.CANCELLED and 0 < captures < ours.owed.minor:
        # Once the capture of a part is done, this was the rest of the authorisation.
        return Verdict(Conclusion.OPEN, "E2")
    return Verdict(Conclusion.CONFIRMED, "C17")


def _is_of_another_amount(ours: Ours, event: Event) -> bool:
    return event.names_none_of_this_amount and not explains(ours, Event(kind=event.kind, amount=event.amount))


def _may_be_hidden(kind: str, last: EventKind) -> bool:
    """Return True if an event may have happened although ``last`` is the order's last one. No sums are told.

    A later event, such as the settlement, may have replaced it. But no event leads back to AUTHORISED, and no
    event follows a cancellation or an expiry.
    """
    if kind == EventKind.CAPTURE_FAILED:
        return True
    return last != EventKind.AUTHORISED and kind not in (EventKind.CANCELLED, EventKind.EXPIRED)


def _may_be_instead_of_another(ours: Ours, event: Event, total: int) -> bool:
    """Return True if the provider's sum may include a failed refund in place of one that we have as made.

    The refund in our books may have failed meanwhile, and the notification of that failure may take days. So
    a proven event that names the failed refund is not denied if the sum has room for that refund.
    """
    refund = refund_made_after_all(ours, event) if event.is_proven and event.operation else None
    return refund is not None and total >= refund.minor


def _compare_sums(ours: Ours, event: Event, total: int, last: EventKind) -> Verdict:
    """Confirm an event if more was moved than our operations explain, or less for a failure.

    Sums alone do not show that a capture or refund failed: one that we have as done may not be booked yet. If
    the event names such an operation, we ask again until the provider has booked it, or its last event is a
    failure, or staff have to look.
    """
    known = ours.range(kind_of_ours(event.kind))
    if meaning(event.kind).failure:
        if total >= known.least:
            return Verdict(Conclusion.DENIED, "C16b")
        if last == event.kind:
            return Verdict(Conclusion.CONFIRMED, "C16b")
        return Verdict(Conclusion.OPEN if event.operation else Conclusion.DENIED, "R9")
    if total > known.most:
        return Verdict(Conclusion.CONFIRMED, "C17")
    # The named operation was refused, or none of ours has this amount. So the surplus comes from the notified
    # movement, or from an open operation. Ask again until that operation has its outcome.
    surplus = total - known.least
    minor = event.amount.minor if event.amount else 0
    is_none_of_ours = _is_of_another_amount(ours, event) and surplus >= minor
    is_possible = is_none_of_ours or (bool(event.operation) and surplus > 0)
    return Verdict(Conclusion.OPEN if is_possible else Conclusion.DENIED, "C11")


# The end of an authorisation, or of the rest of it


def is_rest_released(ours: Ours, event: EventKind) -> bool:
    """Return True if an event that ends an authorisation is about the rest after a partial capture (row E1).

    The event must be proven, or be the order's last event. All captures must be certain, and no operation may
    be under way that the event could be about.
    """
    if event not in (EventKind.CANCELLED, EventKind.EXPIRED) or ours.state != AttemptState.AUTHORISED:
        return False
    captures = ours.range(Kind.CAPTURE)
    is_open = any(each.state != State.DONE for each in captures.entries)
    return 0 < captures.least < ours.owed.minor and not is_open and not ours.range(Kind.VOID).entries


def _compare_expiry(ours: Ours, answer: Answer) -> Verdict:
    """Confirm an expiry, unless the provider has taken money that no capture of ours explains.

    In that case only the rest has expired, and the payment must not count as one without money. While a
    capture or void is open, the provider is asked again, because its outcome may explain the money, and no
    other event will report the expiry.
    """
    kept = answer.result.kept
    is_kept = kept is not None and kept.minor != 0
    captures = ours.range(Kind.CAPTURE)
    if is_kept and any(each.state != State.REQUESTED for each in captures.entries):
        return Verdict(Conclusion.CONFIRMED, "E1")
    is_open = any(each.state != State.DONE for each in (*captures.entries, *ours.range(Kind.VOID).entries))
    if is_open:
        return Verdict(Conclusion.OPEN, "E2")
    if not is_kept:
        return Verdict(Conclusion.CONFIRMED, "E3")
    why = (
        f"The provider has captured {kept}, which is not in our books: only the rest has expired. Say that "
        "it is not so; then settle the payment yourself, with the capture among the figures."
    )
    return Verdict(Conclusion.UNCLEAR, "E4", why=why)


# A refund that failed, and is made after all


def refund_made_after_all(ours: Ours, event: Event) -> OurOperation | None:
    """Return the refused refund that was made after all, according to the event; None if there is none.

    If the event names a refund, it is that one; otherwise the only refund that has failed. An event with
    another amount is about a refund that is not ours.
    """
    if event.kind != EventKind.REFUNDED:
        return None
    refused = [each for each in ours.of_kind(Kind.REFUND) if each.state == State.REFUSED]
    if event.operation:
        meant = [each for each in refused if each.reference == event.operation]
    else:
        meant = [each for each in refused if each.refusal_reason == FAILED]
    if len(meant) != 1 or (event.amount is not None and event.amount.minor != meant[0].minor):
        return None
    return meant[0]


def _compare_made_after_all(ours: Ours, event: Event, refund: OurOperation, answer: Answer) -> Verdict:
    """Mark a failed refund as made, if that explains the provider's answer.

    The provider's sum must have room for this refund in addition to all that are certain. If other refunds,
    failed or under way, could explain the sum as well, the event must be proven. If the answer does not
    decide, the provider is asked again, as a later answer may be clearer.
    """
    others = ours.without(refund).range(Kind.REFUND)
    total = reliable_sum(ours, answer.result, Kind.REFUND)
    if total is None:
        if others.entries or others.after or not event.is_proven:
            return Verdict(Conclusion.UNDECIDED, "R8")
    elif total > others.after + refund.minor:
        return Verdict(Conclusion.CONFIRMED, "C17")
    else:
        is_the_only_explanation = total > others.after
        has_room = total >= others.least + refund.minor
        if not (has_room and (event.is_proven or is_the_only_explanation)):
            return Verdict(Conclusion.OPEN, "R8")
    return Verdict(Conclusion.ADOPTED, "R8", minor=refund.minor)


# Disputes: charge-backs, and their reversals


def compare_dispute(ours: Ours, before: Ours, event: Event, answer: Answer) -> Verdict:
    """Return what an answer says about a charge-back, or its reversal.

    The provider's own sum decides. If the provider tells none, its last event must be the notified one, the
    event must be proven and have a possible amount, and staff must not have entered a sum that may include
    it.
    """
    result = answer.result
    if result.outcome in (Outcome.UNKNOWN, Outcome.NOT_FOUND) or ours.standing != before.standing:
        return _OPEN
    if ours.state in OPEN_ATTEMPTS:
        # Its capture is recorded once its own outcome is known.
        return Verdict(Conclusion.OPEN, "D10")
    told = result.position.charged_back if result.position else None
    if told is not None:
        is_early = answer.may_be_from_before(ours.last_booked_at)
        return _OPEN if is_early else _compare_disputed_sum(ours, event, told)
    if result.kind != event.kind:
        # A later event, such as the settlement, may have replaced it. A hint is not worth further questions.
        is_hidden = event.is_proven and result.kind != EventKind.AUTHORISED
        return Verdict(Conclusion.UNDECIDED, "D8") if is_hidden else Verdict(Conclusion.DENIED, "D9")
    return _compare_notified_dispute(ours, event)


def _compare_disputed_sum(ours: Ours, event: Event, told: Money) -> Verdict:
    """Adopt the difference between the provider's sum and ours. The event's own amount does not matter."""
    kind, currency = kind_by_issuer(event.kind), ours.owed.currency
    if told.currency != currency:
        why = f"The provider has {told} as charged back, and the payment is in {currency}."
        return Verdict(Conclusion.UNCLEAR, "D2", why=why)
    more = told.minor - ours.charged_back
    minor = more if kind == Kind.CHARGE_BACK else -more
    return _within_what_is_left(ours, event, minor) if minor > 0 else Verdict(Conclusion.DENIED, "D5")


def _compare_notified_dispute(ours: Ours, event: Event) -> Verdict:
    kind, currency = kind_by_issuer(event.kind), ours.owed.currency
    name = NAMES[str(kind)]
    untold = f"The provider confirms {name} and does not tell how much was charged back"
    if event.amount is None:
        return Verdict(Conclusion.UNCLEAR, "D2", why=f"{untold}; neither does the notification.")
    amount = event.amount
    if not event.is_proven:
        why = f"{untold}; {amount} is what anybody may have sent us."
        return Verdict(Conclusion.UNCLEAR, "D3", why=why)
    if amount.currency != currency:
        why = f"{untold}; the notification says {amount}, not in {currency}."
        return Verdict(Conclusion.UNCLEAR, "D2", why=why)
    if any((each.kind, each.minor) == (kind, amount.minor) for each in ours.operations):
        why = f"{untold}; {amount} is booked already, and may be this or another one."
        return Verdict(Conclusion.UNCLEAR, "D7", why=why)
    if any(_may_include(each, kind) for each in ours.operations):
        why = f"{untold}. Staff have entered what was charged back, which may include this {amount}."
        return Verdict(Conclusion.UNCLEAR, "P6", why=why)
    return _within_what_is_left(ours, event, amount.minor)


def _may_include(operation: OurOperation, kind: str | None) -> bool:
    """Return True if the sums that staff entered may include this movement, which is only notified now.

    The figures of a settlement are the sum of all charge-backs, less what was returned. If staff confirm an
    event, its amount is all that our books lacked.
    """
    if operation.reason == FOUND_BY_STAFF:
        return operation.kind in NAMES
    return operation.reason == CONFIRMED_BY_STAFF and operation.kind == kind


def _within_what_is_left(ours: Ours, event: Event, minor: int) -> Verdict:
    """Adopt a dispute if its amount is within the sum that can still be charged back, or returned.

    A charge-back may be about a capture that is still under way. In that case the provider is asked again
    later.
    """
    kind, currency = kind_by_issuer(event.kind), ours.owed.currency
    is_charge_back = kind == Kind.CHARGE_BACK
    left = ours.left_to_charge_back if is_charge_back else ours.charged_back
    if 0 < minor <= left:
        return Verdict(Conclusion.ADOPTED, "D4", minor=minor)
    under_way = ours.requested(Kind.CAPTURE) - ours.captured
    if is_charge_back and 0 < minor <= left + under_way:
        return Verdict(Conclusion.OPEN, "D10")
    counted = "taken and not given back" if is_charge_back else "charged back"
    why = (
        f"{NAMES[str(kind)].capitalize()} of {Money(minor, currency)} is more than is {counted}: "
        f"{Money(left, currency)}."
    )
    return Verdict(Conclusion.UNCLEAR, "D7", why=why)
