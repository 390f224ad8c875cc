"""The meaning of the events that providers report, for our books: one table that every comparison reads."""

from dataclasses import dataclass
from enum import Enum

from checkout.money import Money
from checkout.payments.models.payment import Operation
from checkout.payments.providers.base import EventKind

Kind = Operation.Kind
ISSUERS = (Kind.CHARGE_BACK, Kind.CHARGE_BACK_REVERSAL)


class Told(Enum):
    """The amount that comes with an event, compared with the authorised one."""

    WHOLE = "the authorised amount"
    PART = "the authorised amount, or a part of it"
    OTHER = "any amount: fees are deducted, or it is in the merchant's or issuer's currency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The meaning of one kind of event.

    ``reports`` is the kind of operation that it is about. An ``end`` means that the operation was made, a
    ``failure`` that it was not made although it had been accepted. An event that ``implies_money`` only
    happens to an authorised order, and one that ``follows_capture`` only to a captured one. After an event
    that ``releases``, nothing is held any more.
    """

    reports: Kind | None = None
    end: bool = False
    failure: bool = False
    implies_money: bool = False
    follows_capture: bool = False
    releases: bool = False
    amount: Told = Told.WHOLE


def _moved(reports: Kind, *, amount: Told = Told.PART, end: bool = False, failure: bool = False) -> Meaning:
    follows = reports != Kind.CAPTURE or end
    return Meaning(
        reports=reports, end=end, failure=failure, implies_money=True, follows_capture=follows, amount=amount
    )


MEANINGS = {
    EventKind.AUTHORISED: Meaning(implies_money=True),
    EventKind.REFUSED: Meaning(releases=True),
    EventKind.CANCELLED: Meaning(reports=Kind.VOID, end=True, releases=True, amount=Told.PART),
    EventKind.EXPIRED: Meaning(releases=True, amount=Told.PART),
    EventKind.CAPTURED: _moved(Kind.CAPTURE, end=True),
    EventKind.CAPTURE_FAILED: _moved(Kind.CAPTURE, failure=True),
    EventKind.SETTLED: Meaning(implies_money=True, follows_capture=True, amount=Told.OTHER),
    EventKind.REFUND_SENT: _moved(Kind.REFUND),
    EventKind.REFUNDED: _moved(Kind.REFUND, end=True),
    EventKind.REFUND_FAILED: _moved(Kind.REFUND, failure=True),
    EventKind.CHARGED_BACK: _moved(Kind.CHARGE_BACK, end=True, amount=Told.OTHER),
    EventKind.CHARGE_BACK_REVERSED: _moved(Kind.CHARGE_BACK_REVERSAL, end=True, amount=Told.OTHER),
    EventKind.ERROR: Meaning(),
    # For example an issuer's request for information, which is about the captured amount.
    EventKind.OTHER: Meaning(amount=Told.PART),
}


def meaning(event: str) -> Meaning:
    """Return the meaning of an event. A word that is not a known event has the meaning of ``OTHER``."""
    return MEANINGS[EventKind(event)] if event in MEANINGS else MEANINGS[EventKind.OTHER]


def kind_of_ours(event: str) -> Kind | None:
    """Return the kind of operation that we request and that an event reports, if any."""
    kind = meaning(event).reports
    return None if kind in ISSUERS else kind


def kind_by_issuer(event: str) -> Kind | None:
    """Return the kind of an issuer's operation that an event reports, if any."""
    kind = meaning(event).reports
    return kind if kind in ISSUERS else None


def events_of(kind: str) -> tuple[EventKind, ...]:
    """Return the events that report operations of this kind."""
    return tuple(event for event, each in MEANINGS.items() if each.reports == kind)


def fits(owed: Money, told: Money, event: str) -> bool:
    """Return True if an event may have the amount ``told`` for an order of the amount ``owed``."""
    expected = meaning(event).amount
    if expected is Told.OTHER:
        return True
    if expected is Told.PART:
        return told.currency == owed.currency and told <= owed
    return told == owed


IMPLY_MONEY = tuple(event for event, each in MEANINGS.items() if each.implies_money)
FOLLOW_CAPTURE = tuple(event for event, each in MEANINGS.items() if each.follows_capture)
RELEASES = tuple(event for event, each in MEANINGS.items() if each.releases)
BY_ISSUERS = tuple(event for event, each in MEANINGS.items() if each.reports in ISSUERS)
