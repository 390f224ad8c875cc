"""The shopper's way back to the shop, with the signed result."""

from urllib.parse import urlencode, urlsplit, urlunsplit

from django.http import HttpRequest, HttpResponse

from checkout.payments import actions
from checkout.payments.actions import PaymentView
from checkout.payments.objects.payment import STATUSES
from checkout.web.pages import path_of, return_address_of
from checkout.web.views.page import page, see_other
from checkout.webhooks.returns import signed_return
from messaging.concurrency.database import in_thread
from payments_gateway.serving.views import held


@held
@page("GET", "HEAD")
async def return_to_shop(request: HttpRequest, reference: str) -> HttpResponse:
    """Lead to the merchant's address with the present state, signed, or to the payment's own page."""
    return see_other(await in_thread(_address, reference))


def _address(reference: str) -> str:
    payment = actions.payment_view(reference)
    address = return_address_of(payment)
    if not address:
        return path_of(reference, payment.state)
    return _with_query(address, signed_return(payment.merchant_code, _result(payment)))


def _result(payment: PaymentView) -> dict[str, str | int]:
    return {
        "payment": payment.reference,
        "order_reference": payment.order_reference,
        "state": STATUSES[payment.state],
        "amount": payment.amount.minor,
        "currency": payment.amount.currency,
    }


def _with_query(address: str, added: dict[str, str]) -> str:
    parts = urlsplit(address)
    query = "&".join(filter(None, (parts.query, urlencode(added))))
    return urlunsplit(parts._replace(query=query))
