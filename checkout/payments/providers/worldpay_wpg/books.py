"""Read Worldpay's books of an order: the amounts that its journals moved, and the position of its money.

Worldpay keeps an order's money on accounts:

- IN_PROCESS_AUTHORISED: the sum that the card's bank promised, until it is captured.
- IN_PROCESS_CAPTURED: the sum that was captured, until it is settled or refunded.
- SETTLED_BIBIT_NET and SETTLED_BIBIT_COMMISSION: the sum that Worldpay owes the merchant, and its own share.
  Together they are the sum that the shopper paid.
- REFUND_PENDING and similar: the sum on its way back to the shopper.
- CHARGED_BACK: the sum that the shopper's bank took back.

A ``journal`` is a booking with two sides: each ``accountTx`` credits or debits an account. The ``balance``
elements of a ``payment`` are the sums on the accounts (activemerchant, worldpay_test.rb: inquiries with a
balance). Many replies have none. They do not show from which account settled and disputed money came.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from checkout.money import Money
from checkout.payments.providers.base import EventKind, Outcome, Position, WholePosition
from checkout.payments.providers.worldpay_wpg import codes
from checkout.payments.providers.worldpay_wpg.amounts import read_signed_amount
from checkout.payments.providers.worldpay_wpg.elements import PaymentElement, word
from checkout.payments.providers.worldpay_wpg.envelope import UnreadableMessage

IN_PROCESS_AUTHORISED, IN_PROCESS_CAPTURED = "IN_PROCESS_AUTHORISED", "IN_PROCESS_CAPTURED"
HELD, TAKEN, SETTLED, RETURNING, CHARGED_BACK = "held", "taken", "settled", "returning", "charged back"
_CAPTURED_MONEY = {TAKEN, SETTLED, RETURNING, CHARGED_BACK}
DISPUTED = "CHARGED_BACK"
_ACCOUNTS = {
    IN_PROCESS_AUTHORISED: HELD,
    IN_PROCESS_CAPTURED: TAKEN,
    "REFUND_PENDING": RETURNING,
    "IN_PROCESS_REFUND_PENDING": RETURNING,
    "IN_PROCESS_FAST_REFUND": RETURNING,
    DISPUTED: CHARGED_BACK,
}

# The net movements that show the amount of an event: the accounts, with 1 for a credit and -1 for a debit.
# All those that occur must have the same amount. A refund of settled money passes through
# IN_PROCESS_CAPTURED, which is then credited (Worldpay's published example), so for a refund only a debit of
# that account counts. Money on its way back leaves REFUND_PENDING when the refund is made. A failed capture
# is booked on the accounts of a capture, so its movements show no amount.
_MOVEMENTS = {
    EventKind.AUTHORISED: {(HELD, 1)},
    EventKind.REFUSED: {(HELD, -1)},
    EventKind.CANCELLED: {(HELD, -1)},
    EventKind.EXPIRED: {(HELD, -1)},
    EventKind.CAPTURED: {(TAKEN, 1)},
    EventKind.SETTLED: {(TAKEN, -1), (SETTLED, 1)},
    EventKind.REFUND_SENT: {(TAKEN, -1), (SETTLED, -1), (RETURNING, 1)},
    EventKind.REFUNDED: {(TAKEN, -1), (SETTLED, -1), (RETURNING, 1), (RETURNING, -1)},
    EventKind.REFUND_FAILED: {(TAKEN, 1), (SETTLED, 1), (RETURNING, -1)},
    EventKind.CHARGED_BACK: {(TAKEN, -1), (SETTLED, -1), (CHARGED_BACK, 1)},
    EventKind.CHARGE_BACK_REVERSED: {(TAKEN, 1), (SETTLED, 1), (CHARGED_BACK, -1)},
}

REFUND_AUTHORISATION = "refund_authorisation"
# The types of the reference that we gave to the operation, the likeliest first. Published examples of
# REFUNDED carry the refund's own reference with the type ``capture``. ``PAYMENT`` marks the references that
# the payment names.
PAYMENT = "payment"
_REFUND_TYPES = ("refund", "capture", PAYMENT, REFUND_AUTHORISATION, "refund_response")
_REFERENCE_TYPES = {
    EventKind.CAPTURED: ("capture", PAYMENT),
    EventKind.CAPTURE_FAILED: ("capture", PAYMENT),
    EventKind.REFUND_SENT: _REFUND_TYPES,
    EventKind.REFUNDED: _REFUND_TYPES,
    EventKind.REFUND_FAILED: _REFUND_TYPES,
}


@dataclass(frozen=True, slots=True)
class Journal:
    """One ``journal`` element; ``exponents`` are the account's."""

    element: Element
    exponents: Mapping[str, int]

    @property
    def event(self) -> str:
        return word(self.element.get("journalType", ""))

    @property
    def names_accounts(self) -> bool:
        return self.element.find("accountTx") is not None

    def amount_of(self, kind: EventKind) -> Money | None:
        """Return the amount that the journal's accounts show for an event of this kind.

        The result is None if none of the relevant accounts was moved, if they contradict each other, if the
        entries have more than one currency, or if an entry has no amount: in Worldpay's example of a
        cancelled order, the amount is outside the account. Raises ``UnreadableMessage`` for an invalid
        amount.
        """
        entries = self._entries()
        currencies = {money.currency for _, money in entries}
        if len(currencies) != 1 or not _is_balanced(entries):
            return None
        nets = _nets(entries)
        told = {sign * nets.get(group, 0) for group, sign in _MOVEMENTS.get(kind, ())}
        positive = {minor for minor in told if minor > 0}
        return Money(positive.pop(), currencies.pop()) if len(positive) == 1 else None

    def _entries(self) -> list[tuple[str, Money]]:
        """Return each entry's account and signed amount; nothing if one of them has no amount."""
        entries = []
        for entry in self.element.iterfind("accountTx"):
            money = read_signed_amount(entry, self.exponents)
            if money is None:
                return []
            entries.append((entry.get("accountType", "").strip(), money))
        return entries

    def references_by_type(self) -> Iterator[tuple[str, str]]:
        """Yield type and text of every reference. The text ``null`` is no reference."""
        for found in self.element.iterfind("journalReference"):
            if reference := word(found.get("reference", "")):
                yield found.get("type", "").strip(), reference

    @property
    def has_refund_authorisation(self) -> bool:
        return any(kind == REFUND_AUTHORISATION for kind, _ in self.references_by_type())


def meaning_of(event: str, journal: Journal | None) -> tuple[Outcome, EventKind]:
    """Return the meaning of an event, which ``journal`` books: see ``codes.meaning``.

    A refund that was sent and has a refund authorisation counts as made, because some merchants never get a
    REFUNDED (alphagov/pay-connector#5701). Until there is an authorisation, the reference is the text
    ``null``.
    """
    outcome, kind = codes.meaning(event)
    if kind == EventKind.REFUND_SENT and journal is not None and journal.has_refund_authorisation:
        kind = EventKind.REFUNDED
    return outcome, kind


def references(kind: EventKind, journal: Journal | None, payment: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return all references that may be our operation's, the likeliest first, each once.

    ``payment`` are the references that the payment names in addition to the journal.
    """
    named = list(journal.references_by_type()) if journal is not None else []
    named += [(PAYMENT, reference) for reference in payment]
    types = _REFERENCE_TYPES.get(kind, ())
    return tuple(dict.fromkeys(text for wanted in types for found, text in named if found == wanted))


def _group(account: str) -> str:
    return SETTLED if account.startswith("SETTLED_") else _ACCOUNTS.get(account, f"account {account}")


def _nets(entries: Sequence[tuple[str, Money]]) -> dict[str, int]:
    """Return the credits minus the debits of each group of accounts."""
    nets: dict[str, int] = {}
    for account, money in entries:
        group = _group(account)
        nets[group] = nets.get(group, 0) + money.minor
    return nets


def _is_balanced(entries: Sequence[tuple[str, Money]]) -> bool:
    """Return False if credits and debits are both given and differ, except if more is released than captured.

    One side is enough unless one account is both credited and debited: its net sum is then no movement.
    Worldpay's example of a captured order credits 1.01 and debits 1.00.
    """
    nets = _nets(entries)
    credited = sum(net for net in nets.values() if net > 0)
    debited = -sum(net for net in nets.values() if net < 0)
    released = max(0, -nets.get(HELD, 0))
    if credited and debited:
        return 0 <= debited - credited <= released
    sides = [{account for account, money in entries if sign * money.minor > 0} for sign in (1, -1)]
    return not sides[0] & sides[1]


# For each last event, the balance that a reply must contain, even if zero, before its sums are believed.
REQUIRED = {
    "AUTHORISED": IN_PROCESS_AUTHORISED,
    "CAPTURED": IN_PROCESS_CAPTURED,
    "PARTIAL_CAPTURED": IN_PROCESS_CAPTURED,
    "SENT_FOR_REFUND": IN_PROCESS_CAPTURED,
    "SENT_FOR_FAST_REFUND": IN_PROCESS_CAPTURED,
    "REFUNDED": IN_PROCESS_CAPTURED,
    "REFUNDED_BY_MERCHANT": IN_PROCESS_CAPTURED,
    "REFUND_FAILED": IN_PROCESS_CAPTURED,
}
_CAPTURES = (EventKind.CAPTURED,)
_REFUNDS = (EventKind.REFUND_SENT, EventKind.REFUNDED)
_OF_REFUNDS = (*_REFUNDS, EventKind.REFUND_FAILED)
_RELEASES = (EventKind.CANCELLED, EventKind.EXPIRED)


@dataclass(frozen=True, slots=True)
class Told:
    """The sums that a payment tells: its position or, if it is uncertain, the captured sum that is kept.

    If ``presume_unsettled`` is true, the sums are wrong once money of the order was settled.
    """

    position: Position | None = None
    kept: Money | None = None
    presume_unsettled: bool = False


NOTHING_TOLD = Told()


def may_have_taken(payment: PaymentElement, kind: EventKind) -> bool:
    """Return True if a balance shows, or does not rule out, that money of an ended order was captured.

    A refused authorisation was never captured, so only the known accounts count for it. One that was
    cancelled, or has expired, may have been captured, and its money may be on an account that we do not know.
    """
    filled = _filled_groups(payment)
    return bool(filled & _CAPTURED_MONEY) or (kind in _RELEASES and bool(filled - {HELD}))


def kind_in_books(payment: PaymentElement, kind: EventKind) -> EventKind:
    """Return the kind of the last event, which is a capture if money was taken after ``AUTHORISED``.

    Worldpay answers an order that is captured at once with the last event AUTHORISED and the balance of
    IN_PROCESS_CAPTURED (documentation.ixopay.com, tokenex, worldpaywpg: purchase): the event follows later.
    Accounts of balances may have any names (DTD, ``balance``), and money on IN_PROCESS_SENT_FOR_AUTH, PAYOUT
    and others is no sign of a capture. With money on such an account, the authorisation is believed only if
    all of it is still held; otherwise the last event says nothing about captures. A failed capture says
    nothing either if money was taken: its own journal has the accounts of a capture.
    """
    filled = _filled_groups(payment)
    if kind == EventKind.CAPTURE_FAILED and filled - {HELD}:
        return EventKind.OTHER
    if kind != EventKind.AUTHORISED or filled <= {HELD}:
        return kind
    if filled <= {HELD, *_CAPTURED_MONEY}:
        return EventKind.CAPTURED
    is_all_held = payment.balances.get(IN_PROCESS_AUTHORISED) == payment.amount
    return kind if is_all_held and not filled & _CAPTURED_MONEY else EventKind.OTHER


def _filled_groups(payment: PaymentElement) -> set[str]:
    """Return the groups of accounts with a positive balance; none if the balances cannot be read."""
    try:
        balances = payment.balances
    except UnreadableMessage:
        return set()
    return {_group(account) for account, money in balances.items() if money.minor > 0}


def sums_of(payment: PaymentElement, outcome: Outcome, kind: EventKind) -> Told:
    """Return the sums that follow from the balances of an order.

    Sums need an explicit balance, because the name of an event says what happened last, but not how much.
    There are no sums if the balances include any other account, another currency, two balances of one account
    or a negative sum. There are none either if the balances are older than the last event: in published
    examples, those of SENT_FOR_REFUND and REFUNDED are from before the refund. Two sums are always returned:
    money that was captured beyond the order's amount, on whatever accounts it is, and the balance of
    CHARGED_BACK.

    While a part of the authorisation is held, the rest was captured. Once nothing is held, the part that was
    not captured has been released: Worldpay does so after a first partial capture, unless the account is
    enabled for several captures. Then the balance of IN_PROCESS_CAPTURED is the sum that is kept, and the
    position is certain only if that is the whole amount.

    A refund of settled money is booked from SETTLED_BIBIT_NET to IN_PROCESS_CAPTURED (Worldpay's published
    example of REFUNDED), and raises that balance, while a refund of other money lowers it. Without a settled
    balance, the two look alike after an event of a refund, so these sums presume that nothing was settled. A
    balance of zero after a failed refund contradicts that.

    An order that was refused or cancelled holds nothing, unless a balance says otherwise. The cancellation or
    expiry may concern only the rest of an order: callers who have captured a part may not conclude from zeros
    that nothing was captured.
    """
    amount = payment.amount
    if amount is None:
        return NOTHING_TOLD
    nothing = Money(0, amount.currency)
    try:
        balances = payment.balances
    except UnreadableMessage:
        return NOTHING_TOLD
    if outcome == Outcome.REFUSED and not any(balance.minor for balance in balances.values()):
        return Told(WholePosition(authorised=nothing, captured=nothing, refunded=nothing))
    if (told := _told_in_any_case(amount, balances)) is not None:
        return Told(told)
    is_of_taken = kind in _RELEASES or kind in _CAPTURES
    required = IN_PROCESS_CAPTURED if is_of_taken else REQUIRED.get(payment.event)
    if required not in balances or not balances.keys() <= {IN_PROCESS_AUTHORISED, IN_PROCESS_CAPTURED}:
        return NOTHING_TOLD
    if any(balance.currency != amount.currency or balance < nothing for balance in balances.values()):
        return NOTHING_TOLD
    if kind in _RELEASES:
        return Told(kept=balances[IN_PROCESS_CAPTURED])
    is_of_refund = kind in _OF_REFUNDS
    held, kept = (balances.get(name, nothing) for name in (IN_PROCESS_AUTHORISED, IN_PROCESS_CAPTURED))
    if held + kept > amount or (kind == EventKind.REFUND_FAILED and not kept.minor):
        return NOTHING_TOLD
    if not held.minor and kept != amount:
        is_told = IN_PROCESS_CAPTURED in balances
        return Told(kept=kept, presume_unsettled=is_of_refund) if is_told else NOTHING_TOLD
    captured = amount - held
    refunded = captured - kept
    if (kind in _CAPTURES and captured == nothing) or (kind in _REFUNDS and refunded == nothing):
        return NOTHING_TOLD
    if refunded.minor and IN_PROCESS_CAPTURED not in balances:
        return NOTHING_TOLD
    position = WholePosition(authorised=amount, captured=captured, refunded=refunded)
    return Told(position, presume_unsettled=is_of_refund)


def _told_in_any_case(amount: Money, balances: Mapping[str, Money]) -> Position | None:
    """Return the two sums that the balances tell even if they do not tell all of the order's money.

    A journal moves money from one account to another, so the accounts of captured money together have no more
    than was captured.
    """
    taken = [balance for account, balance in balances.items() if _group(account) in _CAPTURED_MONEY]
    disputed = balances.get(DISPUTED)
    if not taken or any(balance.currency != amount.currency for balance in taken):
        return None
    captured = Money(sum(balance.minor for balance in taken), amount.currency)
    is_beyond = captured > amount
    if not is_beyond and (disputed is None or disputed.minor < 0):
        return None
    return Position(captured=captured if is_beyond else None, charged_back=disputed)
