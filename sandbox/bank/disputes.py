"""Steps of a dispute between cardholder and merchant that a user or a test starts."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sandbox.books.books import Books, Kind
from sandbox.books.orders import fold
from sandbox.changes import ChangeSignal
from sandbox.errors import NOT_FOUND, RequestRefused
from sandbox.faults.kinds import Dispute
from sandbox.notifications.outgoing import Outgoing


class DisputeStep(BaseModel):
    """A step in the dispute of an order. `amount` is in minor units; by default, it is all that is left."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: str
    event: Dispute
    amount: Annotated[int, Field(gt=0)] | None = None


class Disputes:
    def __init__(self, books: Books, outgoing: Outgoing, changes: ChangeSignal) -> None:
        self._books = books
        self._outgoing = outgoing
        self._changes = changes

    def take(self, step: DisputeStep) -> None:
        """Book the step and send its notification. Raises RequestRefused if the order does not allow it."""
        order = fold(self._books.entries(step.order))
        if order is None or not order.captured:
            raise RequestRefused(5, NOT_FOUND, step.order)
        moved = {"CHARGED_BACK": order.left_to_refund, "CHARGEBACK_REVERSED": order.charged_back}
        left = moved.get(step.event, order.amount)
        amount = left if step.amount is None else step.amount
        if not 0 < amount <= left:
            raise RequestRefused(5, f"{amount} exceeds the {left} available", step.order)
        with self._books.connection:
            self._books.append(step.order, Kind[step.event], amount=amount)
            disputed = fold(self._books.entries(step.order))
            if disputed is not None:
                self._outgoing.announce(disputed, step.event, amount)
        self._changes.notify()
