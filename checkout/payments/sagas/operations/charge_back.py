"""Charge-backs and their reversals, by which an issuer moved money. They are done, and are only posted.

We do not ask the provider to make them, so there is no request, no refusal and nothing to wait for: the
operation was recorded when the provider confirmed it (``payments/books/compare_events.py``).
"""

from collections.abc import Sequence

from msgspec.structs import replace as with_changes

from checkout.ledger.messages import Posting
from checkout.payments.sagas.definition import End
from checkout.payments.sagas.operations.data import At, OperationData, OperationDecision
from checkout.payments.sagas.operations.flow import entries
from checkout.payments.sagas.table import Go, Step, TableSaga


class IssuerMovement(TableSaga[OperationData]):
    """A saga of its own per operation. It posts the operation, and the payment follows its sums."""

    data_type = OperationData

    def __init__(self, kind: str, posting: Posting) -> None:
        self.kind = kind
        self.posting = posting
        super().__init__()

    def table(self) -> Sequence[Step[OperationData]]:
        """The only step. Nothing that happens elsewhere changes what an issuer did, so no signal is heard."""
        return (Step(name=At.FINISHED, ends=End.COMPLETED),)

    def begin(self, data: OperationData) -> OperationDecision:
        """Post the operation."""
        return Go(step=At.FINISHED, data=data, recalculate=True, side_commands=(entries(data, self.posting),))

    def afresh(self, data: OperationData) -> OperationData:
        """Count from zero."""
        return with_changes(data, tries=0)
