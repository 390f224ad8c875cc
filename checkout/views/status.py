"""What a payment has come to: still being confirmed, or decided."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from checkout import operations
from checkout.conf import conf
from checkout.database import in_thread
from checkout.pages import RESULT, STATUS, next_path, page_of, path_of
from checkout.security import content_security
from checkout.views.page import page, see_other
from checkout.views.wording import ending_of

POLL_SECONDS = 2


@page("GET", "HEAD")
async def status(request: HttpRequest, reference: str) -> HttpResponse:
    """Ask for patience, and go on by itself as soon as there is something to tell."""
    payment = await in_thread(operations.payment_view, reference)
    if page_of(payment.state) != STATUS:
        return see_other(path_of(reference, payment.state))
    # Not every browser takes WebSockets of the same host for 'self'.
    content_security(request).allow("connect-src", conf.public_url.replace("http", "ws", 1))
    context = {"payment": payment, "token": operations.status_token(reference)}
    return render(request, "checkout/status.html", context)


@page("GET", "HEAD")
async def status_json(request: HttpRequest, reference: str) -> HttpResponse:
    """Say where the payment stands: 202 as long as that is not the end, then 200."""
    payment = await in_thread(operations.payment_view, reference)
    body = {
        "reference": payment.reference,
        "state": payment.state.value,
        "is_final": payment.state.is_decided,
        "is_paid": payment.state.is_paid,
        "next": next_path(reference, payment.state),
    }
    if payment.state.is_decided:
        return JsonResponse(body)
    headers = {"Retry-After": str(POLL_SECONDS), "Location": request.path}
    return JsonResponse(body, status=202, headers=headers)


@page("GET", "HEAD")
async def result(request: HttpRequest, reference: str) -> HttpResponse:
    """Show how the payment ended and what can be done now."""
    payment = await in_thread(operations.payment_view, reference)
    if page_of(payment.state) != RESULT:
        return see_other(path_of(reference, payment.state))
    return render(request, "checkout/result.html", {"payment": payment, "ending": ending_of(payment)})
