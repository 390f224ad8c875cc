"""Claims of notifications that the provider's answers neither confirm nor deny, and that staff settle."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import msgspec
from django.db.models import Q

from checkout.localised_money import localised_money
from checkout.money import Money
from checkout.payments.books.apply import adopt, key_of_claim, make_after_all
from checkout.payments.books.compare_events import CONFIRMED_BY_STAFF, Event, refund_made_after_all
from checkout.payments.books.events import BY_ISSUERS, kind_by_issuer
from checkout.payments.books.ours import operations_as_ours
from checkout.payments.checkout_messages import ClaimFound
from checkout.payments.events import move_attempt
from checkout.payments.locking import locked_attempt_of, locked_payment_of
from checkout.payments.models import Attempt, Operation, Saga
from checkout.payments.models.payment import CLAIM_SETTLED
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.asking import (
    CHECK,
    Asking,
    AskingData,
)
from checkout.payments.sagas.orchestration import orchestrator
from checkout.payments.sagas.orchestration.locking import numbered_saga
from checkout.payments.sagas.settlement.matter import Matter, seen_of_saga
from checkout.payments.sagas.signals import Signal
from checkout.payments.totals import operations_of, sums_of_attempt
from checkout.states import Actor, attempt_machine
from messaging.libraries import typed
from messaging.worker.service import Message

Kind = Operation.Kind

TRUE, UNTRUE = "true", "untrue"
_WORDS = {TRUE: "it is so", UNTRUE: "it is not so"}

# Questions about claims that staff may settle.
CLAIM_TO_BE_SETTLED = Q(kind=Asking.kind, step=CHECK, status=Saga.Status.PARKED)


def question_of(saga: Saga) -> AskingData | None:
    """Return the data of a question about an event; None if the saga or its data is of another kind."""
    if saga.kind != Asking.kind or not saga.data.get("claim"):
        return None
    try:
        return typed.convert(saga.data, AskingData)
    except msgspec.ValidationError:
        return None


def left_to_book(claim: str, attempt: Attempt) -> Money:
    """Return the largest charge-back, or reversal, that our books have room for.

    Refunds are not deducted, because an issuer may charge back money that was refunded, too.
    """
    sums = sums_of_attempt(attempt)
    is_charge_back = kind_by_issuer(claim) == Kind.CHARGE_BACK
    minor = sums.captured - sums.charged_back if is_charge_back else sums.charged_back
    return Money(minor, attempt.payment.currency)


def refund_claimed(attempt: Attempt, question: AskingData) -> Operation | None:
    """Return the refused refund that was made after all according to the claim; None for another claim."""
    is_told = question.minor is not None and question.currency
    amount = Money(question.minor or 0, question.currency) if is_told else None
    event = Event(kind=question.claim, operation=question.operation, amount=amount)
    found = refund_made_after_all(operations_as_ours(attempt, operations_of(attempt)), event)
    return attempt.operations.get(reference=found.reference) if found is not None else None


def obstacle(saga: Saga, attempt: Attempt, *, is_true: bool, amount: Money | None) -> str:
    """Return why staff cannot settle the claim in this way, and what to do instead; empty if they can.

    Unless the rows are locked, the answer may be out of date at once.
    """
    question = question_of(saga)
    if question is None:
        return "This flow verifies nothing that staff could settle."
    if saga.status == Saga.Status.RUNNING:
        return "The provider is being asked about it. Wait until its flow has stopped, or has ended."
    if saga.status != Saga.Status.PARKED or saga.step != CHECK:
        return "This has ended: nothing is left to be settled."
    if not (is_true and question.claim in BY_ISSUERS):
        return "An amount is only booked of a charge-back or its reversal." if amount else ""
    if amount is None:
        return "Say how much."
    return _obstacle_to_booking(question, attempt, amount)


def _obstacle_to_booking(question: AskingData, attempt: Attempt, amount: Money) -> str:
    left = left_to_book(question.claim, attempt)
    if amount.currency != left.currency:
        return f"The payment is in {left.currency}."
    if amount.minor <= 0:
        return "The amount must be greater than zero."
    if left < amount:
        is_charge_back = kind_by_issuer(question.claim) == Kind.CHARGE_BACK
        counted = "taken and not charged back" if is_charge_back else "charged back"
        return (
            f"{localised_money(amount)} is more than is {counted}: {localised_money(left)}. "
            "If money is missing in our books, settle the "
            "payment by figures, and enter this among them. If you are asked to settle this first, say "
            "here that nothing more happened."
        )
    key = _key(question)
    if key and any(each.idempotency_key == key for each in operations_of(attempt)):
        return "This very one is in our books already. Say that nothing more happened."
    return ""


def _key(question: AskingData) -> str:
    return key_of_claim(question.claim, question.event_id, is_proven=question.is_proven)


@dataclass(slots=True)
class ClaimMatter(Matter):
    """The claim of a notification, and the decision of staff that it is true or untrue.

    If staff say that the claim is true, a charge-back or its reversal is booked and posted with the amount
    that they enter, and a failed refund that was made after all is done again. Any other true claim has the
    same effect as if the provider had confirmed it.
    """

    saga: Saga
    found: ClaimFound

    noun = "saga"
    fact = CLAIM_SETTLED

    @classmethod
    def locked(cls, found: ClaimFound) -> Self | None:
        """Return the matter with its rows under lock; None if there is no such saga."""
        saga = numbered_saga(found.saga)
        if saga is None:
            return None
        payment, attempt = locked_payment_of(saga), locked_attempt_of(saga)
        attempt.payment = payment
        return cls(payment, attempt, saga, found)

    @property
    def amount(self) -> Money | None:
        """The amount to book; None if nothing is to be booked."""
        minor = self.found.minor
        return None if minor is None else Money(minor, self.found.currency)

    @property
    def seen_now(self) -> str:
        return seen_of_saga(self.saga)

    @property
    def said(self) -> str:
        return TRUE if self.found.is_true else UNTRUE

    @property
    def named(self) -> Mapping[str, object]:
        return {"saga": self.saga.pk, "claim": self.saga.data.get("claim", "")}

    @property
    def details(self) -> Mapping[str, object]:
        return {"amount": str(self.amount)} if self.amount else {}

    @classmethod
    def in_words(cls, said: str) -> str:
        return _WORDS[said]

    @property
    def obstacle(self) -> str:
        return obstacle(self.saga, self.attempt, is_true=self.found.is_true, amount=self.amount)

    def carry_out(self, by: str, message: Message, *, is_as_seen: bool) -> None:
        question, amount = question_of(self.saga), self.amount
        if question is None:
            return
        if not self.found.is_true:
            outcome = Signal.DENIED
        elif amount is not None:
            outcome = Signal.BOOKED
            kind, key = str(kind_by_issuer(question.claim)), _key(question)
            reason = CONFIRMED_BY_STAFF
            adopt(self.attempt, kind, amount.minor, reason=reason, by=by, idempotency_key=key)
        elif (refund := refund_claimed(self.attempt, question)) is not None:
            outcome = Signal.BOOKED
            make_after_all(self.payment, refund)
        else:
            outcome = Signal.CONFIRMED
            if question.claim == EventKind.AUTHORISED:
                _contradict(self.attempt)
        orchestrator.signal(self.saga, outcome, message, self.payment)


def _contradict(attempt: Attempt) -> None:
    """Mark an attempt as conflicted: it ended without money, but the provider holds money for it."""
    if attempt_machine.allows(attempt.state, "conflicted", Actor.PROVIDER):
        move_attempt(attempt.payment, attempt, "conflicted", Actor.PROVIDER)
