"""Captures, refunds and cancellations in the provider's own portal, which a user or a test starts.

The merchant's staff can do there everything that a program could request, without a reference.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.bank.modifications import Amount, Modifications
from sandbox.books.books import Books
from sandbox.books.orders import fold
from sandbox.changes import ChangeSignal
from sandbox.errors import NOT_FOUND, RequestRefused


class PortalStep(BaseModel):
    """An action in the portal. `amount` is in minor units; by default, it is all that is left."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: str
    do: Literal["capture", "refund", "cancel"]
    amount: Annotated[int, Field(gt=0)] | None = None


class Portal:
    def __init__(self, books: Books, modifications: Modifications, changes: ChangeSignal) -> None:
        self._books = books
        self._modifications = modifications
        self._changes = changes

    def take(self, step: PortalStep) -> None:
        """Carry the action out as if it had been requested. Raises RequestRefused as for a request."""
        order = fold(self._books.entries(step.order))
        if order is None:
            raise RequestRefused(5, NOT_FOUND, step.order)
        left = order.left_to_capture if step.do == "capture" else order.left_to_refund
        amount = Amount(left if step.amount is None else step.amount, order.currency, order.exponent)
        if step.do != "cancel" and amount.value <= 0:
            raise RequestRefused(5, f"Nothing is left to {step.do}", step.order)
        if step.do == "cancel" and step.amount is not None:
            raise RequestRefused(5, "An authorisation is cancelled as a whole", step.order)
        with self._books.connection:
            if step.do == "capture":
                self._modifications.capture(step.order, amount, "")
            elif step.do == "refund":
                self._modifications.refund(step.order, amount, "")
            else:
                self._modifications.cancel(step.order)
        self._changes.notify()
