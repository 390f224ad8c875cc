"""The public object of a saved card, which contains neither the card number nor the token."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from checkout.described import PAYMENT, SAVED_CARD, TIME, told
from checkout.payments.models.saved_card import SavedCard
from checkout.payments.objects.nested import CardObject


class SavedCardObject(msgspec.Struct, frozen=True, kw_only=True):
    """A card that a customer has saved."""

    id: Annotated[str, told("The id of the saved card.", SAVED_CARD)]
    object: Annotated[Literal["saved_card"], told("The kind of object.", "saved_card")] = "saved_card"
    customer_reference: Annotated[str, told("The merchant's own id of the customer.", "customer-7")]
    state: Annotated[Literal["active", "removed"], told("The state of the saved card.", "active")]
    usable: Annotated[bool, told("True if the card was not removed and has not expired.", True)]
    card: Annotated[CardObject, told("As much of the card as may be shown.")]
    expiry: Annotated[str, told("The month in which the card expires, as `MM/YYYY`.", "12/2030")]
    payment: Annotated[str, told("The id of the payment with which the card was saved last.", PAYMENT)]
    created_at: Annotated[datetime, told("The time at which the card was saved.", TIME)]
    removed_at: Annotated[
        datetime | None, told("The time at which it was removed; null if it was not.", None)
    ]


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
