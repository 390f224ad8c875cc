"""The card form and the CAPTCHA before it, which more than one address shows."""

from django.http import HttpRequest, HttpResponse

from checkout.payments import actions
from checkout.payments.actions import CheckoutPage, OfferedCard, PaymentView
from checkout.payments.providers.addresses import policy_source
from checkout.states import PaymentState
from checkout.web.pages import return_address_of
from checkout.web.protection.captcha import get_captcha, has_pass
from checkout.web.protection.customer import is_customer
from checkout.web.rendering import as_it_is, in_language_of_shopper
from checkout.web.views.form_texts import form_texts
from checkout.web.views.wording import card_in_words, ending_of
from messaging.concurrency.database import in_thread
from payments_gateway.serving.security.headers import content_security


async def shown_to(request: HttpRequest, reference: str) -> CheckoutPage | PaymentView:
    """Return what the card form shows to this browser, or the payment. Raises as ``checkout_page`` does."""
    address, is_known = request.META.get("REMOTE_ADDR") or "", is_customer(request, reference)
    return await in_thread(actions.checkout_page, reference, address=address, is_customer=is_known)


def is_captcha_due(request: HttpRequest, shown: CheckoutPage) -> bool:
    """Return True if a CAPTCHA must be solved before this browser sees the card form."""
    reference, number = shown.payment.reference, shown.attempt_number
    return shown.requires_captcha and not has_pass(request, reference, number)


def captcha_page(request: HttpRequest, shown: CheckoutPage, *, was_wrong: bool = False) -> HttpResponse:
    """Return the page with the question."""
    with in_language_of_shopper(request, shown.payment) as reader:
        context = {"captcha": get_captcha().render(request), "was_wrong": was_wrong}
        status = 400 if was_wrong else 200
        return reader.payment_page("checkout/captcha.html", shown.payment, context, status=status)


def card_form_page(request: HttpRequest, shown: CheckoutPage, *, status: int = 200) -> HttpResponse:
    """Return the card form, below the reason if the last attempt was refused.

    ``status`` is 400 if no script ran, so that the form had no encrypted card, and 409 if the saved card that
    was chosen cannot be used any more.
    """
    device_data = policy_source(shown.device_data.action)
    policy = content_security(request)
    for directive in ("frame-src", "form-action"):
        policy.allow(directive, device_data)
    payment = shown.payment
    is_refused = payment.state is PaymentState.REFUSED
    with in_language_of_shopper(request, payment) as reader:
        context = {
            "page": shown,
            "plain_amount": reader.money(payment.amount),
            "ending": ending_of(payment, reader.language.formats) if is_refused else None,
            "return_address": return_address_of(payment),
            "was_not_encrypted": status == 400,
            "is_card_gone": status == 409,
            "saved_cards": [_in_words(card) for card in shown.saved_cards],
            "brands": as_it_is(", ".join(shown.accepted_brands)),
            "texts": form_texts(),
        }
        return reader.payment_page("checkout/checkout.html", payment, context, status=status)


def _in_words(card: OfferedCard) -> dict[str, str]:
    """Return the texts about a saved card, in the active language."""
    month, _, year = card.expiry.partition("/")
    name = card_in_words({"brand": card.brand, "last4": card.last4})
    return {"reference": card.reference, "name": name, "expiry": f"{month}/{year[-2:]}"}
