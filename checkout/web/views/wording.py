"""The texts that tell a shopper the result of a payment and the next step."""

from dataclasses import dataclass, replace

from checkout.payments.actions import PaymentView
from checkout.payments.objects.advice import OUT_OF_STOCK, advice_for
from checkout.problems import TRIED_TOO_OFTEN
from checkout.states import PaymentState as S


@dataclass(frozen=True, slots=True)
class Ending:
    """The text about a result. ``tone`` is good, bad or calm, and never the only sign of the result."""

    title: str
    text: str
    tone: str = "calm"
    another_card_may_help: bool = False


PAID = Ending("Payment complete", "Thank you.", "good")
WITH_RECEIPT = " We have sent you a receipt by e-mail."

ENDINGS = {
    S.CAPTURE_PENDING: PAID,
    S.CAPTURED: PAID,
    S.AUTHORISED: Ending(
        "Payment accepted", "Thank you. The amount is reserved on your card until the order is sent.", "good"
    ),
    S.PARTIALLY_CAPTURED: Ending(
        "Payment accepted",
        "Thank you. Part of the amount has been taken, the rest is reserved until the whole order is sent.",
        "good",
    ),
    S.PARTIALLY_REFUNDED: Ending(
        "Paid, partly refunded", "Part of the amount has been given back to your card."
    ),
    S.REFUNDED: Ending("Refunded", "The whole amount has been given back to your card."),
    S.VOID_PENDING: Ending("Being cancelled", "The amount reserved on your card is being released."),
    S.VOIDED: Ending("Cancelled", "The amount reserved on your card has been released. Nothing was charged."),
    S.CHARGED_BACK: Ending(
        "Payment disputed", "Your bank has taken this payment back, or a part of it. Please ask the shop."
    ),
    S.CANCELLED: Ending("Payment cancelled", "Nothing was charged. Please start again in the shop."),
    S.EXPIRED: Ending(
        "Payment expired",
        "It was not completed in time, and nothing was charged. Please start again in the shop.",
    ),
}


WORDS = {
    S.AUTHORISED: "Reserved on your card",
    S.CAPTURE_PENDING: "Paid",
    S.CAPTURED: "Paid",
    S.PARTIALLY_CAPTURED: "Paid in part",
    S.PARTIALLY_REFUNDED: "Paid, partly refunded",
}


def word_of(state: S) -> str:
    """Return the shop's text about an order's payment."""
    return WORDS.get(state) or state.value.replace("_", " ").capitalize()


def ending_of(payment: PaymentView) -> Ending:
    """Return the text about a decided payment."""
    if payment.state is S.REFUSED:
        advice = advice_for(payment.refusal_reason)
        text, helps = f"{advice} Nothing was charged.", payment.refusal_reason != OUT_OF_STOCK
        if not payment.attempts_left:
            return Ending("Payment not made", TRIED_TOO_OFTEN.detail, "bad")
        return Ending("Payment not made", text, "bad", another_card_may_help=helps)
    ending = ENDINGS[payment.state]
    has_receipt = ending is PAID and payment.has_receipt
    return replace(ending, text=ending.text + WITH_RECEIPT) if has_receipt else ending
