"""The reasons for a refusal in words for shoppers and for merchants' developers."""

from collections.abc import Mapping

from django.utils.translation import gettext_noop as _

from checkout.own.packages import own_advice
from checkout.payments.providers.base import RefusalReason
from checkout.states import ENDED_WITHOUT_MONEY, AttemptState

OUT_OF_STOCK = "out_of_stock"
ASK_THE_BANK = _("Your bank did not allow this payment. Please use another card, or ask your bank.")
ASK_THE_SHOP = _("The shop cannot accept this payment as it is. Please ask the shop.")

# The next step for a shopper. Reasons that could help a card thief are not listed.
ADVICE: Mapping[str, str] = {
    RefusalReason.INSUFFICIENT_FUNDS: _(
        "There is not enough money available on this card. Please use another card."
    ),
    RefusalReason.CARD_EXPIRED: _("This card has expired. Please check the expiry date or use another card."),
    RefusalReason.CARD_INVALID: _(
        "The card details were not accepted. Please check them or use another card."
    ),
    RefusalReason.SECURITY_CODE_INVALID: _(
        "The security code was not accepted. Please check it and try again."
    ),
    # The refusal may come from the risk service, and the bank then knows nothing about it.
    RefusalReason.NOT_PERMITTED: _(
        "This payment was not allowed. Please use another card, or ask your bank or the shop."
    ),
    RefusalReason.AUTHENTICATION_FAILED: _(
        "Your bank could not confirm that it is you. Try again, or use another card."
    ),
    RefusalReason.AUTHENTICATION_REQUIRED: _("Your bank wants to confirm that it is you. Please try again."),
    RefusalReason.ISSUER_UNAVAILABLE: _("Your bank could not be reached. Please try again in a few minutes."),
    RefusalReason.CANCELLED: _("The payment was cancelled. You can try again whenever you like."),
    RefusalReason.INVALID_REQUEST: _(
        "The payment could not be made as it was sent. Please try again or use another card."
    ),
    RefusalReason.PROVIDER_ERROR: _(
        "The payment could not be made just now. Please try again in a few minutes."
    ),
    RefusalReason.CARD_NOT_RECEIVED: _("The card details did not reach the bank. Please enter them again."),
    OUT_OF_STOCK: _("What you ordered has just sold out, so the payment was not made."),
    # If a refused attempt has no reason, its state is used instead.
    AttemptState.NOT_SENT: _("Nothing was paid with this attempt."),
    AttemptState.EXPIRED: _("The time to confirm this payment is over. Nothing was paid."),
}


def advice_for(reason: str) -> str:
    """Return the English text about a refusal for shoppers. A step of your own may define it.

    Pages translate the text, also with the catalogues of your own apps.
    """
    if is_ours(reason):
        return ADVICE.get(reason, ASK_THE_BANK)
    return own_advice(reason) or ASK_THE_SHOP


def is_ours(reason: str) -> bool:
    """Return False if a step of your own has refused, so that the reason is not the card."""
    return reason in ("", OUT_OF_STOCK, *RefusalReason, *ENDED_WITHOUT_MONEY)


def in_words(reason: str) -> str:
    """Return the text about a refusal for the merchant's developer."""
    return f"The attempt was refused: {reason.replace('_', ' ')}."
