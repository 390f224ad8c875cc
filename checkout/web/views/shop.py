"""A small example shop: a merchant's site that sends its shoppers to the checkout and takes them back.

It exists only in a try-out: where real money is paid, its addresses are not found.
"""

import secrets
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from checkout import problems
from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.orders.stock import all_items, item_left
from checkout.payments import actions
from checkout.payments.models import Merchant, Payment
from checkout.states import PaymentState
from checkout.web.forms import BuyForm
from checkout.web.views.page import page, see_other
from checkout.web.views.wording import word_of
from messaging.concurrency.database import in_thread

MERCHANT = "example"
ORDERS = "orders"
REMEMBERED_ORDERS = 10


@page("GET", "HEAD", "POST")
async def shop(request: HttpRequest) -> HttpResponse:
    """Show the items for sale and the visitor's orders. A POST orders one item."""
    if not conf.is_try_out:
        return problems.respond(request, problems.NOT_FOUND)
    form = BuyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reference = await in_thread(_buy, request.session, **form.cleaned_data)
        return see_other(reverse("checkout:checkout", args=[reference]))
    context = await in_thread(_shelf, request.session)
    return render(request, "shop/shop.html", {"form": form, **context}, status=400 if form.is_bound else 200)


@page("GET", "HEAD")
async def order(request: HttpRequest, order_reference: str) -> HttpResponse:
    """Take the shopper back from the checkout. An order is shown only to the browser that made it."""
    if not conf.is_try_out:
        return problems.respond(request, problems.NOT_FOUND)
    payment = await in_thread(_payment_of, request.session, order_reference)
    if payment is None:
        return problems.respond(request, problems.NOT_FOUND)
    context = {"payment": payment, "word": word_of(PaymentState(payment.state))}
    return render(request, "shop/order.html", context)


def _shelf(session: SessionBase) -> dict[str, Any]:
    orders = [
        {"payment": payment, "word": word_of(PaymentState(payment.state))}
        for payment in _payments(session.get(ORDERS, []))
    ]
    return {"items": all_items(), "orders": orders}


def _buy(session: SessionBase, sku: str, email: str) -> str:
    merchant = Merchant.objects.filter(code=MERCHANT).first()
    item = item_left(sku)
    if merchant is None or item is None:
        raise OperationRejected(f"{sku} is not for sale.")
    order_reference = f"order-{secrets.token_hex(8)}"
    payment = actions.create_payment(
        merchant,
        order_reference=order_reference,
        amount=item.price,
        lines=[{"sku": item.sku, "quantity": 1}],
        description=item.name[:50],
        shopper_email=email,
        return_url=f"{conf.public_url}{reverse('checkout:order', args=[order_reference])}",
    )
    session[ORDERS] = [order_reference, *session.get(ORDERS, [])][:REMEMBERED_ORDERS]
    return payment.reference


def _payments(order_references: list[str]) -> list[Payment]:
    return list(Payment.objects.filter(merchant__code=MERCHANT, order_reference__in=order_references))


def _payment_of(session: SessionBase, order_reference: str) -> Payment | None:
    is_theirs = order_reference in session.get(ORDERS, [])
    return next(iter(_payments([order_reference])), None) if is_theirs else None
