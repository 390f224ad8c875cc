"""Differences between our books and the provider's, in words, and the action to take about each."""

from typing import Any

from checkout.backoffice.attention.reason import links_to
from checkout.backoffice.display.localised import formats
from checkout.backoffice.display.values import humanised, quantity_text
from checkout.backoffice.display.wording import first_upper
from checkout.backoffice.row_actions import Tool
from checkout.backoffice.settling.page import PERMISSION as SETTLE
from checkout.conf import conf
from checkout.payments.models import Difference
from checkout.payments.sagas.settlement.settleable import OF_AN_ATTEMPT

DEAL_WITH = "payments.deal_with_difference"
_LEDGER = "ledger_"


def story(row: Difference) -> str:
    """Return in words what differs, and the usual cause."""
    if row.kind == Difference.Kind.UNANSWERED:
        return (
            f"The provider does not say what it has of the order {row.order_code}, so that its books are not "
            "compared with ours. Look the order up there; if this lasts, ask the provider why inquiries "
            "about it are not answered."
        )
    if row.kind == Difference.Kind.ORDER:
        return (
            f"The provider has {row.theirs_in(formats())} in an order that we do not know. It was made in "
            "its portal, by another program with the same account, or before a backup from which our "
            "database was restored."
        )
    differs = f"the provider's books have {row.theirs_in(formats())}, ours have {row.ours_in(formats())}."
    if row.kind.startswith(_LEDGER):
        sum = humanised(row.kind.removeprefix(_LEDGER))
        return f"The ledger ({sum}): {differs} A posting is missing, or was made without its operation."
    return f"{first_upper(humanised(row.kind))}: {differs}{_usual_cause(row)}"


def _usual_cause(row: Difference) -> str:
    if row.kind == Difference.Kind.CURRENCY or row.theirs_minor == row.ours_minor:
        return ""
    if row.theirs_minor > row.ours_minor:
        return " It was done in the provider's portal, or our database was restored from a backup."
    return " What we booked did not arrive there, or the provider has taken it back."


def outlook(row: Difference) -> str:
    """Return what happens by itself if nobody acts on an open difference."""
    interval = quantity_text(round(conf.reconciliation_interval.total_seconds() / 60), "minute")
    if row.kind == Difference.Kind.UNANSWERED:
        return f"It is asked again every {interval}."
    return f"It is closed when both agree: they are compared every {interval}."


def next_step(row: Difference, user: Any) -> Tool | None:
    """Return the action to take about a difference; None if it is not open, or if others have to act."""
    if row.resolved_at or row.dealt_with_at:
        return None
    found = []
    if row.payment is not None and row.kind in OF_AN_ATTEMPT:
        found = links_to(user, row.payment, ("settle", SETTLE, "Settle by figures"))
    found = found or links_to(user, row, ("deal_with", DEAL_WITH, "Mark as dealt with"))
    return found[0] if found else None
