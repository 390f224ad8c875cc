"""Charges of saved cards: create the payment, wait for its outcome, and answer."""

from http import HTTPStatus
from typing import Any

from checkout.api.access.scopes import Scope
from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.answers.refusal import refusal
from checkout.api.requests.held import Held, held_once
from checkout.api.requests.idempotency import Keyed, Made
from checkout.api.requests.view import ApiView
from checkout.api.resources.locations import address_of
from checkout.money import Money
from checkout.payments.actions import payment_queries
from checkout.payments.actions.saved_cards import charge_card
from checkout.payments.checkout_messages import AwaitPayment
from checkout.payments.objects import PaymentObject, PaymentStatus, payment_object

# States in which the outcome is not known yet, because the provider is being asked.
_UNANSWERED = (PaymentStatus.PROCESSING, PaymentStatus.UNKNOWN)


def charge(view: ApiView, keyed: Keyed, wanted: dict[str, Any]) -> Answer | Held:
    """Create a payment and charge a saved card, or answer a repeated request with the outcome.

    The answer is 201 once the outcome is known, whether the card was charged or declined, and 202 before. It
    is 200 if an earlier request has created the payment, and the outcome was already known.
    """
    if Scope.SAVED_CARDS_CHARGE not in view.key.scopes:
        scope = str(Scope.SAVED_CARDS_CHARGE)
        raise refusal(catalogue.SCOPE_MISSING, f"A charge needs the scope {scope} as well.", scope=scope)
    return held_once(
        keyed,
        lambda: _begin(view, wanted),
        seconds=view.preference.seconds,
        command=lambda payment: AwaitPayment(payment=payment),
        present=lambda payment: _answer(
            payment_queries.read_payment(view.merchant, payment), HTTPStatus.CREATED
        ),
    )


def _begin(view: ApiView, wanted: dict[str, Any]) -> Made:
    payment = charge_card(
        view.merchant,
        wanted["saved_card"],
        merchant_initiated=wanted["merchant_initiated"],
        by=view.by,
        **order_in(wanted),
    )
    # An earlier request has created the payment, which may have an outcome already.
    return Made(_answer(payment_object(payment), HTTPStatus.OK), payment.reference)


def _answer(payment: PaymentObject, status: HTTPStatus) -> Answer:
    address = address_of(payment.id)
    if payment.state in _UNANSWERED:
        return Answer.of(HTTPStatus.ACCEPTED, payment, Location=address, Retry_After="1")
    return Answer.of(status, payment, Location=address)


def order_in(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``create_payment`` from a body."""
    same = (
        "order_reference",
        "lines",
        "description",
        "return_url",
        "cancel_url",
        "locale",
        "metadata",
        "expires_at",
        "captures_automatically",
        "customer_reference",
    )
    return {
        "amount": money_of(wanted),
        "shopper_email": wanted["customer_email"],
        **{name: wanted[name] for name in same},
    }


def money_of(wanted: dict[str, Any]) -> Money:
    """Return the amount in a body, with its currency."""
    return Money(wanted["amount"], wanted["currency"])
