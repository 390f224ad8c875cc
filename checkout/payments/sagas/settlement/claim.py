"""Settle, as staff decide, a notification's claim that the provider's answers neither confirm nor deny.

Everything is done in the orchestrator's transaction, as in ``sagas/settlement/operation.py``: the check that
the saga and our books still are as staff saw them, the booking, and the end of the saga are committed
together.
"""

from dataclasses import dataclass

import msgspec
import structlog
from django.db.models import Q

from checkout.money import Money
from checkout.payments.books.adoption import adopt, key_of_claim
from checkout.payments.books.apply import make_after_all
from checkout.payments.books.compare_events import CONFIRMED_BY_STAFF, Event, refund_made_after_all
from checkout.payments.books.events import BY_ISSUERS, ISSUERS, kind_by_issuer
from checkout.payments.books.ours import operations_as_ours
from checkout.payments.checkout_messages import SettleClaim
from checkout.payments.events import move_attempt
from checkout.payments.locking import locked_attempt_of, locked_payment_of
from checkout.payments.models import Attempt, Fact, Operation, Saga
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.orchestration import orchestrator
from checkout.payments.sagas.orchestration.locking import numbered_saga
from checkout.payments.sagas.settlement.verification import (
    CHECK,
    CLAIM_SETTLED,
    Verification,
    VerificationData,
)
from checkout.payments.sagas.signals import Signal
from checkout.payments.totals import operations_of, sums_of_attempt
from checkout.states import Actor, attempt_machine
from messaging.compiled_queries import insert_in_batch
from messaging.libraries import typed
from messaging.worker.service import CommandRejected, Message

log = structlog.get_logger(__name__)

Kind = Operation.Kind

TRUE, UNTRUE = "true", "untrue"

# Verifications of claims that staff may settle.
CLAIM_TO_BE_SETTLED = Q(kind=Verification.kind, step=CHECK, status=Saga.Status.PARKED)


@dataclass(frozen=True, slots=True)
class Seen:
    """The saga's ``version``, and how many charge-backs and reversals were ``booked``, when staff decided.

    The answer to an earlier question may still arrive while staff decide, and book what it confirms.
    """

    version: int
    booked: int


def word(is_true: bool) -> str:
    """Return the decision as it is recorded in facts."""
    return TRUE if is_true else UNTRUE


def question_of(saga: Saga) -> VerificationData | None:
    """Return the data of a verification; None for another kind of saga, or other data."""
    if saga.kind != Verification.kind:
        return None
    try:
        return typed.convert(saga.data, VerificationData)
    except msgspec.ValidationError:
        return None


def seen_now(saga: Saga) -> Seen:
    """Return the present version and count, to compare with what staff saw."""
    by_issuer = Operation.objects.filter(attempt_id=saga.attempt_id, kind__in=ISSUERS)
    return Seen(version=saga.version, booked=by_issuer.count())


def left_to_book(claim: str, attempt: Attempt) -> Money:
    """Return the largest charge-back, or reversal, that our books have room for.

    Refunds are not deducted, as an issuer may charge back money that was refunded, too.
    """
    sums = sums_of_attempt(attempt)
    is_charge_back = kind_by_issuer(claim) == Kind.CHARGE_BACK
    minor = sums.captured - sums.charged_back if is_charge_back else sums.charged_back
    return Money(minor, attempt.payment.currency)


def refund_claimed(attempt: Attempt, question: VerificationData) -> Operation | None:
    """Return the refused refund that a claim says was made after all; None for a claim of another kind."""
    is_told = question.minor is not None and question.currency
    amount = Money(question.minor or 0, question.currency) if is_told else None
    event = Event(kind=question.claim, operation=question.operation, amount=amount)
    found = refund_made_after_all(operations_as_ours(attempt, operations_of(attempt)), event)
    return attempt.operations.get(reference=found.reference) if found is not None else None


def obstacle(saga: Saga, attempt: Attempt, *, is_true: bool, amount: Money | None) -> str:
    """Return why staff cannot settle the claim so, and what to do instead; empty if they can.

    Unless the rows are locked, the answer may be out of date at once.
    """
    question = question_of(saga)
    if question is None:
        return "This saga verifies nothing that staff could settle."
    if saga.status == Saga.Status.RUNNING:
        return "The provider is being asked about it. Wait until the saga is parked, or has ended."
    if saga.status != Saga.Status.PARKED or saga.step != CHECK:
        return "This has ended: nothing is left to be settled."
    if not (is_true and question.claim in BY_ISSUERS):
        return "An amount is only booked of a charge-back or its reversal." if amount else ""
    if amount is None:
        return "Say how much."
    return _obstacle_to_booking(question, attempt, amount)


def _obstacle_to_booking(question: VerificationData, attempt: Attempt, amount: Money) -> str:
    left = left_to_book(question.claim, attempt)
    if amount.currency != left.currency:
        return f"The payment is in {left.currency}."
    if amount.minor <= 0:
        return "The amount must be greater than zero."
    if left < amount:
        is_charge_back = kind_by_issuer(question.claim) == Kind.CHARGE_BACK
        counted = "taken and not charged back" if is_charge_back else "charged back"
        return (
            f"{amount} is more than is {counted}: {left}. If money is missing in our books, settle the "
            "payment by figures, and enter this among them. If you are asked to settle this first, say "
            "here that nothing more happened."
        )
    key = _key(question)
    if key and any(each.idempotency_key == key for each in operations_of(attempt)):
        return "This very one is in our books already. Say that nothing more happened."
    return ""


def _key(question: VerificationData) -> str:
    return key_of_claim(question.claim, question.event_id, is_proven=question.is_proven)


def settle(command: SettleClaim, message: Message) -> None:
    """Carry out staff's decision, or only record a fact if the saga or our books have moved on since.

    A charge-back, or its reversal, is booked and posted as if the provider had told its amount, and so is a
    refund that failed and was made after all. Any other true claim has the same effect as if the provider
    had confirmed it.
    """
    saga = numbered_saga(command.saga)
    if saga is None or saga.payment.reference != command.payment:
        raise CommandRejected("saga_not_found", "This payment has no such saga.")
    payment, attempt = locked_payment_of(saga), locked_attempt_of(saga)
    attempt.payment = payment
    amount = Money(command.minor, command.currency) if command.minor is not None else None
    why = obstacle(saga, attempt, is_true=command.is_true, amount=amount)
    question = question_of(saga)
    is_as_seen = seen_now(saga) == Seen(version=command.version, booked=command.booked)
    if why or question is None or not is_as_seen:
        _record_not_applied(command, saga, why or "More has become known meanwhile.")
        return
    if not command.is_true:
        outcome = Signal.DENIED
    elif amount is not None:
        outcome = Signal.BOOKED
        kind, key = str(kind_by_issuer(question.claim)), _key(question)
        adopt(attempt, kind, amount.minor, reason=CONFIRMED_BY_STAFF, by=command.by, idempotency_key=key)
    elif (refund := refund_claimed(attempt, question)) is not None:
        outcome = Signal.BOOKED
        make_after_all(payment, refund)
    else:
        outcome = Signal.CONFIRMED
        if question.claim == EventKind.AUTHORISED:
            _contradict(attempt)
    orchestrator.signal(saga, outcome, message, payment)


def _contradict(attempt: Attempt) -> None:
    """Mark an attempt as conflicted that had ended without money, and for which the provider holds some."""
    if attempt_machine.allows(attempt.state, "conflicted", Actor.PROVIDER):
        move_attempt(attempt.payment, attempt, "conflicted", Actor.PROVIDER)


def _record_not_applied(command: SettleClaim, saga: Saga, why: str) -> None:
    log.warning("settlement of a claim came too late", saga=saga.pk, said=word(command.is_true))
    fact = Fact(
        payment_id=saga.payment_id,
        attempt_id=saga.attempt_id,
        source=Actor.SAGA,
        kind=f"{CLAIM_SETTLED}_not_applied",
        data={
            "claim": saga.data.get("claim", ""),
            "said": word(command.is_true),
            "saga": saga.pk,
            "why": why,
        },
    )
    insert_in_batch(fact)
