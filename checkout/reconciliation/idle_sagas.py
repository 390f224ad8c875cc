"""Distinguish sagas that only wait for the provider from those that are moving money or posting."""

from collections.abc import Sequence

from checkout.payments.models import Operation, Saga
from checkout.payments.sagas.asking import Asking
from checkout.payments.sagas.operations.data import At
from checkout.payments.totals import WITHOUT_END

Kind, State = Operation.Kind, Operation.State
ASKED_OF_THE_PROVIDER = (Kind.CAPTURE, Kind.VOID, Kind.REFUND)
# At these steps nothing is being sent or posted: the outcome comes by a notification, or by a later inquiry.
WAITING_STEPS = (At.AWAIT_PROVIDER, At.INQUIRE)


def is_idle(saga: Saga, state: str) -> bool:
    """Return True if the saga moves nothing now. ``state`` is that of its operation, if it is about one.

    A running saga whose operation has ended is not at rest: the signal to that saga is on its way.
    """
    if saga.status != Saga.Status.RUNNING:
        return True
    if saga.kind in ASKED_OF_THE_PROVIDER:
        return saga.step in WAITING_STEPS and (state in WITHOUT_END or _is_in_doubt(saga, state))
    # The provider was asked if a notification is true, did not decide that, and will be asked again.
    return saga.kind == Asking.kind and saga.data.get("inquiries", 0) > 0


def waiting_operations(operations: Sequence[Operation], sagas: Sequence[Saga]) -> frozenset[str]:
    """Return the references of the operations that the provider may or may not have booked."""
    states = {each.reference: each.state for each in operations}
    return frozenset(
        saga.key
        for saga in sagas
        if saga.status == Saga.Status.RUNNING and saga.key in states and is_idle(saga, states[saga.key])
    )


def _is_in_doubt(saga: Saga, state: str) -> bool:
    """Return True for a booked refund that is said to have failed, and about which the provider is asked."""
    return state == State.DONE and bool(saga.data.get("is_booked") and saga.data.get("is_doubted"))
