"""The addresses for a customer whom the merchant has identified: the way in, and the removal of a card."""

import structlog
from django.http import HttpRequest, HttpResponse

from checkout.errors import SavedCardNotFound, TokenRejected
from checkout.payments import actions
from checkout.payments.actions import OfferedCard, PaymentView
from checkout.states import PaymentState
from checkout.web.pages import path_of
from checkout.web.protection.customer import is_customer, remember_customer
from checkout.web.rendering import as_it_is, in_language_of_shopper
from checkout.web.views.page import page, see_other
from checkout.web.views.wording import card_in_words
from messaging.concurrency.database import in_thread
from payments_gateway.serving.views import held

log = structlog.get_logger(__name__)


@held
@page("GET")
async def identify(request: HttpRequest, reference: str, token: str) -> HttpResponse:
    """Open a customer session in this browser, and lead to the payment.

    If the session cannot be opened, the payment is shown without saved cards, and can be paid all the same. A
    customer who loads the address again still has the cards.
    """
    response = see_other(path_of(reference, PaymentState.OPEN))
    try:
        await in_thread(actions.open_session, reference, token)
    except TokenRejected as error:
        log.info("customer session refused", payment=reference, reason=str(error))
    else:
        remember_customer(response, reference)
    return response


@held
@page("GET", "HEAD", "POST")
async def remove_card(request: HttpRequest, reference: str, card: str) -> HttpResponse:
    """Ask if the customer wants a saved card removed. Then remove it, and show the cards that are left."""
    back = see_other(path_of(reference, PaymentState.OPEN))
    if not is_customer(request, reference):
        return back
    try:
        if request.method == "POST":
            await in_thread(actions.remove_own_saved_card, reference, card)
            return back
        payment, own = await in_thread(_payment_and_card, reference, card)
    except SavedCardNotFound:
        return back
    with in_language_of_shopper(request, payment) as reader:
        name = card_in_words({"brand": own.brand, "last4": own.last4})
        return reader.payment_page("checkout/remove_card.html", payment, {"card": as_it_is(name)})


def _payment_and_card(reference: str, card: str) -> tuple[PaymentView, OfferedCard]:
    return actions.payment_view(reference), actions.own_saved_card(reference, card)
