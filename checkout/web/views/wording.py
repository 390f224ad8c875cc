"""The texts that tell a shopper the result of a payment and the next step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from checkout.localised_money import localised_money
from checkout.payments.actions import PaymentView, Taken
from checkout.payments.objects.advice import OUT_OF_STOCK, advice_for, is_ours
from checkout.payments.providers.base import RefusalReason
from checkout.problems import ORDER_AGAIN, TRIED_TOO_OFTEN
from checkout.states import PaymentState


@dataclass(frozen=True, slots=True)
class Ending:
    """The text about a result. ``tone`` is good, bad or calm, and sets the colour of the page.

    ``another_try`` is the label of the link to the card form, if the shopper may try again.
    """

    title: str
    text: str
    tone: str = "calm"
    another_try: str = ""


RESERVED = Ending(
    "Payment accepted", "Thank you. The amount is reserved on your card until the order is sent.", "good"
)
# The capture was refused after the order had been confirmed, or staff found that the money is only reserved.
NOT_TAKEN = Ending(
    "Reserved on your card",
    "The amount is reserved on your card, and has not been taken. The seller will contact you.",
)
PAID = Ending("Payment complete", "Thank you.", "good")
SHOWN_LATER = " Your bank may take some days to show it."
WITH_RECEIPT = " You will get a receipt by e-mail."

ENDINGS = {
    PaymentState.CAPTURE_PENDING: PAID,
    PaymentState.CAPTURED: PAID,
    PaymentState.AUTHORISED: RESERVED,
    PaymentState.PARTIALLY_CAPTURED: Ending("Payment accepted", "Thank you. {taken}.", "good"),
    PaymentState.PARTIALLY_REFUNDED: Ending(
        "Paid, partly refunded", f"{{refunded}} has been given back to your card.{SHOWN_LATER}"
    ),
    PaymentState.REFUNDED: Ending("Refunded", f"{{refunded}} has been given back to your card.{SHOWN_LATER}"),
    PaymentState.VOID_PENDING: Ending(
        "Being cancelled", "The amount reserved on your card is being released."
    ),
    PaymentState.VOIDED: Ending(
        "Cancelled",
        f"The amount reserved on your card has been released. Nothing was charged.{SHOWN_LATER}",
    ),
    PaymentState.CHARGED_BACK: Ending(
        "Payment disputed", "Your bank has taken this payment back, or a part of it. Please ask the shop."
    ),
    PaymentState.CANCELLED: Ending("Payment cancelled", f"Nothing was charged. {ORDER_AGAIN}"),
    PaymentState.EXPIRED: Ending(
        "Payment expired",
        "The time for this payment is over, and nothing was charged. If an amount was reserved on your card, "
        "it is released; your bank may take some days to show that. To pay, order again, or contact the "
        "seller.",
    ),
}


WORDS = {
    PaymentState.OPEN: "Not paid yet",
    PaymentState.PROCESSING: "Being confirmed",
    PaymentState.CHALLENGE_REQUIRED: "To be confirmed at your bank",
    PaymentState.CONFIRMING: "Being confirmed",
    PaymentState.CONFLICTED: "Being confirmed",
    PaymentState.AUTHORISED: "Reserved on your card",
    PaymentState.CAPTURE_PENDING: "Paid",
    PaymentState.CAPTURED: "Paid",
    PaymentState.PARTIALLY_CAPTURED: "Paid in part",
    PaymentState.PARTIALLY_REFUNDED: "Paid, partly refunded",
    PaymentState.REFUNDED: "Refunded",
    PaymentState.REFUSED: "Not paid",
    PaymentState.VOID_PENDING: "Being cancelled",
    PaymentState.VOIDED: "Cancelled",
    PaymentState.CHARGED_BACK: "Disputed",
    PaymentState.CANCELLED: "Cancelled",
    PaymentState.EXPIRED: "Expired",
}

# The names of card schemes, by their codes in our records.
SCHEMES = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "American Express",
    "maestro": "Maestro",
    "jcb": "JCB",
    "diners": "Diners Club",
    "discover": "Discover",
    "cartes_bancaires": "Cartes Bancaires",
    "dankort": "Dankort",
    "unionpay": "UnionPay",
}

# Reasons after which the same card may be accepted at the next try, as the advice says.
SAME_CARD_MAY_WORK = {
    RefusalReason.CARD_EXPIRED,
    RefusalReason.CARD_INVALID,
    RefusalReason.SECURITY_CODE_INVALID,
    RefusalReason.AUTHENTICATION_FAILED,
    RefusalReason.AUTHENTICATION_REQUIRED,
    RefusalReason.ISSUER_UNAVAILABLE,
    RefusalReason.CANCELLED,
    RefusalReason.INVALID_REQUEST,
    RefusalReason.PROVIDER_ERROR,
    RefusalReason.CARD_NOT_RECEIVED,
}


def word_of(state: PaymentState) -> str:
    """Return the shop's text about an order's payment."""
    return WORDS[state]


def card_in_words(card: Mapping[str, str]) -> str:
    """Return the scheme and the last digits of a payment's card; empty if they are not known."""
    if not card.get("last4"):
        return ""
    brand = card.get("brand", "")
    return f"{SCHEMES.get(brand) or brand.replace('_', ' ').title() or 'Card'} ending in {card['last4']}"


def ending_of(payment: PaymentView) -> Ending:
    """Return the text about a decided payment."""
    if payment.state is PaymentState.REFUSED:
        if not payment.attempts_left:
            return Ending("Payment not made", TRIED_TOO_OFTEN.detail, "bad")
        text = f"{advice_for(payment.refusal_reason)} Nothing was charged."
        return Ending("Payment not made", text, "bad", _another_try(payment.refusal_reason))
    if payment.state is PaymentState.AUTHORISED and payment.captures_automatically:
        return NOT_TAKEN
    ending = _with_sums(ENDINGS[payment.state], payment.taken, payment.locale)
    has_receipt = ending in (PAID, RESERVED) and payment.has_receipt
    return replace(ending, text=ending.text + WITH_RECEIPT) if has_receipt else ending


def _with_sums(ending: Ending, taken: Taken | None, locale: str) -> Ending:
    """Fill in the sums of a payment that was partly taken or refunded."""
    if taken is None:
        return ending
    if taken.reserved.minor:
        rest = ", and the rest is reserved until the whole order is sent"
    else:
        rest = ", and the rest is being taken" if taken.under_way.minor else ", and the rest will not be"
    captured, refunded = (localised_money(amount, locale) for amount in (taken.captured, taken.refunded))
    words = {"taken": f"{captured} has been taken{rest}", "refunded": refunded}
    return replace(ending, text=ending.text.format_map(words))


def _another_try(reason: str) -> str:
    """Return the label of the link to the card form, which agrees with the advice."""
    if reason == OUT_OF_STOCK:
        return ""
    is_for_another_card = is_ours(reason) and reason not in SAME_CARD_MAY_WORK
    return "Try again with another card" if is_for_another_card else "Try again"
