"""The types of events, and the stories by which a try-out can cause them.

In a story, a scripted shopper makes a purchase, and staff, the provider or the issuer act on it.

The acts of staff and merchants use the same functions as the back office, so they need the gateway's
database. All others use the gateway's pages and the sandbox.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from secrets import token_hex
from typing import Any

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.actions import (
    cancel_payment,
    create_payment,
    request_capture,
    request_refund,
    request_void,
)
from checkout.payments.models import Event, Merchant, Payment
from checkout.payments.timers.movable_clock import advance_clock
from checkout.tryout.browser import Browser, NotReachable
from checkout.tryout.card import Card
from checkout.tryout.documents import UnexpectedPage
from checkout.tryout.knobs import KnobsRefused, set_knobs
from checkout.tryout.scenarios import CHALLENGE, FRICTIONLESS
from checkout.tryout.shopper import Shopper, acs_form

MERCHANT = "example"
AMOUNT = Money(1200, "EUR")
PART = Money(500, "EUR")
STAFF = "gateway trigger"
END_SECONDS = 60.0
POLL_SECONDS = 0.25


class NotHappened(Exception):
    """The event could not be caused. The text is the reason."""


@dataclass(frozen=True, slots=True)
class Story:
    """A course of events to play. ``make`` takes the gateway's address, and returns the payment's reference.

    After that, events of ``types`` have happened to the payment, or will happen soon.
    """

    summary: str
    make: Callable[[str], str]
    types: tuple[str, ...]


def happened(story: Story, types: Collection[str], url: str) -> tuple[str, str]:
    """Play a story until events of ``types`` have happened. Return the payment's reference and state.

    Raises ``NotHappened``.
    """
    try:
        reference = story.make(url)
        _wait_for(reference, types)
    except NotReachable as error:
        raise NotHappened(f"The gateway or the sandbox does not answer: {error}") from error
    except (UnexpectedPage, KnobsRefused) as error:
        raise NotHappened(f"Something was not as expected: {error}") from error
    return reference, str(Payment.objects.values_list("state", flat=True).get(reference=reference))


def _wait_for(reference: str, types: Collection[str]) -> None:
    events = Event.objects.filter(payment__reference=reference)
    if not events.exists():
        raise NotHappened(
            f"DATABASE_URL does not name the gateway's database: it has no payment {reference}."
        )
    deadline = time.monotonic() + END_SECONDS
    while missing := sorted(set(types) - set(events.values_list("type", flat=True))):
        if time.monotonic() > deadline:
            raise NotHappened(f"{reference} had no {' and no '.join(missing)} within {END_SECONDS:g} s.")
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
    _wait_for(reference, ("payment.captured",))
    return reference


def _authorised(url: str) -> str:
    reference = _paid(url, captures=False)
    _wait_for(reference, ("payment.authorised",))
    return reference


def _refused(url: str) -> str:
    return _paid(url, holder="REFUSED51")


def _challenged(url: str) -> str:
    shopper = Shopper(Browser(), url, Card(CHALLENGE), _payment(captures=True))
    acs_form(shopper.pay(shopper.browser.open(f"{url}/checkout/{shopper.reference}/")))
    return shopper.reference


def _cause(**knobs: Any) -> None:
    set_knobs(conf.sandbox_url, knobs)


def _advance(reference: str, by: timedelta) -> None:
    """Move the payment's clock forward, by a little more than ``by``."""
    merchant = Merchant.objects.get(code=MERCHANT)
    advance_clock(reference, by + timedelta(seconds=1), merchant=merchant)


def _next_answer(verb: str, fault: str) -> None:
    """Give the provider's next answer a fault, whichever payment it is about."""
    _cause(knob={"verb": verb, "fault": fault})


def _order_of(reference: str) -> str:
    return Payment.objects.get(reference=reference).attempts.order_by("-number")[0].order_code


def _issuer(reference: str, event: str) -> None:
    _cause(dispute={"order": _order_of(reference), "event": event})


def _created(_url: str) -> str:
    return _payment(captures=True)


def _in_doubt(url: str) -> str:
    """Pay, and lose the provider's answer.

    The status page is not followed, because it waits for the outcome.
    """
    shopper = Shopper(Browser(), url, Card(FRICTIONLESS), _payment(captures=True))
    page = shopper.browser.open(f"{url}/checkout/{shopper.reference}/")
    form, values = shopper.fill_in(page)
    _next_answer("submit", "reset_after")
    _next_answer("inquiry", "500_before")
    shopper.browser.submit(page, form, values)
    return shopper.reference


def _expired(_url: str) -> str:
    reference = _payment(captures=True)
    _advance(reference, conf.checkout_lifetime)
    return reference


def _capture_taken_back(url: str) -> str:
    shopper = Shopper(Browser(), url, Card(FRICTIONLESS), _payment(captures=True))
    _cause(booking={"fault": "capture_failed", "order": shopper.reference})
    shopper.pay(shopper.order())
    return shopper.reference


def _after(make: Callable[[str], str], request: Callable[..., object], **knobs: Any) -> Callable[[str], str]:
    """Return a story that continues ``make``: the sandbox gets ``knobs``, and staff make a request."""

    def play(url: str) -> str:
        reference = make(url)
        if knobs:
            _cause(**knobs)
        request(reference, by=STAFF)
        return reference

    return play


_capture_part = partial(request_capture, amount=PART)
_refund_part = partial(request_refund, amount=PART)


def _void_too_late(url: str) -> str:
    """Request a void, which does not reach the provider.

    Meanwhile money is captured in the provider's portal.
    """
    reference = _authorised(url)
    _next_answer("cancel", "reset_before")
    request_void(reference, by=STAFF)
    _wait_for(reference, ("void.unknown",))
    _cause(portal={"order": _order_of(reference), "do": "capture"})
    return reference


def _disputed(url: str) -> str:
    reference = _captured(url)
    _issuer(reference, "CHARGED_BACK")
    return reference


def _dispute_reversed(url: str) -> str:
    reference = _disputed(url)
    _wait_for(reference, ("payment.disputed",))
    _issuer(reference, "CHARGEBACK_REVERSED")
    return reference


STORIES = (
    Story("created, and not paid yet", _created, ("payment.created",)),
    Story(
        "bought and paid", _captured, ("payment.processing", "payment.capture_pending", "payment.captured")
    ),
    Story("the issuer asks the shopper", _challenged, ("payment.action_required",)),
    Story("paid, and the provider's answer is lost", _in_doubt, ("payment.unknown",)),
    Story("held, to be captured by hand", _authorised, ("payment.authorised",)),
    Story("refused because of insufficient funds", _refused, ("payment.declined",)),
    Story("cancelled by staff before it was paid", _after(_created, cancel_payment), ("payment.cancelled",)),
    Story("not paid in time", _expired, ("payment.expired",)),
    Story("bought, but the capture fails later", _capture_taken_back, ("payment.capture_refused",)),
    Story(
        "a part of it captured by hand",
        _after(_authorised, _capture_part),
        ("capture.requested", "capture.pending", "capture.succeeded", "payment.partially_captured"),
    ),
    Story(
        "a capture that the provider refuses",
        _after(_authorised, _capture_part, knob={"verb": "capture", "fault": "validation_failed"}),
        ("capture.refused",),
    ),
    Story(
        "a capture whose answer is lost",
        _after(_authorised, _capture_part, knob={"verb": "capture", "fault": "reset_after"}),
        ("capture.unknown",),
    ),
    Story(
        "held, and released again",
        # The notification is delayed until the provider's reply was applied, so that the void is pending
        # first.
        _after(_authorised, request_void, notification={"journal": "CANCELLED", "delay_ms": 3000}),
        ("void.requested", "void.pending", "void.succeeded", "payment.void_pending", "payment.voided"),
    ),
    Story(
        "a void, but the money was captured in the portal",
        _void_too_late,
        ("void.refused", "payment.void_refused"),
    ),
    Story(
        "a void whose answer is lost",
        _after(_authorised, request_void, knob={"verb": "cancel", "fault": "reset_after"}),
        ("void.unknown",),
    ),
    Story(
        "paid, and a part given back",
        _after(_captured, _refund_part),
        ("refund.requested", "refund.pending", "refund.succeeded", "payment.partially_refunded"),
    ),
    Story("paid, and all of it given back", _after(_captured, request_refund), ("payment.refunded",)),
    Story(
        "a refund that the provider refuses",
        _after(_captured, _refund_part, knob={"verb": "refund", "fault": "validation_failed"}),
        ("refund.refused",),
    ),
    Story(
        "a refund whose answer is lost",
        _after(_captured, _refund_part, knob={"verb": "refund", "fault": "reset_after"}),
        ("refund.unknown",),
    ),
    Story("charged back by the issuer", _disputed, ("dispute.opened", "payment.disputed")),
    Story(
        "charged back, and returned by the issuer",
        _dispute_reversed,
        ("dispute.reversed", "payment.dispute_reversed"),
    ),
)
# The story that causes each type of event. There is none for `payment.refund_returned`, because the bank of
# the sandbox never sends a refund back.
EVENTS = {type: story for story in STORIES for type in story.types}
