"""Record the decision of staff on a capture, void or refund whose outcome the provider leaves open."""

from django.db import transaction

from checkout.errors import OperationNotFound, OperationRejected
from checkout.payments.actions.modification import OperationView, view_of
from checkout.payments.actions.staff.duplicate_decision import refuse_duplicate_decision
from checkout.payments.checkout_messages import GiveUpOperation, SettleOperation
from checkout.payments.locking import locked_attempt_of, locked_payment_of
from checkout.payments.models import Fact, Operation
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.sagas.operations.data import (
    ARRIVED,
    GIVEN_UP,
    NOT_ARRIVED,
    OPERATION_SETTLED,
)
from checkout.payments.sagas.orchestration.locking import locked_saga
from checkout.payments.sagas.settlement.operation import obstacle_under_lock, word
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor

WORDS = {ARRIVED: "it arrived", NOT_ARRIVED: "it did not arrive", GIVEN_UP: "it is withdrawn"}


@transaction.atomic
def settle_operation(
    reference: str, *, arrived: bool, by: str, reason: str, gives_up: bool = False, seen: int | None = None
) -> OperationView:
    """Record that an operation has ``arrived`` at the provider, or did not and is to be sent again.

    With ``gives_up``, the operation is withdrawn: it is never sent again. Otherwise its saga must be parked,
    and its outcome open or in doubt. ``seen`` is the version of the saga that the decision is based on;
    without it, the present one. The decision is carried out a moment later. If a notification settles the
    operation first, a fact says that the decision came too late.

    Raises ``OperationNotFound`` when there is no such operation, and ``OperationRejected``, with what to do
    instead, when it cannot be settled so, a decision has been made already, or no reason is given.
    """
    reason = scrub_note(reason).strip()
    if not reason:
        raise OperationRejected("Say how you found out.")
    operation = Operation.objects.select_related("payment").filter(reference=reference).first()
    if operation is None:
        raise OperationNotFound("There is no such capture, void or refund.")
    saga = locked_saga(operation.kind, reference)
    payment, attempt = locked_payment_of(operation), locked_attempt_of(operation)
    operation.refresh_from_db(fields=["state", "is_idle", "is_withdrawn"])
    why = obstacle_under_lock(operation, attempt, payment, saga, arrived=arrived, gives_up=gives_up)
    if why or saga is None:
        raise OperationRejected(why)
    if seen is not None and seen != saga.version:
        raise OperationRejected("More has become known since you looked. Look again.")
    refuse_duplicate_decision(saga, OPERATION_SETTLED, {"reference": reference}, WORDS)
    said = word(arrived=arrived, gives_up=gives_up)
    data = {"by": by, "reason": reason, "reference": reference, "said": said}
    Fact.objects.create(
        payment=operation.payment,
        attempt=attempt,
        source=Actor.STAFF,
        kind=OPERATION_SETTLED,
        data={**data, "version": saga.version},
    )
    name, version = payment.reference, saga.version
    send_to_checkout(
        GiveUpOperation(payment=name, operation=reference, version=version)
        if gives_up
        else SettleOperation(payment=name, operation=reference, arrived=arrived, version=version),
        name,
    )
    return view_of(operation, operation.payment)
