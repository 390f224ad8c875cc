"""The page with the card form, and what happens when it is sent."""

from urllib.parse import urljoin, urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from checkout import operations, problems
from checkout.conf import conf
from checkout.database import in_thread
from checkout.forms import PayForm
from checkout.pages import path_of
from checkout.preferences import Preferences
from checkout.security import content_security
from checkout.views.document import respond_with_state
from checkout.views.page import page, see_other
from checkout.waiting import commit_and_answer


@page("GET", "HEAD")
async def checkout(request: HttpRequest, reference: str) -> HttpResponse:
    """Show what is to be paid and ask for the card, or lead to where the payment stands."""
    return await _card_form(request, reference)


@page("POST")
async def pay(request: HttpRequest, reference: str) -> HttpResponse:
    """Commit the attempt, wait for what comes of it, lead to the page that shows it.

    A program (``Accept: application/json``) is answered with the status document instead; so is whoever
    prefers not to wait.
    """
    form = PayForm(request.POST)
    if "encrypted_card" in form.errors and not problems.wants_json(request):
        return await _card_form(request, reference, status=400)
    if not form.is_valid():
        return problems.respond(request, problems.MALFORMED, back=path_of(reference, None))
    preferences = Preferences.of(request)
    budget_seconds = conf.reply_budget_seconds
    state = await commit_and_answer(
        form.cleaned_data["encrypted_card"],
        preferences.budget_seconds(most=budget_seconds, otherwise=budget_seconds),
        operations.submit_payment,
        reference,
        attempt_number=form.cleaned_data["attempt_number"],
        browser=form.browser(request),
        device_data_reference=form.cleaned_data["device_data_reference"],
    )
    response = see_other(path_of(reference, state))
    if problems.wants_json(request) or (preferences.responds_async and state is None):
        if state is None:
            state = (await in_thread(operations.payment_view, reference)).state
        response = respond_with_state(reference, state)
    patch_vary_headers(response, ["Accept"])
    return preferences.note(response, most=budget_seconds)


async def _card_form(request: HttpRequest, reference: str, *, status: int = 200) -> HttpResponse:
    """``status`` 400: the form came without an encrypted card, because no script or a broken one ran."""
    shown = await in_thread(operations.checkout_page, reference)
    if not shown.payment.state.may_be_paid:
        return see_other(path_of(reference, shown.payment.state))
    device_data = urlsplit(urljoin(conf.public_url, shown.device_data.action))
    policy = content_security(request)
    for directive in ("frame-src", "form-action"):
        policy.allow(directive, f"{device_data.scheme}://{device_data.netloc}")
    context = {"page": shown, "payment": shown.payment, "was_not_encrypted": status == 400}
    return render(request, "checkout/checkout.html", context, status=status)
