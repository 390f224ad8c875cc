"""Our side of an order, as a snapshot: our requests, and the provider's answers to them.

A snapshot is taken with the attempt locked, or just before the provider is asked. If two snapshots have equal
``entries``, no operation of that kind has changed in between.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q

from checkout.money import Money
from checkout.payments.books.events import BY_ISSUERS, IMPLY_MONEY, events_of
from checkout.payments.calls import (
    MODIFICATIONS,
    CallsInFlight,
    has_had_no_effect,
    is_clean,
    may_be_completed,
)
from checkout.payments.messages import ProviderOutcome
from checkout.payments.models import Attempt, Fact, Operation, ProviderCall, Saga
from checkout.payments.models.payment import HINTED, NOTIFIED
from checkout.payments.models.saga import ASKING, UNFINISHED
from checkout.payments.providers.base import EventKind, Verb
from checkout.payments.totals import operations_of
from checkout.privacy.scrubbing import scrub_text
from messaging.compiled_queries import Compiled

Kind, State = Operation.Kind, Operation.State

# The reasons of refused operations that may be made after all: a refund failed after it was accepted, or
# staff did not find the operation at the provider, or withdrew it.
FAILED, NOT_FOUND, WITHDRAWN = "refund_failed", "not_found_at_provider", "withdrawn"
MAY_BE_MADE = (FAILED, NOT_FOUND, WITHDRAWN)

# The reasons for a doubt (``Operation.doubt``): a proven notification reports a failure, or another amount.
SAID_TO_HAVE_FAILED, OF_ANOTHER_AMOUNT = "failed", "amount"


# The kinds of facts of answers that report money as held, even if the amount or merchant is not ours.
_MONEY_ANSWERED = [
    f"{verb}_{outcome}"
    for verb in (Verb.AUTHORISE, Verb.COMPLETE_CHALLENGE, Verb.INQUIRE)
    for outcome in (ProviderOutcome.APPROVED, ProviderOutcome.CONFLICTED)
]


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of the request for one operation that were sent.

    ``outcome`` is that of the latest copy. Earlier copies (``has_earlier``) may still be carried out.
    ``was_alone`` is true if no other operation of the order was open when the latest copy was sent,
    ``is_followed`` if another operation has been sent since.
    """

    outcome: str
    has_earlier: bool = False
    was_alone: bool = False
    is_followed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OurOperation:
    """One operation of ours, or of the card issuer, in minor units of the payment's currency.

    ``doubt`` is the reason for which evidence contradicts the operation, ``doubted_at`` the time since when.
    ``reason`` says why it was requested or adopted. It ``is_clean`` if it may still be sent, and no copy of
    its request can have had an effect. It ``has_left`` if a copy may have had an effect. If it
    ``is_withdrawn``, it is never sent again.
    """

    reference: str
    kind: str
    minor: int
    state: str
    refusal_reason: str = ""
    doubt: str = ""
    doubted_at: datetime | None = None
    updated_at: datetime | None = None
    reason: str = ""
    is_clean: bool = False
    has_left: bool = True
    is_withdrawn: bool = False
    copies: Copies | None = None

    @property
    def told_as(self) -> str:
        """The reference as facts have it: scrubbed."""
        return scrub_text(self.reference)

    @property
    def is_certain(self) -> bool:
        """Return True if the operation is done, and no evidence contradicts it."""
        return self.state == State.DONE and not self.doubt

    @property
    def may_be_made(self) -> bool:
        """Return True if the operation is refused, but may be carried out after all."""
        is_refused = self.state == State.REFUSED
        return is_refused and self.has_left and self.refusal_reason in MAY_BE_MADE


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """One event that a notification has reported, as its fact has it. Amount and reference may be empty."""

    kind: str
    is_proven: bool
    at: datetime
    amount: str = ""
    reference: str = ""
    is_applied: bool = True


@dataclass(frozen=True, slots=True)
class Range:
    """The bounds of the provider's sum of one kind of operation, in minor units.

    ``least`` counts the operations that are certain, and ``most`` all that were not refused and may have
    arrived. ``after`` also counts refused ones that may be made after all.
    """

    entries: tuple[OurOperation, ...]
    least: int
    most: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Our side of one order: the payment's amount, the attempt's state, and what is known of its money."""

    owed: Money
    state: str
    operations: tuple[OurOperation, ...] = ()
    told: tuple[ToldEvent, ...] = ()
    is_dispute_claimed: bool = False

    def operation(self, reference: str) -> OurOperation:
        """Return the operation with this reference. Raises ``LookupError``."""
        for each in self.operations:
            if each.reference == reference:
                return each
        raise LookupError(f"this order has no operation {reference}")

    def of_kind(self, kind: str | None) -> list[OurOperation]:
        """Return all operations of a kind."""
        return [each for each in self.operations if each.kind == kind]

    def without(self, operation: OurOperation) -> "Ours":
        """Return the same without one operation."""
        return replace(self, operations=tuple(each for each in self.operations if each != operation))

    def entries(self, kind: str | None) -> tuple[OurOperation, ...]:
        """Return the operations of a kind that were not refused, and refused ones that may yet be made."""
        return tuple(each for each in self.of_kind(kind) if each.state != State.REFUSED or each.may_be_made)

    def range(self, kind: str | None) -> Range:
        """Return the bounds of the sum of this kind."""
        ours = self.of_kind(kind)
        made = tuple(each for each in ours if each.state != State.REFUSED)
        most = _sum(each for each in made if not each.is_clean)
        return Range(
            made,
            least=_sum(each for each in made if each.is_certain),
            most=most,
            after=most + _sum(each for each in ours if each.may_be_made),
        )

    def total(self, kind: str, *states: str) -> int:
        """Return the sum of all operations of this kind in any of these states, in minor units."""
        return _sum(each for each in self.of_kind(kind) if each.state in states)

    def requested(self, kind: str) -> int:
        """Return the sum of all operations of this kind that were not refused, in minor units."""
        return _sum(each for each in self.of_kind(kind) if each.state != State.REFUSED)

    @property
    def captured(self) -> int:
        """The sum that was taken, in minor units."""
        return self.total(Kind.CAPTURE, State.DONE)

    @property
    def refunded(self) -> int:
        """The sum that was given back, in minor units."""
        return self.total(Kind.REFUND, State.DONE)

    @property
    def charged_back(self) -> int:
        """The sum that issuers took back, less what they have returned, in minor units."""
        returned = self.total(Kind.CHARGE_BACK_REVERSAL, State.DONE)
        return self.total(Kind.CHARGE_BACK, State.DONE) - returned

    @property
    def left_to_charge_back(self) -> int:
        """The sum that was taken, and neither given back nor charged back, in minor units."""
        return max(0, self.captured - self.refunded - self.charged_back)

    @property
    def standing(self) -> tuple[tuple[str, str], ...]:
        """The states of all operations, compared to see whether anything was booked in between."""
        return tuple((each.reference, each.state) for each in self.operations)

    @property
    def last_booked_at(self) -> datetime | None:
        """The time at which an operation was booked last."""
        moments = (each.updated_at for each in self.operations if each.state == State.DONE)
        return max((each for each in moments if each is not None), default=None)

    @property
    def is_settlement_told(self) -> bool:
        """Return True if a notification reports a settlement, even an unproven one."""
        return any(each.kind == EventKind.SETTLED for each in self.told)

    def is_only_one_ever(self, operation: OurOperation) -> bool:
        """Return True if no other operation of its kind may explain the order's last event."""
        return len(self.of_kind(operation.kind)) == 1

    def is_another_told(self, operation: OurOperation) -> bool:
        """Return True if a proven event has another amount and names none of our operations.

        Staff have made that operation in the provider's portal, so the last event may be about it, and not
        about our operation. An amount in another currency proves nothing, because money may be settled in
        another currency.
        """
        kinds = list(events_of(operation.kind))
        if operation.kind == Kind.CAPTURE:
            # The account may not have selected notifications of captures.
            kinds.append(EventKind.SETTLED)
        names = {each.told_as for each in self.operations}
        amount = str(Money(operation.minor, self.owed.currency))
        return any(
            each.kind in kinds
            and each.is_proven
            and each.is_applied
            and each.amount.endswith(self.owed.currency)
            and each.amount != amount
            and each.reference not in names
            for each in self.told
        )


def _sum(operations: Iterable[OurOperation]) -> int:
    return sum(each.minor for each in operations)


_TOLD = Compiled(
    lambda attempt: (
        Fact.objects.filter(Q(kind__startswith=NOTIFIED) | Q(kind__startswith=HINTED), attempt_id=attempt)
        .only("kind", "data", "recorded_at")
        .order_by("pk")
    )
)
_CALLS = Compiled(
    lambda attempt: ProviderCall.objects.filter(attempt_id=attempt, verb__in=MODIFICATIONS).order_by("pk")
)
_CLAIMS = Compiled(
    lambda attempt: (
        Saga.objects.only("pk")
        .filter(
            attempt_id=attempt,
            kind=ASKING,
            status__in=UNFINISHED,
            data__claim__in=[str(each) for each in BY_ISSUERS],
        )
        .order_by()
    )
)


def ours_of(attempt: Attempt) -> Ours:
    """Return our side of an attempt as it is stored now."""
    calls = _CALLS.all(attempt.pk)
    operations = operations_of(attempt)
    return Ours(
        owed=attempt.payment.amount,
        state=attempt.state,
        operations=tuple(our_operation(each, calls) for each in operations),
        told=tuple(map(_told, _TOLD.all(attempt.pk))),
        is_dispute_claimed=bool(operations) and _CLAIMS.first(attempt.pk) is not None,
    )


def operations_as_ours(attempt: Attempt, operations: Iterable[Operation]) -> Ours:
    """Return our side of an attempt by its operations alone, which the caller has read."""
    return Ours(
        owed=attempt.payment.amount,
        state=attempt.state,
        operations=tuple(our_operation(each, ()) for each in operations),
    )


def is_done_with_another_amount(operation: Operation) -> bool:
    """Return True if a proven event names an operation that is done in our books, with another amount."""
    return operation.state == Operation.State.DONE and operation.doubt == OF_ANOTHER_AMOUNT


def our_operation(operation: Operation, calls: Sequence[ProviderCall]) -> OurOperation:
    """Return the snapshot of an operation. ``calls`` are the modifications of its attempt."""
    return OurOperation(
        reference=operation.reference,
        kind=operation.kind,
        minor=operation.amount_minor,
        state=operation.state,
        refusal_reason=operation.refusal_reason,
        doubt=operation.doubt,
        doubted_at=operation.doubted_at,
        updated_at=operation.updated_at,
        reason=operation.reason,
        is_clean=is_clean(operation),
        has_left=_has_left(operation, calls),
        is_withdrawn=operation.is_withdrawn,
        copies=_copies(operation.reference, calls),
    )


def _has_left(operation: Operation, calls: Sequence[ProviderCall]) -> bool:
    """Return False for an operation that staff did not find or have withdrawn, and that had never left us."""
    if operation.refusal_reason not in (NOT_FOUND, WITHDRAWN):
        return True
    return any(each.key == operation.reference and not has_had_no_effect(each) for each in calls)


def _copies(reference: str, calls: Sequence[ProviderCall]) -> Copies | None:
    call = next((each for each in calls if each.key == reference), None)
    if call is None:
        return None
    since = [each for each in calls if each is not call and each.started_at >= call.started_at]
    return Copies(call.outcome, call.earlier_at is not None, call.was_alone, bool(since))


def _told(fact: Fact) -> ToldEvent:
    prefix = NOTIFIED if fact.kind.startswith(NOTIFIED) else HINTED
    return ToldEvent(
        kind=fact.kind.removeprefix(prefix),
        is_proven=prefix == NOTIFIED,
        at=fact.recorded_at,
        amount=fact.data.get("amount", ""),
        reference=fact.data.get("reference", ""),
        is_applied="not_applied" not in fact.data,
    )


# Orders that the provider does not find


def has_told_of_money(attempt: Attempt) -> bool:
    """Return True if the provider has said that money is held, in an answer or a proven notification.

    This alone decides nothing, but it contradicts an answer that there is no such order. An answer with
    another amount or merchant counts, too.
    """
    told = [f"{NOTIFIED}{kind}" for kind in IMPLY_MONEY]
    return Fact.objects.filter(attempt=attempt, kind__in=[*told, *_MONEY_ANSWERED]).exists()


def may_order_exist(before: CallsInFlight, attempt: Attempt) -> bool:
    """Return True if the order may exist, or appear later, although the provider does not know it.

    ``before`` has the attempt's requests as they were when the provider was asked. Some orders appear only
    hours later.
    """
    return not before.is_over(attempt) or may_be_completed(attempt) or has_told_of_money(attempt)
