"""A reason for which a payment needs attention."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.urls import reverse

from checkout.backoffice.row_actions import Tool
from checkout.backoffice.settling.page import PERMISSION as SETTLE
from checkout.payments.models import Payment
from checkout.payments.sagas.settlement.settleable import attempt_to_settle, obstacle_to_settling
from checkout.states import PaymentState


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for attention: the facts, the time, links to pages, and the outcome if nobody acts."""

    what: str
    since: datetime
    links: Sequence[Tool] = ()
    outlook: str = ""

    @property
    def is_for_others(self) -> bool:
        """True if only users with other permissions can act."""
        return not (self.links or self.outlook)


def links_to(user: Any, row: Model, *pages: tuple[str, str, str]) -> list[Tool]:
    """Return links to the pages about ``row`` that ``user`` may open; none if the row may not be viewed.

    A page is given by its name, the permission that it needs beside viewing (empty if none), and the link's
    text.
    """
    return list(_links(user, row, pages))


def links_to_figures(user: Any, payment: Payment) -> list[Tool]:
    """Return a link to the page for the provider's figures; none if another decision has to come first.

    A conflicted payment gets no link here, because its contradiction is a reason of its own with this link.
    """
    found = None if payment.state == PaymentState.CONFLICTED else attempt_to_settle(payment)
    if found is None or obstacle_to_settling(found):
        return []
    return links_to(user, payment, ("settle", SETTLE, "Say what the provider's books have"))


def _links(user: Any, row: Model, pages: Sequence[tuple[str, str, str]]) -> Iterator[Tool]:
    label, model = row._meta.app_label, row._meta.model_name
    if not user.has_perm(f"{label}.view_{model}"):
        return
    for page, permission, text in pages:
        if not permission or user.has_perm(permission):
            yield Tool(text, reverse(f"admin:{label}_{model}_{page}", args=[row.pk]))
