"""Cards that a provider keeps for later charges: requests for a token, its issue, and its use."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

# The event of a deletion whose token the provider has not found, without being sure that there is none.
TOKEN_NOT_FOUND = "TOKEN_NOT_FOUND"  # noqa: S105 - an event, not a secret


class MerchantInitiated(StrEnum):
    """The reason for a charge without the shopper, in the words of the card schemes."""

    UNSCHEDULED = "unscheduled"
    RECURRING = "recurring"
    INSTALMENT = "instalment"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCard:
    """A card that the provider keeps.

    ``shopper`` is the name under which the provider has bound the token to one customer. ``reason`` says why
    the card is charged without the shopper; it is None if the shopper is present and has chosen the card.
    ``scheme_transaction`` is the card scheme's id of the payment with which the card was saved.
    """

    token: str = field(repr=False)
    shopper: str
    reason: MerchantInitiated | None
    scheme_transaction: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptToken:
    """A token that the provider keeps, and the name under which it has bound the token to one customer."""

    token: str = field(repr=False)
    shopper: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """The provider's name of a card that it keeps.

    ``expiry`` is the card's own, ``MM/YYYY``; ``valid_until`` is the last day on which the token can be used.
    """

    token: str = field(repr=False)
    brand: str
    last4: str
    expiry: str
    valid_until: date | None = None
    scheme_transaction: str = ""
