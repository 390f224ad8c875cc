"""A small example shop, a merchant's site that sends its shoppers to the checkout and takes them back.

It exists only in a try-out. In other installations its addresses are not found. A visitor's orders are stored
in a signed cookie, so the shop needs neither a session nor a thread.
"""

import secrets
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from checkout import problems
from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.orders.stock import item_left, items_of
from checkout.payments import actions
from checkout.payments.models import Payment
from checkout.states import PaymentState
from checkout.web.forms import BuyForm
from checkout.web.views.page import page, see_other
from checkout.web.views.wording import word_of
from messaging.concurrency.database import in_thread
from payments_gateway.serving.views import held

MERCHANT = "example"
COOKIE = "orders"
REMEMBERED_ORDERS = 10
REMEMBERED_SECONDS = 8 * 3600
_SALT = "checkout.shop"


@held
@page("GET", "HEAD", "POST")
async def shop(request: HttpRequest) -> HttpResponse:
    """Show the items for sale and the visitor's orders. A POST orders one item."""
    if not conf.is_try_out:
        return problems.respond(request, problems.NOT_FOUND)
    form = BuyForm(request.POST or None)
    orders = _orders_of(request)
    if request.method == "POST" and form.is_valid():
        payment = await in_thread(_buy, **form.cleaned_data)
        response = see_other(reverse("checkout:checkout", args=[payment.reference]))
        _remember(response, [payment.order_reference, *orders][:REMEMBERED_ORDERS])
        return response
    context = await in_thread(_shelf, orders)
    return render(request, "shop/shop.html", {"form": form, **context}, status=400 if form.is_bound else 200)


@held
@page("GET", "HEAD")
async def order(request: HttpRequest, order_reference: str) -> HttpResponse:
    """Show the result after the checkout. An order is shown only to the browser that made it."""
    if not conf.is_try_out or order_reference not in _orders_of(request):
        return problems.respond(request, problems.NOT_FOUND)
    payment = next(iter(await in_thread(_payments, [order_reference])), None)
    if payment is None:
        return problems.respond(request, problems.NOT_FOUND)
    context = {"payment": payment, "word": word_of(PaymentState(payment.state))}
    return render(request, "shop/order.html", context)


def _orders_of(request: HttpRequest) -> list[str]:
    """Return the orders of this browser, newest first."""
    orders = request.get_signed_cookie(COOKIE, default="", salt=_SALT, max_age=REMEMBERED_SECONDS)
    return orders.split(".") if orders else []


def _remember(response: HttpResponse, orders: list[str]) -> None:
    response.set_signed_cookie(
        COOKIE,
        ".".join(orders),
        salt=_SALT,
        max_age=REMEMBERED_SECONDS,
        secure=conf.is_tls,
        httponly=True,
        samesite="Lax",
    )


def _shelf(order_references: list[str]) -> dict[str, Any]:
    orders = [
        {"payment": payment, "word": word_of(PaymentState(payment.state))}
        for payment in (_payments(order_references) if order_references else ())
    ]
    return {"items": items_of(MERCHANT), "orders": orders}


@transaction.atomic
def _buy(sku: str, email: str) -> Payment:
    merchant = actions.merchant_named(MERCHANT)
    item = item_left(MERCHANT, sku)
    if merchant is None or item is None:
        raise OperationRejected(f"{sku} is not for sale.")
    # A longer random reference would look like a card number, and be refused, once in ten thousand times.
    order_reference = f"order-{secrets.token_hex(6)}"
    return actions.create_payment(
        merchant,
        order_reference=order_reference,
        amount=item.price,
        lines=[{"sku": item.sku, "quantity": 1}],
        description=item.name[:50],
        shopper_email=email,
        return_url=f"{conf.public_url}{reverse('checkout:order', args=[order_reference])}",
        cancel_url=f"{conf.public_url}{reverse('checkout:shop')}",
    )


def _payments(order_references: list[str]) -> list[Payment]:
    return list(Payment.objects.filter(merchant__code=MERCHANT, order_reference__in=order_references))
