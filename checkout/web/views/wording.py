"""The texts that tell a shopper the result of a payment and the next step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.utils.translation import gettext_noop as _

from checkout.languages import translated
from checkout.localised_money import localised_money
from checkout.payments.actions import PaymentView, Taken
from checkout.payments.card_brands import SCHEMES
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
    sentences: tuple[str, ...]
    tone: str = "calm"
    another_try: str = ""

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return " ".join(self.sentences)

    def translated(self, values: Mapping[str, str]) -> "Ending":
        """Return the ending in the active language, with the values of its names in braces."""
        sentences = tuple(translated(sentence).format_map(values) for sentence in self.sentences)
        return Ending(translated(self.title), sentences, self.tone, translated(self.another_try))


THANK_YOU = _("Thank you.")
NOTHING_CHARGED = _("Nothing was charged.")
SHOWN_LATER = _("Your bank may take some days to show it.")
WITH_RECEIPT = _("You will get a receipt by e-mail.")
GIVEN_BACK = _("{refunded} has been given back to your card.")

RESERVED = Ending(
    _("Payment accepted"),
    (THANK_YOU, _("The amount is reserved on your card until the order is sent.")),
    "good",
)
# The capture was refused after the order had been confirmed, or staff found that the money is only reserved.
NOT_TAKEN = Ending(
    _("Reserved on your card"),
    (
        _("The amount is reserved on your card, and has not been taken."),
        _("The seller will contact you."),
    ),
)
PAID = Ending(_("Payment complete"), (THANK_YOU,), "good")
NOT_MADE = Ending(_("Payment not made"), (), "bad")

ENDINGS = {
    PaymentState.CAPTURE_PENDING: PAID,
    PaymentState.CAPTURED: PAID,
    PaymentState.AUTHORISED: RESERVED,
    PaymentState.PARTIALLY_CAPTURED: Ending(_("Payment accepted"), (THANK_YOU,), "good"),
    PaymentState.PARTIALLY_REFUNDED: Ending(_("Paid, partly refunded"), (GIVEN_BACK, SHOWN_LATER)),
    PaymentState.REFUNDED: Ending(_("Refunded"), (GIVEN_BACK, SHOWN_LATER)),
    PaymentState.VOID_PENDING: Ending(
        _("Being cancelled"), (_("The amount reserved on your card is being released."),)
    ),
    PaymentState.VOIDED: Ending(
        _("Cancelled"),
        (_("The amount reserved on your card has been released."), NOTHING_CHARGED, SHOWN_LATER),
    ),
    PaymentState.CHARGED_BACK: Ending(
        _("Payment disputed"),
        (_("Your bank has taken this payment back, or a part of it."), _("Please ask the shop.")),
    ),
    PaymentState.CANCELLED: Ending(_("Payment cancelled"), (NOTHING_CHARGED, ORDER_AGAIN)),
    PaymentState.EXPIRED: Ending(
        _("Payment expired"),
        (
            _("The time for this payment is over, and nothing was charged."),
            _(
                "If an amount was reserved on your card, it is released; your bank may take some days to "
                "show that."
            ),
            _("To pay, order again, or contact the seller."),
        ),
    ),
}

# The texts about an order's payment in the example shop.
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
    scheme = SCHEMES.get(brand) or brand.replace("_", " ").title() or translated(_("Card"))
    return translated(_("{scheme} ending in {digits}")).format(scheme=scheme, digits=card["last4"])


def ending_of(payment: PaymentView, formats: str = "") -> Ending:
    """Return the text about a decided payment in the active language. Sums are written by ``formats``."""
    ending, values = _with_sums(_ending_of(payment), payment.taken, formats)
    return ending.translated(values)


def may_try_again(payment: PaymentView) -> bool:
    """Return True if the page about the payment offers the card form once more."""
    return bool(_ending_of(payment).another_try)


def _ending_of(payment: PaymentView) -> Ending:
    if payment.state is PaymentState.REFUSED:
        if not payment.attempts_left:
            return replace(NOT_MADE, sentences=(TRIED_TOO_OFTEN.detail,))
        reason = payment.refusal_reason
        sentences = (advice_for(reason), NOTHING_CHARGED)
        return replace(NOT_MADE, sentences=sentences, another_try=_another_try(reason))
    if payment.state is PaymentState.AUTHORISED and payment.captures_automatically:
        return NOT_TAKEN
    ending = ENDINGS[payment.state]
    has_receipt = ending in (PAID, RESERVED) and payment.has_receipt
    return replace(ending, sentences=(*ending.sentences, WITH_RECEIPT)) if has_receipt else ending


def _with_sums(ending: Ending, taken: Taken | None, formats: str) -> tuple[Ending, Mapping[str, str]]:
    """Return the ending of a payment that was partly taken or refunded, and the sums that it names."""
    if taken is None:
        return ending, {}
    if ending is ENDINGS[PaymentState.PARTIALLY_CAPTURED]:
        ending = replace(ending, sentences=(*ending.sentences, _taken_in_part(taken)))
    captured, refunded = (localised_money(amount, formats) for amount in (taken.captured, taken.refunded))
    return ending, {"captured": captured, "refunded": refunded}


def _taken_in_part(taken: Taken) -> str:
    if taken.reserved.minor:
        return _("{captured} has been taken, and the rest is reserved until the whole order is sent.")
    if taken.under_way.minor:
        return _("{captured} has been taken, and the rest is being taken.")
    return _("{captured} has been taken, and the rest will not be.")


def _another_try(reason: str) -> str:
    """Return the label of the link to the card form, which agrees with the advice."""
    if reason == OUT_OF_STOCK:
        return ""
    is_for_another_card = is_ours(reason) and reason not in SAME_CARD_MAY_WORK
    return _("Try again with another card") if is_for_another_card else _("Try again")
