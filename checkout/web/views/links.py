"""The page of a payment link, which leads a shopper to the checkout."""

import structlog
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_noop as _

from checkout import problems
from checkout.conf import conf
from checkout.errors import DuplicateRequest, RequestInvalid
from checkout.languages import remember_language, remembered_language, translated
from checkout.localised_money import localised_decimal
from checkout.money import Money
from checkout.payments.actions.links import link_and_state, open_for_shopper, payment_by_link
from checkout.payments.models import PaymentLink, appearance_of
from checkout.payments.objects.link import link_object
from checkout.qr_codes import qr_code_file
from checkout.rates import RateLimit
from checkout.states import PaymentState
from checkout.web.link_form import LinkForm
from checkout.web.rendering import InLanguage, as_it_is, in_language_of_shopper
from checkout.web.views.page import page, see_other
from messaging.concurrency.database import in_thread
from payments_gateway.serving.clients import network_of

log = structlog.get_logger(__name__)

uses_by_address = RateLimit("link_uses_per_address")
uses_by_link = RateLimit("link_uses_per_link")


@page("GET", "HEAD", "POST")
async def payment_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show the amount to pay. Only a POST makes a payment, because programs that check links send GETs.

    Anybody can use a link, and a reusable link makes a payment each time, so POSTs are limited. If the
    payment of a link is decided, the link does not lead to it, because the visitor may be another person than
    the payer.
    """
    if request.method != "POST":
        link, state = await in_thread(link_and_state, token)
        return _link_page(request, link, state)
    seconds = _seconds_until_allowed_from(request.META.get("REMOTE_ADDR", ""))
    if seconds:
        return problems.respond(request, problems.too_many_link_uses(seconds))
    # Only existing links are counted, because invented links would fill the memory of the counts.
    link, state = await in_thread(link_and_state, token)
    seconds = uses_by_link.seconds_until_allowed(link.reference, most=conf.max_link_uses_per_link)
    if seconds:
        return problems.respond(request, problems.too_many_link_uses(seconds))
    with in_language_of_shopper(request, appearance=appearance_of(link.merchant)) as reader:
        form = LinkForm(link, request.POST, reader.language.formats)
        is_complete = form.is_valid() and not form.suggestion
    if not is_complete:
        return _link_page(request, link, state, form)
    try:
        payment = await in_thread(payment_by_link, token, form.chosen)
    except (DuplicateRequest, RequestInvalid) as error:
        log.warning("payment link makes no payment", reason=repr(error))
        return problems.respond(request, problems.link_without_payment(error))
    if _is_over(PaymentState(payment.state)):
        return see_other(request.path)
    address = reverse("checkout:checkout", args=[payment.reference])
    response = see_other(address)
    if code := remembered_language(request):
        remember_language(response, code, address)
    return response


@page("GET", "HEAD")
async def link_qr_code(request: HttpRequest, token: str) -> HttpResponse:
    """Return a QR code of the link's address."""
    link = await in_thread(open_for_shopper, token)
    image = qr_code_file(link_object(link).url)
    return HttpResponse(image, content_type="image/svg+xml")


def _link_page(
    request: HttpRequest, link: PaymentLink, state: PaymentState, form: LinkForm | None = None
) -> HttpResponse:
    """Return the page of a link, with what was wrong in its form, or may be a mistake."""
    with in_language_of_shopper(request, appearance=appearance_of(link.merchant)) as reader:
        amount = reader.money(link.amount)
        has_errors = form is not None and bool(form.errors)
        context = {
            "link": link,
            "form": form,
            "entered": _entered(link, form, reader),
            "least": as_it_is(reader.money(Money(link.least_minor or 1, link.currency))),
            "most": as_it_is(reader.money(Money(link.most_minor or 1, link.currency))),
            "shop": as_it_is(link.merchant.name),
            "amount": as_it_is(amount),
            "plain_amount": amount,
            "error_title": translated(_("Error: {title}")).format(title=link.merchant.name),
            "is_over": _is_over(state),
            "is_paid": state.is_paid,
        }
        return reader.page("checkout/link.html", context, status=400 if has_errors else 200)


def _entered(link: PaymentLink, form: LinkForm | None, reader: InLanguage) -> dict[str, str]:
    """Return the texts of the fields: the sent ones, or the initial ones."""
    if form is not None:
        return {name: str(form.data.get(name, "")) for name in ("quantity", "amount", "email")}
    amount = localised_decimal(link.amount, reader.language.formats)
    return {"quantity": "1", "amount": amount, "email": ""}


def _is_over(state: PaymentState) -> bool:
    """Return True if the payment is decided, and cannot be tried again."""
    return state.is_decided and not state.may_be_paid


def _seconds_until_allowed_from(address: str) -> int:
    """Count a use of a link. A client without an address (on a Unix socket) is not counted."""
    if not address:
        return 0
    return uses_by_address.seconds_until_allowed(network_of(address), most=conf.max_link_uses_per_address)
