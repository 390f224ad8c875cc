"""Objects that are parts of other objects: the card, an error and the next action."""

from typing import Annotated, Literal

import msgspec

from checkout.described import PAYMENT, told
from checkout.payments.models.payment import Attempt
from checkout.payments.objects.advice import advice_for, in_words

Action = Literal["capture", "void", "refund", "cancel"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of another object. Readers ignore unknown fields."""


class CardObject(Part, frozen=True):
    """The data of the card that may be shown."""

    brand: Annotated[str, told("The card's brand.", "visa")]
    last4: Annotated[str, told("The last four digits of the card number.", "1111")]


class ErrorObject(Part, frozen=True):
    """A refusal, with texts for developers and shoppers."""

    code: Annotated[str, told("The reason, as a word of the gateway.", "insufficient_funds")]
    decline_code: Annotated[str, told("The provider's own code; blank if it has told none.", "51")]
    message: Annotated[
        str, told("The reason in words, for a developer.", "The attempt was refused: insufficient funds.")
    ]
    shopper_message: Annotated[
        str,
        told(
            "The next step in words, for a shopper.",
            "There is not enough money available on this card. Please use another card.",
        ),
    ]


class NextAction(Part, frozen=True):
    """The next step of the shopper."""

    type: Annotated[Literal["redirect"], told("The kind of step: send the shopper to `url`.", "redirect")]
    url: Annotated[
        str, told("The address to which the shopper has to go.", f"https://pay.example/checkout/{PAYMENT}/")
    ]


def card_of(attempt: Attempt | None) -> CardObject | None:
    """Return the card of an attempt, or None if the provider has not reported it."""
    card = attempt.card if attempt else {}
    if not card.get("last4"):
        return None
    return CardObject(brand=card.get("brand", ""), last4=card["last4"])


def error_of(reason: str, attempt: Attempt | None) -> ErrorObject | None:
    """Return the refusal for ``reason``, with the provider's code if it belongs to that reason."""
    if not reason:
        return None
    is_attempts = attempt is not None and attempt.refusal_reason == reason
    return ErrorObject(
        code=reason,
        decline_code=attempt.refusal_code if attempt is not None and is_attempts else "",
        message=in_words(reason),
        shopper_message=advice_for(reason),
    )
