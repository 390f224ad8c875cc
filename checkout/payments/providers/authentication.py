"""The authentication of a shopper by the card's issuer (3-D Secure), as a provider reports it."""

from dataclasses import dataclass
from enum import StrEnum


class Authentication(StrEnum):
    """The result of an authentication. ``ATTEMPTED`` means that the issuer takes no part for this card."""

    AUTHENTICATED = "authenticated"
    ATTEMPTED = "attempted"
    NOT_AVAILABLE = "not_available"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreeDSecure:
    """The authentication, as far as the provider reports it.

    ``result`` is the provider's word. ``status`` is its meaning, or None if the adapter does not know the
    word.
    """

    result: str = ""
    status: Authentication | None = None
    version: str = ""
    eci: str = ""
    transaction_id: str = ""
