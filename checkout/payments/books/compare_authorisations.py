"""The table of authorisations: what an answer about an order says of our attempt."""

from checkout.payments.books.events import BY_ISSUERS, FOLLOW_CAPTURE, IMPLY_MONEY, fits
from checkout.payments.models.payment import Attempt
from checkout.payments.providers.authentication import Authentication
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult
from checkout.states import OPEN_ATTEMPTS


def is_for_another_payment(attempt: Attempt, result: ProviderResult) -> bool:
    """Return True if the answer has another order code (row G3) or another amount (row A2) than ours.

    While the outcome of the authorisation is open, we have not sent a capture. So an answer that reports
    money must have the full amount, whatever the order's last event is.
    """
    if result.order_code and result.order_code != attempt.order_code:
        return True
    owed, told = attempt.payment.amount, result.amount
    if told is None or told == owed:
        return False
    last = EventKind.AUTHORISED if result.is_behind else result.kind
    must_be_whole = attempt.state in OPEN_ATTEMPTS and last in IMPLY_MONEY and last not in BY_ISSUERS
    return must_be_whole or not fits(owed, told, last)


def is_held_without_authentication(attempt: Attempt, result: ProviderResult) -> bool:
    """Return True if money is held although 3-D Secure failed (row A9).

    Money that was captured already, or is captured with the authorisation, is left out: it cannot be
    released.
    """
    has_failed = result.three_ds is not None and result.three_ds.status is Authentication.FAILED
    is_taken = result.kind in FOLLOW_CAPTURE or bool(attempt.capture_reference)
    return has_failed and result.outcome == Outcome.APPROVED and not is_taken
