"""The page on which a shopper cancels a payment, at any moment before it is paid."""

from django.http import HttpRequest, HttpResponse

from checkout.conf import conf
from checkout.payments import actions
from checkout.web.held_tier import commit_and_answer
from checkout.web.pages import path_of
from checkout.web.rendering import in_language_of_shopper
from checkout.web.views.page import page, see_other
from messaging.concurrency.database import in_thread
from payments_gateway.serving.views import held


@held
@page("GET", "HEAD", "POST")
async def give_up(request: HttpRequest, reference: str) -> HttpResponse:
    """Ask if the shopper does not want to pay. Then cancel, and show what came of it."""
    if request.method != "POST":
        payment = await in_thread(actions.payment_view, reference)
        if not payment.may_be_cancelled:
            return see_other(path_of(reference, payment.state))
        with in_language_of_shopper(request, payment) as reader:
            return reader.payment_page("checkout/give_up.html", payment, {})
    state = await commit_and_answer(
        "",
        conf.reply_budget_seconds,
        lambda message_id: actions.give_up(reference, message_id=message_id),
    )
    return see_other(path_of(reference, state))
