"""The card form and the CAPTCHA before it, which more than one address shows."""

from django.http import HttpRequest, HttpResponse

from checkout.payments.actions import CheckoutPage
from checkout.payments.providers.addresses import policy_source
from checkout.states import PaymentState
from checkout.web.pages import return_address_of
from checkout.web.protection.captcha import get_captcha, has_pass
from checkout.web.rendering import as_it_is, in_language_of_shopper
from checkout.web.views.form_texts import form_texts
from checkout.web.views.wording import ending_of
from payments_gateway.serving.security.headers import content_security


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

    ``status`` is 400 if no script ran, so that the form had no encrypted card.
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
            "brands": as_it_is(", ".join(shown.accepted_brands)),
            "texts": form_texts(),
        }
        return reader.payment_page("checkout/checkout.html", payment, context, status=status)
