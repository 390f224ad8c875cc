"""Events that a try-out can trigger: a purchase by the scripted shopper, and the steps that follow it.

Steps of staff and merchants use the same functions as the back office, so they need the gateway's database.
All other steps use the gateway's pages and the sandbox.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex

import requests

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.actions import (
    cancel_payment,
    create_payment,
    request_capture,
    request_refund,
    request_void,
)
from checkout.payments.models import Merchant, Payment
from checkout.states import PaymentState
from checkout.tryout.browser import Browser, NotReachable
from checkout.tryout.card import Card
from checkout.tryout.documents import UnexpectedPage
from checkout.tryout.scenarios import CHALLENGE, FRICTIONLESS
from checkout.tryout.shopper import Shopper, acs_form

MERCHANT = "example"
AMOUNT = Money(1200, "EUR")
PART = Money(500, "EUR")
STAFF = "gateway trigger"
END_SECONDS = 60.0
POLL_SECONDS = 0.25


class NotHappened(Exception):
    """The event did not happen. The text is the reason."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event. ``make`` takes the gateway's address, and returns the payment's reference.

    The payment is then in one of ``final_states``, or will be soon.
    """

    name: str
    summary: str
    make: Callable[[str], str]
    final_states: tuple[PaymentState, ...]


def happened(event: Event, url: str) -> tuple[str, str]:
    """Trigger an event. Return the payment's reference and state. Raises ``NotHappened``."""
    try:
        reference = event.make(url)
        return reference, _state_after(reference, event.final_states)
    except NotReachable as error:
        raise NotHappened(f"The gateway does not answer: {error}") from error
    except UnexpectedPage as error:
        raise NotHappened(f"A page was not as expected: {error}") from error


def _state_after(reference: str, final_states: tuple[PaymentState, ...]) -> str:
    deadline = time.monotonic() + END_SECONDS
    while True:
        state = Payment.objects.values_list("state", flat=True).filter(reference=reference).first()
        if state is None:
            raise NotHappened(
                f"DATABASE_URL does not name the gateway's database: it has no payment {reference}."
            )
        if state in final_states:
            return str(state)
        if time.monotonic() > deadline:
            raise NotHappened(f"{reference} is {state} after {END_SECONDS:g} s.")
        time.sleep(POLL_SECONDS)


def _payment(*, captures: bool) -> str:
    merchant = Merchant.objects.filter(code=MERCHANT).first()
    if merchant is None:
        raise NotHappened(f"There is no merchant {MERCHANT!r}: run manage.py load_example.")
    payment = create_payment(
        merchant,
        order_reference=f"trigger-{token_hex(6)}",
        amount=AMOUNT,
        description="Triggered for a try-out",
        shopper_email="shopper@example.com",
        captures_automatically=captures,
    )
    return payment.reference


def _paid(url: str, *, captures: bool = True, holder: str = FRICTIONLESS) -> str:
    shopper = Shopper(Browser(), url, Card(holder), _payment(captures=captures))
    shopper.pay(shopper.browser.open(f"{url}/checkout/{shopper.reference}/"))
    return shopper.reference


def _captured(url: str) -> str:
    reference = _paid(url)
    _state_after(reference, (PaymentState.CAPTURED,))
    return reference


def _authorised(url: str) -> str:
    reference = _paid(url, captures=False)
    _state_after(reference, (PaymentState.AUTHORISED,))
    return reference


def _refused(url: str) -> str:
    return _paid(url, holder="REFUSED51")


def _challenged(url: str) -> str:
    shopper = Shopper(Browser(), url, Card(CHALLENGE), _payment(captures=True))
    acs_form(shopper.pay(shopper.browser.open(f"{url}/checkout/{shopper.reference}/")))
    return shopper.reference


def _cancelled(url: str) -> str:
    reference = _payment(captures=True)
    cancel_payment(reference, by=STAFF)
    return reference


def _voided(url: str) -> str:
    reference = _authorised(url)
    request_void(reference, by=STAFF)
    return reference


def _captured_in_part(url: str) -> str:
    reference = _authorised(url)
    request_capture(reference, amount=PART, by=STAFF)
    return reference


def _refunded_in_part(url: str) -> str:
    reference = _captured(url)
    request_refund(reference, amount=PART, by=STAFF)
    return reference


def _refunded(url: str) -> str:
    reference = _captured(url)
    request_refund(reference, by=STAFF)
    return reference


def _disputed(url: str) -> str:
    reference = _captured(url)
    attempt = Payment.objects.get(reference=reference).attempts.order_by("-number")[0]
    step = {"dispute": {"order": attempt.order_code, "event": "CHARGED_BACK"}}
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{conf.sandbox_url}/scenarios/", json=step, timeout=10)
    except requests.RequestException as error:
        raise NotHappened(f"The sandbox at {conf.sandbox_url} does not answer: {error}") from error
    if answer.status_code >= 300:
        raise NotHappened(f"The sandbox refused the dispute: {answer.status_code} {answer.text[:200]}")
    return reference


EVENTS = {
    event.name: event
    for event in (
        Event("payment.authorised", "held, to be captured by hand", _authorised, (PaymentState.AUTHORISED,)),
        Event(
            "payment.partially_captured",
            "a part of it captured by hand",
            _captured_in_part,
            (PaymentState.PARTIALLY_CAPTURED,),
        ),
        Event("payment.captured", "bought and paid", _captured, (PaymentState.CAPTURED,)),
        Event(
            "payment.action_required",
            "the issuer asks the shopper",
            _challenged,
            (PaymentState.CHALLENGE_REQUIRED,),
        ),
        Event(
            "payment.declined",
            "an attempt refused because of insufficient funds",
            _refused,
            (PaymentState.REFUSED,),
        ),
        Event(
            "payment.cancelled",
            "cancelled by staff before it was paid",
            _cancelled,
            (PaymentState.CANCELLED,),
        ),
        Event("payment.voided", "held, and released again", _voided, (PaymentState.VOIDED,)),
        Event(
            "payment.partially_refunded",
            "paid, and a part given back",
            _refunded_in_part,
            (PaymentState.PARTIALLY_REFUNDED,),
        ),
        Event("payment.refunded", "paid, and all of it given back", _refunded, (PaymentState.REFUNDED,)),
        Event(
            "payment.disputed",
            "paid, and charged back by the issuer",
            _disputed,
            (PaymentState.CHARGED_BACK,),
        ),
    )
}
# Types of events of an operation, with the event that causes them.
ALIASES = {
    "capture.succeeded": "payment.partially_captured",
    "void.succeeded": "payment.voided",
    "refund.succeeded": "payment.partially_refunded",
    "dispute.opened": "payment.disputed",
}
