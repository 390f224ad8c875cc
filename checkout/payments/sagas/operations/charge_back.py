"""Charge-backs and their reversals, by which an issuer moved money. They are done, and are only posted.

We do not ask the provider to make them, so there is no request, no refusal and nothing to wait for: the
operation was recorded when the provider confirmed it (``payments/service/evidence/charge_backs.py``).
"""

from collections.abc import Sequence

from msgspec.structs import replace as with_changes

from checkout.ledger.messages import PostEntries, Posting
from checkout.messages import Done, Success
from checkout.payments.sagas.definition import End
from checkout.payments.sagas.operations.data import At, OperationData, OperationDecision
from checkout.payments.sagas.operations.flow import entries
from checkout.payments.sagas.pauses import service_wait
from checkout.payments.sagas.table import Go, Repeated, Step, TableSaga
from messaging.envelope import Reply


class IssuerMovement(TableSaga[OperationData]):
    """A saga of its own per operation. It posts the operation, and the payment follows its sums."""

    data_type = OperationData

    def __init__(self, kind: str, posting: Posting) -> None:
        self.kind = kind
        self.posting = posting
        super().__init__()

    def table(self) -> Sequence[Step[OperationData]]:
        """The steps. Nothing that happens elsewhere changes what an issuer did, so no signal is heard."""
        return (
            Step(
                name=At.POST_DONE,
                asks=PostEntries,
                body=lambda data: entries(data, self.posting),
                within=service_wait,
                repeated=Repeated.ALWAYS,
                on={Success.DONE: self.posted},
                failed=self.not_posted,
                unknown=self.begin,
            ),
            Step(name=At.FINISHED, ends=End.COMPLETED),
        )

    def begin(self, data: OperationData) -> OperationDecision:
        """Post the operation."""
        return Go(step=At.POST_DONE, data=data, recalculate=True)

    def afresh(self, data: OperationData) -> OperationData:
        """Count from zero."""
        return with_changes(data, tries=0)

    def posted(self, data: OperationData, answer: Done) -> OperationDecision:
        return Go(step=At.FINISHED, data=data, recalculate=True)

    def not_posted(self, data: OperationData, reply: Reply) -> OperationDecision:
        why = "The ledger rejected the posting."
        return OperationDecision(step=At.POST_DONE, data=data, recalculate=True, end=End.PARKED, why=why)
