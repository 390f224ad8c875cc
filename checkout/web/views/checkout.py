"""The payment's page, and the handling of its card form."""

from collections.abc import Awaitable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from checkout import problems
from checkout.conf import conf
from checkout.errors import (
    CaptchaRequired,
    IllegalTransition,
    PatienceRequired,
    SavedCardNotFound,
    SavedCardNotUsable,
)
from checkout.languages import remembered_language
from checkout.payments import actions
from checkout.payments.actions import PaymentView
from checkout.states import PaymentState
from checkout.web.forms import PayForm
from checkout.web.held_tier import commit_and_answer
from checkout.web.pages import path_of
from checkout.web.preferences import Preferences
from checkout.web.protection.captcha import give_pass, has_pass, is_solved
from checkout.web.protection.customer import is_customer
from checkout.web.protection.pacing import wait_for_turn
from checkout.web.views.card_form import captcha_page, card_form_page, is_captcha_due, shown_to
from checkout.web.views.document import respond_with_state
from checkout.web.views.page import page, see_other
from messaging.concurrency.database import in_thread
from payments_gateway.serving.problems import MALFORMED
from payments_gateway.serving.views import held


@held
@page("GET", "HEAD")
async def checkout(request: HttpRequest, reference: str) -> HttpResponse:
    """Show the card form, or redirect to the page for the payment's present state."""
    return await _card_form(request, reference)


@held
@page("POST")
async def pay(request: HttpRequest, reference: str) -> HttpResponse:
    """Commit the attempt, wait for its result, and redirect to the page that shows it.

    A program (``Accept: application/json``), or a client that prefers not to wait, gets the status document
    instead.
    """
    form = PayForm(request.POST)
    if "encrypted_card" in form.errors and not problems.wants_json(request):
        return await _card_form(request, reference, status=400)
    if not form.is_valid():
        return problems.respond(request, MALFORMED, back=path_of(reference, None))
    preferences = Preferences.of(request)
    try:
        state = await _submit(request, reference, form, preferences)
    except IllegalTransition:
        if problems.wants_json(request):
            raise
        # The payment was cancelled or has expired in the meantime, and its own page says so.
        return see_other(path_of(reference, await in_thread(actions.payment_state, reference)))
    except (SavedCardNotFound, SavedCardNotUsable):
        if problems.wants_json(request):
            raise
        # It was removed in another tab, or has expired meanwhile. The form offers what is left.
        return await _card_form(request, reference, status=409)
    except CaptchaRequired:
        if problems.wants_json(request):
            raise
        # The form was opened before a CAPTCHA was required, whose page now comes first.
        return see_other(path_of(reference, PaymentState.OPEN))
    response = see_other(path_of(reference, state))
    if problems.wants_json(request) or (preferences.responds_async and state is None):
        if state is None:
            state = await in_thread(actions.payment_state, reference)
        response = respond_with_state(reference, state)
    patch_vary_headers(response, ["Accept"])
    return preferences.note(response, most=conf.reply_budget_seconds)


@held
@page("GET", "HEAD", "POST")
async def captcha(request: HttpRequest, reference: str) -> HttpResponse:
    """Check the answer to the CAPTCHA. A right answer leads to the card form, a wrong one to the question.

    A GET, for example a reload, leads to the payment's own page, which asks the question.
    """
    if request.method != "POST":
        return see_other(path_of(reference, PaymentState.OPEN))
    shown = await shown_to(request, reference)
    if isinstance(shown, PaymentView):
        return see_other(path_of(reference, shown.state))
    if not shown.requires_captcha:
        return see_other(path_of(reference, shown.payment.state))
    if not await is_solved(request):
        return captcha_page(request, shown, was_wrong=True)
    response = see_other(path_of(reference, PaymentState.OPEN))
    give_pass(response, reference, shown.attempt_number)
    return response


async def _submit(
    request: HttpRequest, reference: str, form: PayForm, preferences: Preferences
) -> PaymentState | None:
    """Commit the attempt, and return its result, or None if the result is not known within the time budget.

    If the shopper has to wait for a turn, the wait comes before the commit.
    """
    budget_seconds = conf.reply_budget_seconds
    saved_card = form.cleaned_data["saved_card"]
    if saved_card and not is_customer(request, reference):
        raise SavedCardNotFound("No customer session has identified this browser's shopper.")
    attempt_number, browser = form.cleaned_data["attempt_number"], form.browser(request)

    def commit(*, has_waited: bool) -> Awaitable[PaymentState | None]:
        return commit_and_answer(
            "" if saved_card else form.cleaned_data["encrypted_card"],
            preferences.budget_seconds(most=budget_seconds, otherwise=budget_seconds),
            lambda message_id: actions.submit_payment(
                reference,
                attempt_number=attempt_number,
                browser=browser,
                device_data_reference=form.cleaned_data["device_data_reference"],
                saves_card=form.cleaned_data["save_card"],
                saved_card=saved_card,
                has_solved=has_pass(request, reference, attempt_number),
                has_waited=has_waited,
                language=remembered_language(request),
                message_id=message_id,
            ),
        )

    try:
        return await commit(has_waited=False)
    except PatienceRequired:
        await wait_for_turn(browser.ip_address)
        return await commit(has_waited=True)


async def _card_form(request: HttpRequest, reference: str, *, status: int = 200) -> HttpResponse:
    """Return the card form. For ``status`` see ``card_form_page``."""
    shown = await shown_to(request, reference)
    if isinstance(shown, PaymentView):
        return see_other(path_of(reference, shown.state))
    if is_captcha_due(request, shown):
        return captcha_page(request, shown)
    return card_form_page(request, shown, status=status)
