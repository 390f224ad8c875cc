"""The page for each state of a payment, which pages, pushes and redirects look up."""

from django.http import HttpRequest
from django.urls import reverse

from checkout.conf import conf
from checkout.payments.actions import PaymentView
from checkout.states import PaymentState
from payments_gateway.serving.views import is_for_programs

CHECKOUT = "checkout:checkout"
CHALLENGE = "checkout:challenge"
CHALLENGE_RETURN = "checkout:challenge_return"
STATUS = "checkout:status"
RESULT = "checkout:result"


def page_of(state: PaymentState) -> str:
    """Return the URL name of the page for a shopper whose payment has this state."""
    if state is PaymentState.OPEN:
        return CHECKOUT
    if state is PaymentState.CHALLENGE_REQUIRED:
        return CHALLENGE
    return RESULT if state.is_decided else STATUS


def path_of(reference: str, state: PaymentState | None) -> str:
    """Return the path of the payment's page, or of the status page if the state is not known."""
    return reverse(page_of(state) if state else STATUS, args=[reference])


def next_path(reference: str, state: PaymentState) -> str | None:
    """Return the path to which the status page should go, or None while the shopper has to wait."""
    return None if page_of(state) == STATUS else path_of(reference, state)


def payment_page_of(request: HttpRequest) -> str:
    """Return the path of the page of the request's payment; empty if the request is not about a payment.

    Addresses of the API have references, too, but lead to no page.
    """
    match = request.resolver_match
    if match is None or is_for_programs(match) or "reference" not in match.kwargs:
        return ""
    return reverse(CHECKOUT, args=[match.kwargs["reference"]])


def return_address_of(payment: PaymentView) -> str:
    """Return the address to which the shopper goes back; "" if the merchant has given none.

    After a cancellation it is the one for shoppers who do not want to pay, if the merchant has given that.
    """
    is_cancelled = payment.state is PaymentState.CANCELLED
    is_released = payment.is_called_off and payment.state in (PaymentState.VOID_PENDING, PaymentState.VOIDED)
    if (is_cancelled or is_released) and payment.cancel_url:
        return payment.cancel_url
    # Only a try-out has a shop.
    return payment.return_url or (reverse("checkout:shop") if conf.is_try_out else "")
