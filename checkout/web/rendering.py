"""The pages of shoppers, rendered in the language that each of them reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html
from django.utils.safestring import SafeString

from checkout.colours import style_of
from checkout.languages import (
    LANGUAGES,
    PARAMETER,
    Language,
    language_of,
    remember_language,
    remembered_language,
)
from checkout.localised_money import localised_money
from checkout.money import Money
from checkout.payments.actions import PaymentView
from checkout.payments.models import Appearance
from checkout.web.pages import payment_page_of
from payments_gateway.serving.security.headers import content_security


@dataclass(frozen=True, slots=True)
class InLanguage:
    """Pages of one request in a language that is active."""

    request: HttpRequest
    language: Language
    appearance: Appearance | None = None

    def money(self, amount: Money) -> str:
        """Return an amount as the language writes it."""
        return localised_money(amount, self.language.formats)

    def page(
        self, template: str, context: dict[str, Any], *, status: int = 200, may_switch: bool = True
    ) -> HttpResponse:
        """Return a page. ``may_switch`` offers the other languages.

        A page that goes on by itself does not offer them, because it would go on again.
        """
        shared: dict[str, Any] = {
            "language": self.language,
            "languages": LANGUAGES.values() if may_switch else (),
        }
        if self.appearance is not None:
            shared |= {"appearance": self.appearance, "style": style_of(self.appearance.colour)}
            if shared["style"]:
                policy = content_security(self.request)
                policy.allow("style-src", f"'nonce-{policy.nonce}'")
        if self.request.method == "POST":
            shared["switch_path"] = payment_page_of(self.request)
        response = render(self.request, template, shared | context, status=status)
        response.headers["Content-Language"] = self.language.code
        patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response

    def payment_page(
        self,
        template: str,
        payment: PaymentView,
        context: dict[str, Any],
        *,
        status: int = 200,
        may_switch: bool = True,
    ) -> HttpResponse:
        """Return a page about a payment. The browser then reads the payment's other pages in its language.

        ``shop`` and ``amount`` in the template are marked, so that browsers do not translate them.
        """
        shared = {
            "payment": payment,
            "shop": as_it_is(payment.merchant_name),
            "amount": as_it_is(self.money(payment.amount)),
        }
        response = self.page(template, shared | context, status=status, may_switch=may_switch)
        if remembered_language(self.request) != self.language.code:
            remember_language(response, self.language.code, path_of_choice(self.request))
        return response


@contextmanager
def in_language_of_shopper(
    request: HttpRequest, payment: PaymentView | None = None, *, appearance: Appearance | None = None
) -> Iterator[InLanguage]:
    """Activate the language of the shopper: of the attempt, the payment, the browser or the merchant."""
    if payment is not None:
        appearance = payment.appearance
    locales = (payment.language, payment.locale) if payment else ()
    language = language_of(request, *locales, default=appearance.default_language if appearance else "")
    if payment is not None:
        language = language.like(payment.locale)
    with translation.override(language.code):
        yield InLanguage(request, language, appearance)


def switched_language(request: HttpRequest) -> HttpResponse | None:
    """Return a redirect that remembers the language for which a link of the page asks; None without one."""
    if f"{PARAMETER}=" not in request.META.get("QUERY_STRING", ""):
        return None
    query = request.GET.copy()
    code = query.pop(PARAMETER, [""])[-1]
    if code not in LANGUAGES:
        return None
    address = f"{request.path}?{query.urlencode()}" if query else request.path
    response = HttpResponse(status=303, headers={"Location": address})
    remember_language(response, code, path_of_choice(request))
    return response


def path_of_choice(request: HttpRequest) -> str:
    """Return the path below which a choice of the language holds: the payment's, or that of a link."""
    return payment_page_of(request) or request.path


def as_it_is(text: str) -> SafeString:
    """Return a text that no browser translates, and whose direction does not move the text around it."""
    return format_html('<bdi translate="no">{}</bdi>', text)
