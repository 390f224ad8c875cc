"""The public object of a saved card, which contains neither the card number nor the token."""

from datetime import datetime
from typing import Literal

import msgspec

from checkout.payments.models.saved_card import SavedCard
from checkout.payments.objects.nested import CardObject


class SavedCardObject(msgspec.Struct, frozen=True, kw_only=True):
    """A card that a customer has saved. ``expiry`` is ``MM/YYYY``.

    ``usable`` is true if the card was not removed and has not expired. ``payment`` is the id of the payment
    with which the card was saved last.
    """

    id: str
    object: Literal["saved_card"] = "saved_card"
    customer_reference: str
    state: Literal["active", "removed"]
    usable: bool
    card: CardObject
    expiry: str
    payment: str
    created_at: datetime
    removed_at: datetime | None


def saved_card_object(card: SavedCard) -> SavedCardObject:
    """Return the object of a card. Its payment should have been read with it."""
    return SavedCardObject(
        id=card.reference,
        customer_reference=card.customer_reference,
        state="active" if card.state == SavedCard.State.ACTIVE else "removed",
        usable=card.is_usable,
        card=CardObject(brand=card.brand, last4=card.last4),
        expiry=card.expiry,
        payment=card.payment.reference,
        created_at=card.created_at,
        removed_at=card.removed_at,
    )
