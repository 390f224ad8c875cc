"""The invariant about saved cards, I13, checked in our tables and those of provider and merchant."""

import math
from collections.abc import Iterator

from tests.faults.evidence import Evidence


def cards_obey_their_owners(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Check that a card is saved only at a shopper's wish, for one customer, and not charged once removed.

    At the end, no token is left to be deleted. A refused charge has changed nothing.
    """
    for fault in evidence.card_faults:
        yield "", fault
    for card in evidence.cards:
        if card.payment not in evidence.ticked:
            yield card.payment, f"{card.reference} was saved, and the shopper did not ask"
        if card.owner != card.owner_of_payment:
            yield card.payment, f"{card.reference} is of {card.owner}, the payment of {card.owner_of_payment}"
        is_erased = card.payment in evidence.erased
        if (card.reference in evidence.removed or is_erased) and not card.is_removed:
            yield card.payment, f"{card.reference} was removed, and is not"
        if card.is_owed:
            yield card.payment, f"the token of {card.reference} is still to be deleted at the provider"
        if is_erased and card.customer:
            yield card.payment, f"{card.reference} names {card.customer}, and the payment was erased"
    saved_with = {card.reference: card.payment for card in evidence.cards}
    for charge in evidence.charges:
        removed_at = evidence.removed.get(charge.card, math.inf)
        erased_at = evidence.erased.get(saved_with.get(charge.card, ""), math.inf)
        is_late = charge.began > min(removed_at, erased_at)
        if is_late and charge.order_code in evidence.orders:
            yield charge.payment, f"{charge.order_code} was charged to {charge.card}, which had been removed"
        if charge.is_anothers:
            yield charge.payment, f"{charge.order_code} was charged to {charge.card} of somebody else"
    for payment in evidence.payments.values():
        if payment.order_reference in evidence.charges_refused:
            yield payment.reference, f"{payment.order_reference} was refused, and exists"
