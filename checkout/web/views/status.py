"""The pages that show the state of a payment: still being confirmed, or decided."""

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import ProviderMisconfigured, TooManyAttempts
from checkout.localised_times import localised_time
from checkout.payments import actions
from checkout.payments.actions import PaymentView
from checkout.states import PaymentState
from checkout.web.held_tier import news
from checkout.web.pages import RESULT, STATUS, next_path, page_of, path_of, return_address_of
from checkout.web.preferences import Preferences
from checkout.web.rendering import in_language_of_shopper
from checkout.web.views.card_form import card_form_page, is_captcha_due, shown_to
from checkout.web.views.document import is_known, known_state, respond_with_state
from checkout.web.views.page import page, see_other
from checkout.web.views.wording import card_in_words, ending_of, may_try_again
from messaging.concurrency.database import in_thread
from payments_gateway.serving.security.headers import content_security
from payments_gateway.serving.views import held

# Without JavaScript, the status page reloads itself after a tenth of the time that the shopper has waited,
# within these bounds in seconds.
FIRST_RELOAD, LAST_RELOAD = 5, 600
# Who opens the page of a result later wants to read it, and is not led back by itself.
JUST_NOW = timedelta(minutes=10)


@held
@page("GET", "HEAD")
async def status(request: HttpRequest, reference: str) -> HttpResponse:
    """Show that the payment is being confirmed, or redirect if there is a result."""
    payment = await in_thread(actions.payment_view, reference)
    if page_of(payment.state) != STATUS:
        return see_other(path_of(reference, payment.state))
    # In some browsers, 'self' does not include WebSockets of the same host.
    content_security(request).allow("connect-src", conf.public_url.replace("http", "ws", 1))
    context = {
        "token": actions.status_token(reference),
        "is_checked_by_staff": payment.state is PaymentState.CONFLICTED,
        "reload_seconds": _reload_seconds(payment.dated_at),
    }
    with in_language_of_shopper(request, payment) as reader:
        return reader.payment_page("checkout/status.html", payment, context)


@held
@page("GET", "HEAD")
async def status_json(request: HttpRequest, reference: str) -> HttpResponse:
    """Return the payment's state: 202 until it is decided, then 200.

    ``Prefer: wait=N`` delays the answer until the state differs from the client's version
    (``If-None-Match``). Without a version, it delays the answer until the shopper need not wait any more. The
    delay is at most the reply budget.
    """
    preferences = Preferences.of(request)

    def is_news(state: PaymentState) -> bool:
        if "If-None-Match" in request.headers:
            return not is_known(request, state)
        return next_path(reference, state) is not None

    most = conf.reply_budget_seconds
    budget_seconds = preferences.budget_seconds(most=most, otherwise=0)
    state = await news(reference, is_news, budget_seconds=budget_seconds)
    response = known_state(request, state) or respond_with_state(reference, state)
    return preferences.note(response, most=most)


@held
@page("GET", "HEAD")
async def result(request: HttpRequest, reference: str) -> HttpResponse:
    """Show the payment's result, with the card form if a refused payment can be tried again at once."""
    payment = await in_thread(actions.payment_view, reference)
    if page_of(payment.state) != RESULT:
        return see_other(path_of(reference, payment.state))
    if may_try_again(payment) and (form := await _card_form(request, reference)):
        return form
    with in_language_of_shopper(request, payment) as reader:
        formats = reader.language.formats
        context = {
            "ending": ending_of(payment, formats),
            "card": card_in_words(payment.card),
            "dated_at": localised_time(payment.dated_at, formats, payment.minutes_behind_utc),
            "return_address": return_address_of(payment),
            "returns_by_itself": _returns_by_itself(payment),
        }
        return reader.payment_page("checkout/result.html", payment, context)


async def _card_form(request: HttpRequest, reference: str) -> HttpResponse | None:
    """Return the card form, or None if a CAPTCHA or a pause comes before it, or no card is needed now."""
    try:
        shown = await shown_to(request, reference)
    except (TooManyAttempts, ProviderMisconfigured):
        return None
    if isinstance(shown, PaymentView) or is_captcha_due(request, shown):
        return None
    return card_form_page(request, shown)


def _returns_by_itself(payment: PaymentView) -> bool:
    """Return True if the shopper has just come to the end of a payment that a merchant's page has begun."""
    is_new = timezone.now() - payment.dated_at < JUST_NOW
    return is_new and bool(payment.return_url) and not may_try_again(payment)


def _reload_seconds(since: datetime) -> int:
    """Return the seconds until a page without JavaScript is reloaded, if the wait began at ``since``."""
    age = (timezone.now() - since).total_seconds()
    return int(min(max(age / 10, FIRST_RELOAD), LAST_RELOAD))
