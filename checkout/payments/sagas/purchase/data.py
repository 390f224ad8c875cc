"""The data of the purchase saga, and the names of its steps."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from checkout.messages import Body
from checkout.orders.messages import OrderLine
from checkout.payments.sagas.definition import Decision


class At(StrEnum):
    """The steps of a purchase. Their names are stored in the rows of sagas, so a name never changes.

    Steps of your own are called ``own_<name>``, and their undoing ``undo_<name>``.
    """

    ASSESS_RISK = "assess_risk"
    RESERVE_STOCK = "reserve_stock"
    AUTHORISE = "authorise"
    AWAIT_CHALLENGE = "await_challenge"
    COMPLETE_CHALLENGE = "complete_challenge"
    INQUIRE = "inquire"
    ABANDON = "abandon"
    CAPTURE = "capture"
    VOID = "void"
    CONFIRM_ORDER = "confirm_order"
    RELEASE_STOCK = "release_stock"
    CANCEL_ORDER = "cancel_order"
    CONFLICTED = "conflicted"
    FINISHED = "finished"
    UNPAID = "unpaid"
    MONEY_RETURNED = "money_returned"
    SETTLE_UNDONE = "settle_undone"


# The prefixes of the names of your own steps, and of the steps that undo them.
UNDO = "undo_"
STEPS_OF_YOUR_OWN = ("own_", UNDO)


def advice_about(step: str) -> str:
    """Return advice for staff if a saga is at an unknown step that may be one of your own; else ""."""
    if not step.startswith(STEPS_OF_YOUR_OWN):
        return ""
    return " Configure this step of your own again, restart the checkout service, then try again."


class PurchaseData(Body, frozen=True, forbid_unknown_fields=False):
    """The data of one purchase.

    ``inquiries``, ``tries`` and ``voids`` count the inquiries, requests and voids without success. ``hinted``
    is the value of ``inquiries`` when a hint last made us ask: a hint may do so once for each value.
    ``has_card`` says that the submission came with its card, which is never stored, or names a saved one.
    ``is_capture_included`` says that the provider captures with the authorisation, without being asked again.
    ``is_back`` says that the shopper came back from a challenge, ``is_expiring`` that we no longer wait for
    the challenge to end. ``is_called_off`` says that somebody has cancelled the payment.
    ``is_capture_refused`` says that the capture was refused while another step had to be finished first.
    ``refusal_reason`` says why we refuse an authorisation ourselves, until it is released. ``is_taken`` says
    that staff found the money taken, whatever became of our own capture. ``taken_minor`` is the amount that
    they found; zero means all of it. ``is_only_held`` says that staff found the money held, and that we do
    not capture it. ``merchant``, ``order_reference``, ``description``, ``locale``, ``minutes_behind_utc`` and
    ``is_test`` are for the receipt, as are card, support and logo. Those fields and ``merchant_code`` are
    also for the services of your own steps. ``own_begun`` names the steps of your own that were begun and can
    be undone. ``own_undone`` says that the purchase went on after their undoing had begun,
    ``is_order_cancelled`` that it can no longer go on. ``own_place`` is the value of ``Place`` of the step
    that was begun last.
    """

    payment: str
    attempt: str
    minor: int
    currency: str
    email: str
    ip_address: str
    lines: list[OrderLine]
    captures: bool
    capture_operation: str
    is_capture_included: bool = False
    has_card: bool = True
    inquiries: int = 0
    hinted: int = 0
    tries: int = 0
    voids: int = 0
    is_back: bool = False
    is_expiring: bool = False
    is_called_off: bool = False
    is_capture_refused: bool = False
    refusal_reason: str = ""
    is_taken: bool = False
    is_only_held: bool = False
    taken_minor: int = 0
    merchant: str = ""
    order_reference: str = ""
    description: str = ""
    merchant_code: str = ""
    locale: str = ""
    minutes_behind_utc: int | None = None
    card_brand: str = ""
    card_last4: str = ""
    support_email: str = ""
    support_phone: str = ""
    logo_url: str = ""
    own_begun: tuple[str, ...] = ()
    own_undone: bool = False
    own_place: str = ""
    is_order_cancelled: bool = False
    is_test: bool = False

    @property
    def is_reserved(self) -> bool:
        """True if the amount is held, and stays so until the merchant captures it."""
        return not self.is_taken and (self.is_only_held or not self.captures)


PurchaseDecision = Decision[PurchaseData]


def with_taken(stored: Mapping[str, Any], minor: int) -> dict[str, Any]:
    """Return a purchase's stored data with the amount that staff found taken, for the signal that follows."""
    return {**stored, "taken_minor": minor}
