"""The page of a payment link, which leads a shopper to the checkout."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from checkout.payments.actions.links import open_for_shopper, payment_by_link
from checkout.web.views.page import page, see_other
from messaging.concurrency.database import in_thread


@page("GET", "HEAD", "POST")
async def payment_link(request: HttpRequest, token: str) -> HttpResponse:
    """Show what is to be paid. Only a POST makes a payment: programs that look at links follow GETs."""
    if request.method == "POST":
        payment = await in_thread(payment_by_link, token)
        return see_other(reverse("checkout:checkout", args=[payment.reference]))
    link = await in_thread(open_for_shopper, token)
    return render(request, "checkout/link.html", {"link": link})
