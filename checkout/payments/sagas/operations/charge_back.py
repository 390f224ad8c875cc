"""Charge-backs and their reversals, by which an issuer moved money. They are done, and are only posted.

We do not ask the provider to make them, so there is no request, no refusal and nothing to wait for: the
operation was recorded when the provider confirmed it (``services/payments/charge_backs.py``).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from checkout.ledger.messages import PostEntries
from checkout.messages import Command
from checkout.payments.sagas.definition import End
from checkout.payments.sagas.operations.flow import D, OperationData, post
from checkout.payments.sagas.repeating import asked_again
from messaging.envelope import Reply


class IssuerMovement:
    """A saga of its own per operation. It posts the operation, and the payment follows its sums."""

    data_type = OperationData
    steps = frozenset({"post_done", "finished"})
    questions: Mapping[str, type[Command[Any]]] = {"post_done": PostEntries}

    def __init__(self, kind: str, posting: str) -> None:
        self.kind = kind
        self.posting = posting

    def start(self, data: OperationData) -> D:
        """Post the operation."""
        return replace(post("post_done", data, self.posting), recalculate=True)

    def on_reply(self, step: str, data: OperationData, reply: Reply) -> D:
        """End when the operation is in the ledger."""
        if again := asked_again(self.start, data, reply):
            return again
        if not reply.ok:
            why = "The ledger rejected the posting."
            return D(step="post_done", data=data, recalculate=True, end=End.PARKED, why=why)
        return D(step="finished", data=data, recalculate=True, end=End.COMPLETED)

    def on_signal(self, step: str, data: OperationData, signal: str) -> D | None:
        """Return None: nothing that happens elsewhere changes what an issuer did."""
        return None

    def on_deadline(self, step: str, data: OperationData) -> D:
        """Post it again."""
        return self.start(data)

    def on_resume(self, step: str, data: OperationData) -> D:
        """Post it again."""
        return self.start(data)
