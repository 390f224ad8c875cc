"""Objects that are parts of other objects: the card, an error and the next action."""

from typing import Literal

import msgspec

from checkout.payments.models.payment import Attempt
from checkout.payments.objects.advice import advice_for, in_words

Action = Literal["capture", "void", "refund", "cancel"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of another object. Readers ignore unknown fields."""


class CardObject(Part, frozen=True):
    """The data of the card that may be shown."""

    brand: str
    last4: str


class ErrorObject(Part, frozen=True):
    """A refusal: our ``code``, the provider's ``decline_code``, and texts for developers and shoppers."""

    code: str
    decline_code: str
    message: str
    shopper_message: str


class NextAction(Part, frozen=True):
    """The next step: send the shopper to ``url``."""

    type: Literal["redirect"]
    url: str


def card_of(attempt: Attempt | None) -> CardObject | None:
    """Return the card of an attempt, or None if the provider has not reported it."""
    card = attempt.card if attempt else {}
    if not card.get("last4"):
        return None
    return CardObject(brand=card.get("brand", ""), last4=card["last4"])


def error_of(reason: str, attempt: Attempt | None) -> ErrorObject | None:
    """Return the refusal for ``reason``, with the provider's code if the attempt was refused for it."""
    if not reason:
        return None
    is_attempts = attempt is not None and attempt.refusal_reason == reason
    return ErrorObject(
        code=reason,
        decline_code=attempt.refusal_code if attempt is not None and is_attempts else "",
        message=in_words(reason),
        shopper_message=advice_for(reason),
    )
