"""Captures, voids and refunds that staff settle, because the provider's answers show no outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Self

from django.db.models import Exists, OuterRef, Q
from django.template.defaultfilters import pluralize

from checkout.conf import conf
from checkout.payments.books.apply import apply, end_doubt, fail_refund
from checkout.payments.books.compare_operations import compare_withdrawal
from checkout.payments.books.ours import OF_ANOTHER_AMOUNT, is_done_with_another_amount, our_operation
from checkout.payments.calls import has_had_no_effect, is_clean, may_have_left, may_yet_arrive, moves_once
from checkout.payments.checkout_messages import Fate, OperationFound
from checkout.payments.events import move_operation
from checkout.payments.locking import locked_attempt_of, locked_payment_of
from checkout.payments.models import Attempt, Operation, Payment, ProviderCall, Saga
from checkout.payments.models.payment import OPERATION_SETTLED
from checkout.payments.providers.base import Outcome
from checkout.payments.sagas.operations.data import UNTOLD
from checkout.payments.sagas.operations.parking import obstacle_to_sending
from checkout.payments.sagas.orchestration import orchestrator
from checkout.payments.sagas.orchestration.locking import locked_saga
from checkout.payments.sagas.settlement.matter import Matter, seen_of_saga
from checkout.payments.sagas.signals import Signal
from checkout.payments.totals import OPEN
from checkout.states import AttemptState
from messaging.compiled_queries import update_in_batch
from messaging.worker.service import Message

Kind, State = Operation.Kind, Operation.State

_WORDS = {
    Fate.ARRIVED: "it arrived",
    Fate.NOT_ARRIVED: "it did not arrive",
    Fate.GIVEN_UP: "it is withdrawn",
}
_OF_OPERATION = Saga.objects.filter(
    Q(step__in=UNTOLD) | Q(step=OuterRef("kind")), kind=OuterRef("kind"), key=OuterRef("reference")
)
_PARKED = _OF_OPERATION.filter(status=Saga.Status.PARKED)
# Operations that staff may withdraw while their saga is running: those that may still be sent, or be lost.
TO_BE_WITHDRAWN = Q(
    Exists(_OF_OPERATION.filter(status=Saga.Status.RUNNING)),
    kind__in=(Kind.CAPTURE, Kind.VOID, Kind.REFUND),
    state__in=(State.REQUESTED, State.UNKNOWN),
    is_withdrawn=False,
)
# Operations whose outcome staff may decide: open ones, and refunds that may have come back. The few parked
# sagas are selected first, because the alternative alone would make the database read all operations.
TO_BE_SETTLED = Q(reference__in=Saga.objects.filter(status=Saga.Status.PARKED).values("key")) & (
    (Q(state__in=OPEN) & Q(Exists(_PARKED)))
    | (Q(state=State.DONE) & ~Q(doubt=OF_ANOTHER_AMOUNT) & Q(Exists(_PARKED.filter(data__is_doubted=True))))
)


def obstacle(operation: Operation, attempt: Attempt, saga: Saga | None, fate: Fate) -> str:
    """Return why staff cannot settle ``operation`` in this way, and what to do instead; empty if they can.

    Unless the rows are locked, the answer may be out of date at once.
    """
    kind = operation.kind
    if is_done_with_another_amount(operation):
        return f"A notification has another amount for this {kind}. Settle the payment by figures instead."
    if operation.state not in OPEN and not (operation.state == State.DONE and is_doubted(saga)):
        ended = f"This {kind} is {operation.state}: nothing is left to be settled."
        is_waiting = saga is not None and saga.status == Saga.Status.PARKED
        return f"{ended} Try its flow again instead, which has not heard of that." if is_waiting else ended
    if saga is None:
        return f"The flow of this {kind} has not begun. Wait until it has asked the provider."
    if saga.step not in (kind, *UNTOLD):
        return f"The flow of this {kind} waits for something else. Its saga's page says what for."
    if fate == Fate.GIVEN_UP:
        return _obstacle_to_withdrawing(operation, attempt, saga)
    if saga.status != Saga.Status.PARKED:
        return (
            f"The provider is being asked about this {kind}. Wait until its flow has stopped, or has ended."
        )
    if fate == Fate.ARRIVED:
        return ""
    if is_doubted(saga):
        # The notification that it failed may be false, and the provider's books do not show the failure at
        # once.
        return _obstacle_of_time(operation)
    if operation.is_withdrawn:
        return f"This {kind} is withdrawn, and is never sent again. Say that it is not to be sent any more."
    if operation.doubt == OF_ANOTHER_AMOUNT:
        why = f"A notification has another amount for this {kind}, so a second copy may move money twice."
        return f"{why} Withdraw it, and settle the payment by figures."
    return _obstacle_while_absent(operation, attempt)


def _obstacle_to_withdrawing(operation: Operation, attempt: Attempt, saga: Saga) -> str:
    kind, is_parked = operation.kind, saga.status == Saga.Status.PARKED
    if is_doubted(saga):
        return "Only an operation that did not arrive can be withdrawn."
    if not is_parked and operation.is_withdrawn:
        return f"This {kind} is withdrawn already. The provider is being asked what became of it."
    if not is_parked and (operation.state == State.PENDING or operation.doubt):
        return f"The provider has accepted this {kind}. Wait until its flow has stopped, or has ended."
    if is_clean(operation):
        return ""
    if kind == Kind.CAPTURE and attempt.state == AttemptState.CONFLICTED:
        return _settle_contradiction(attempt)
    return _obstacle_of_time(operation)


def is_doubted(saga: Saga | None) -> bool:
    """Return True for the saga of a refund that arrived, and that a notification then reported as failed."""
    return saga is not None and bool(saga.data.get("is_doubted"))


def _obstacle_while_absent(operation: Operation, attempt: Attempt) -> str:
    is_held = attempt.state == AttemptState.AUTHORISED
    if operation.kind == Kind.CAPTURE and not is_held:
        if attempt.state == AttemptState.CONFLICTED:
            return _settle_contradiction(attempt)
        why = f"The attempt is {attempt.state}, and nothing of it can be captured."
        return f"{why} Try its flow again instead: the provider is asked once more."
    return _obstacle_of_time(operation)


def _settle_contradiction(attempt: Attempt) -> str:
    return (
        f"The attempt is {attempt.state}, and nothing of it can be captured. Settle the contradiction "
        "instead, on the payment's page: there, this capture counts as not arrived unless exactly its amount "
        "is missing in our books."
    )


def _obstacle_of_time(operation: Operation) -> str:
    if not may_yet_arrive(ProviderCall.objects.filter(key=operation.reference)):
        return ""
    minutes = ceil(conf.settling_time.total_seconds() / 60)
    wait = f"Wait {minutes} minute{pluralize(minutes)}."
    return f"It was sent a moment ago and may still be on its way. {wait}"


@dataclass(slots=True)
class OperationMatter(Matter):
    """A capture, void or refund, and the outcome that staff found.

    An operation that arrived is done, and is booked and counted as if the provider had confirmed it. An
    operation that did not arrive is sent again with the same reference, and may be refused; or staff withdraw
    it. A refund that a notification reports as failed did arrive: if the money did not stay with the shopper,
    the refund is refused, and is booked back if it was booked.
    """

    operation: Operation
    saga: Saga | None
    fate: Fate

    noun = "operation"
    fact = OPERATION_SETTLED

    @classmethod
    def locked(cls, found: OperationFound) -> Self | None:
        """Return the matter with its rows under lock; None if there is no such operation."""
        operation = Operation.objects.filter(reference=found.operation).first()
        if operation is None:
            return None
        saga = locked_saga(operation.kind, operation.reference)
        payment, attempt = locked_payment_of(operation), locked_attempt_of(operation)
        operation.refresh_from_db()
        return cls(payment, attempt, operation, saga, found.fate)

    @property
    def seen_now(self) -> str:
        return "" if self.saga is None else seen_of_saga(self.saga)

    @property
    def said(self) -> str:
        return self.fate

    @property
    def named(self) -> Mapping[str, object]:
        return {"reference": self.operation.reference}

    @property
    def holds_later(self) -> bool:
        """True for a withdrawal, which is right whatever the saga has done meanwhile."""
        return self.fate == Fate.GIVEN_UP

    @classmethod
    def in_words(cls, said: str) -> str:
        return _WORDS[Fate(said)]

    @property
    def obstacle(self) -> str:
        """The obstacle, including a lack of the money that the operation did not reserve while parked."""
        why = obstacle(self.operation, self.attempt, self.saga, self.fate)
        if why or self.saga is None or self.fate != Fate.NOT_ARRIVED or is_doubted(self.saga):
            return why
        return obstacle_to_sending(self.saga, self.payment)

    def carry_out(self, by: str, message: Message, *, is_as_seen: bool) -> None:
        if self.saga is None:
            return
        if self.fate == Fate.GIVEN_UP:
            is_looked_up = is_as_seen and self.saga.status == Saga.Status.PARKED
            name = _withdraw(self.payment, self.operation, is_looked_up=is_looked_up)
        else:
            name = _move(self.operation, self.saga, self.payment, arrived=self.fate == Fate.ARRIVED)
        orchestrator.signal(self.saga, name, message, self.payment)


def _withdraw(payment: Payment, operation: Operation, *, is_looked_up: bool) -> Signal:
    """Never send the operation again. Return the signal to its saga."""
    operation.is_withdrawn = True
    update_in_batch(operation, "is_withdrawn")
    apply(payment, operation, compare_withdrawal(our_operation(operation, ()), is_looked_up=is_looked_up))
    return Signal.REFUSED if operation.state == State.REFUSED else Signal.WITHDRAWN


def _move(operation: Operation, saga: Saga, payment: Payment, *, arrived: bool) -> Signal:
    """Give the operation the state that staff have found. Return the signal to its saga."""
    if not arrived and is_doubted(saga):
        fail_refund(payment, operation)
        return Signal.REFUSED
    end_doubt(operation)
    state = State.DONE if arrived else State.REQUESTED
    move_operation(payment, operation, state, refusal_reason=operation.refusal_reason)
    if arrived:
        return Signal.ARRIVED
    _let_be_sent_again(operation)
    return Signal.RESEND


def _let_be_sent_again(operation: Operation) -> None:
    """Allow one more copy of the request: the provider recognises it, or staff take the risk."""
    calls = ProviderCall.objects.filter(key=operation.reference)
    call = calls.select_related("attempt__provider_account").first()
    if call is not None and not has_had_no_effect(call):
        may_have_left(calls, Outcome.NOT_SENT, **({} if moves_once(call) else {"recognised_key": ""}))
