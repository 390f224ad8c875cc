"""The reasons found in a payment's flows: some take too long, and some need a decision of staff."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import F
from django.utils import timezone

from checkout.backoffice.attention import page as attention
from checkout.backoffice.attention.reason import Reason, links_to, links_to_figures
from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.wording import CLAIMS, STATES, first_upper
from checkout.backoffice.row_actions import Tool
from checkout.backoffice.settling.evidence import time_text
from checkout.backoffice.settling.page import PERMISSION as SETTLE
from checkout.conf import conf
from checkout.payments.models import Fact, Operation, Payment, Saga
from checkout.payments.models.saga import ASKING, UNFINISHED
from checkout.payments.sagas.purchase.data import At
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.settlement.claim import question_of
from checkout.payments.sagas.settlement.operation import TO_BE_SETTLED, is_doubted
from checkout.payments.sagas.settlement.settleable import STUCK, lacks_room
from checkout.states import PaymentState

Kind, State = Operation.Kind, Operation.State
RESUME = "payments.resume_saga"

# A deadline that passed longer ago than this was noticed by no relay.
LATE = timedelta(minutes=2)
# The flows that can move an unsettled payment.
MOVERS = (Purchase.kind, Kind.CAPTURE, Kind.VOID)
# Steps of a parked purchase about which the provider's portal may show more.
LEFT_BY_PROVIDER = (At.INQUIRE, *STUCK)
SO_FAR = {
    State.REQUESTED: "was asked for, and the provider has not answered",
    State.UNKNOWN: "was sent to the provider, which has not said what became of it",
    State.PENDING: "was taken on by the provider, which has not said that it was made",
}


def reasons_of_flows(payment: Payment, names: Collection[str], user: Any) -> Iterator[Reason]:
    """Yield the reasons among ``names`` (``attention.LABELS``) that are found in the payment's flows."""
    if not {"unsettled", "operation", "settle", "parked"} & set(names):
        return
    flows = _Flows(payment, user)
    if "unsettled" in names:
        yield flows.unsettled()
    for operation in flows.to_be_settled:
        yield flows.to_settle(operation)
    for operation in flows.late:
        yield flows.under_way(operation)
    for saga in flows.parked:
        yield flows.standing(saga)


class _Flows:
    """A payment's unfinished flows, and its operations without a certain outcome."""

    def __init__(self, payment: Payment, user: Any) -> None:
        self._payment, self._user = payment, user
        unended = payment.sagas.filter(status__in=UNFINISHED)
        self._sagas = list(unended.order_by(F("deadline_at").asc(nulls_last=True), "pk"))
        self._by_key = {(saga.kind, saga.key): saga for saga in self._sagas}
        parkings = payment.facts.filter(kind="saga_parked").order_by("pk")
        self._whys = {_place(fact): str(fact.data.get("why", "")) for fact in parkings}
        self.to_be_settled = list(payment.operations.filter(TO_BE_SETTLED).order_by("pk"))
        settled = [each.pk for each in self.to_be_settled]
        late = payment.operations.filter(attention.without_outcome()).exclude(pk__in=settled)
        self.late = list(late.order_by("pk"))

    @property
    def parked(self) -> Iterator[Saga]:
        """Parked flows, except those of operations that staff are to settle."""
        settled = {(each.kind, each.reference) for each in self.to_be_settled}
        for saga in self._sagas:
            if saga.status == Saga.Status.PARKED and (saga.kind, saga.key) not in settled:
                yield saga

    @cached_property
    def _figures(self) -> list[Tool]:
        return links_to_figures(self._user, self._payment)

    def unsettled(self) -> Reason:
        """Return the reason why the payment is unsettled, with the flow that moves it next."""
        payment = self._payment
        movers = [saga for saga in self._sagas if saga.kind in MOVERS]
        running = [saga for saga in movers if saga.status == Saga.Status.RUNNING]
        what, since = STATES[PaymentState(payment.state)], payment.updated_at
        if running:
            return Reason(what, since, self._see(running[0]), _moves_on(running[0].deadline_at))
        if movers:
            parked = movers[0]
            return Reason(
                f"{what} The {parked.kind} has stopped: see its own line.", since, self._see(parked)
            )
        if payment.state == PaymentState.PROCESSING:
            what = f"{what} The purchase has not begun."
            return Reason(what, since, outlook=_moves_on(since + conf.service_wait))
        return Reason(what, since, outlook="No flow is at work on it: a developer must look.")

    def to_settle(self, operation: Operation) -> Reason:
        """Return the reason why only staff can determine the result of an operation."""
        saga = self._by_key.get((operation.kind, operation.reference))
        if is_doubted(saga):
            what = f"A notification says that the {_named(operation)}, failed."
        elif operation.is_idle:
            what = f"The provider has not carried out the {_named(operation)}."
        else:
            what = f"Nobody knows what became of the {_named(operation)}."
        links = links_to(self._user, operation, ("settle", SETTLE, "Say what became of it"))
        why = first_upper(operation.parked_reason) or self._why(saga)
        return Reason(
            f"{what} {why}".rstrip(),
            saga.updated_at if saga else operation.updated_at,
            links or links_to(self._user, operation, ("change", "", "See the operation")),
        )

    def under_way(self, operation: Operation) -> Reason:
        """Return the reason why an operation takes so long, and the time at which its flow continues."""
        saga = self._by_key.get((operation.kind, operation.reference))
        what = f"The {_named(operation)}, {SO_FAR[State(operation.state)]}."
        links = links_to(self._user, operation, ("change", "", "See the operation"))
        if saga is None:
            outlook = "No flow is at work on it: a message may be dead, or a developer must look."
            return Reason(what, operation.updated_at, links, outlook)
        if saga.status == Saga.Status.PARKED:
            return Reason(f"{what} Its flow has stopped: see its own line.", operation.updated_at, links)
        return Reason(what, operation.updated_at, links, _moves_on(saga.deadline_at))

    def standing(self, saga: Saga) -> Reason:
        """Return the reason why a flow is parked."""
        question = question_of(saga)
        if question is not None:
            claim = CLAIMS.get(question.claim, question.claim)
            what, page = f"A notification says: {claim}.", ("settle", SETTLE, "Say if it is so")
        else:
            what, page = (
                f"The {_noun(saga)} has stopped and needs a decision.",
                ("resume", RESUME, "Have it tried again"),
            )
        links = links_to(self._user, saga, page)
        is_of_provider = saga.kind == Purchase.kind and saga.step in LEFT_BY_PROVIDER
        if is_of_provider or lacks_room(saga):
            links += self._figures
        links = links or self._see(saga)
        return Reason(f"{what} {self._why(saga)}".rstrip(), saga.updated_at, links)

    def _see(self, saga: Saga) -> list[Tool]:
        return links_to(self._user, saga, ("change", "", f"See the {_noun(saga)}"))

    def _why(self, saga: Saga | None) -> str:
        why = self._whys.get((saga.kind, saga.step, saga.attempt_id), "") if saga else ""
        return first_upper(why)


def _noun(saga: Saga) -> str:
    return "question to the provider" if saga.kind == ASKING else saga.kind


def _place(fact: Fact) -> tuple[object, object, int | None]:
    """Return the parked flow that a fact is about: its kind, its step and its attempt."""
    return fact.data.get("saga"), fact.data.get("step"), fact.attempt_id


def _named(operation: Operation) -> str:
    kind, amount = operation.get_kind_display().lower(), money_text(operation.amount)
    return f"{kind} of {amount}, {operation.reference}"


def _moves_on(due: datetime | None) -> str:
    if due is None:
        return "It moves on by itself."
    if due < timezone.now() - LATE:
        return f"It should have moved on by itself at {time_text(due)}: see that a relay runs."
    return f"It moves on by itself, by {time_text(due)}."
