"""Our books of one payment: the sums of each attempt's operations, and those of the payment in the ledger.

A capture or refund may wait for its outcome for days. Meanwhile our books do not show if the provider has
booked it, so each sum that it may change has ``Bounds``.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from checkout.conf import conf
from checkout.ledger.books import Balances, balances_of
from checkout.payments.books.compare_sums import AttemptSums, Bounds
from checkout.payments.books.ours import SAID_TO_HAVE_FAILED
from checkout.payments.models import Attempt, Operation, Payment, ProviderAccount, Saga
from checkout.payments.postings import is_still_posting
from checkout.payments.sagas.asking import Asking
from checkout.payments.sagas.operations.data import At
from checkout.payments.totals import OPEN, WITHOUT_END, Sums, added_up
from checkout.states import UNDECIDED, AttemptState, PaymentState
from messaging.compiled_queries import Compiled

Kind, State = Operation.Kind, Operation.State
_ASKED_OF_THE_PROVIDER = (Kind.CAPTURE, Kind.VOID, Kind.REFUND)
# At these steps a saga sends and posts nothing: the outcome comes by a notification or a later inquiry.
_WAITING_STEPS = (At.AWAIT_PROVIDER, At.INQUIRE)


def is_idle(saga: Saga, state: str) -> bool:
    """Return True if the saga is waiting. ``state`` is that of the saga's operation, or "" if it has none.

    A running saga whose operation has ended is not idle, because a signal to it is on its way.
    """
    if saga.status != Saga.Status.RUNNING:
        return True
    if saga.kind in _ASKED_OF_THE_PROVIDER:
        return saga.step in _WAITING_STEPS and (state in WITHOUT_END or _is_in_doubt(saga, state))
    # The provider was asked if a notification is true, gave no clear answer, and will be asked again.
    return saga.kind == Asking.kind and saga.data.get("inquiries", 0) > 0


def waiting_operations(operations: Sequence[Operation], sagas: Sequence[Saga]) -> frozenset[str]:
    """Return the references of operations that the provider may have booked or not."""
    states = {each.reference: each.state for each in operations}
    return frozenset(
        saga.key
        for saga in sagas
        if saga.status == Saga.Status.RUNNING and saga.key in states and is_idle(saga, states[saga.key])
    )


def _is_in_doubt(saga: Saga, state: str) -> bool:
    """Return True for a booked refund that a notification reports as failed, while its saga asks about it."""
    return state == State.DONE and bool(saga.data.get("is_booked") and saga.data.get("is_doubted"))


@dataclass(frozen=True, slots=True)
class OurBooks:
    """A payment in our books. ``attempts`` has the sums of each attempt with the account, by order code.

    ``operations`` has the sums of all operations. ``ledger`` has the ledger's sums by currency, normally the
    payment's only. ``has_open_operations`` is True while an operation has no outcome. ``is_whole`` is True if
    all attempts of the payment are with this account, so that their sums add up to those of the ledger.
    ``changed_at`` is the time at which the payment, an attempt or an operation changed last.
    """

    currency: str
    attempts: dict[str, AttemptSums]
    ledger: Mapping[str, Balances]
    operations: Sums
    has_open_operations: bool
    is_whole: bool
    is_in_progress: bool
    changed_at: datetime
    _versions: tuple[int, ...] = field(repr=False)


def our_books(payment_pk: int, account: ProviderAccount) -> OurBooks:
    """Read the present books of a payment. If two readings are equal, nothing has changed in between."""
    payment = _PAYMENT.get(payment_pk)
    operations, sagas = _OPERATIONS.all(payment_pk), _SAGAS.all(payment_pk)
    attempts = _ATTEMPTS.all(payment_pk)
    own = [attempt for attempt in attempts if attempt.provider_account_id == account.pk]
    waiting = waiting_operations(operations, sagas)

    def sums(attempt: Attempt) -> AttemptSums:
        made = [each for each in operations if each.attempt_id == attempt.pk]
        return _sums(payment, attempt, made, sagas, waiting)

    return OurBooks(
        currency=payment.currency,
        attempts={attempt.order_code: sums(attempt) for attempt in own},
        ledger=balances_of(payment.reference),
        operations=added_up(payment, operations),
        has_open_operations=any(each.state in OPEN for each in operations),
        is_whole=len(own) == len(attempts),
        is_in_progress=_is_in_progress(payment, operations, sagas),
        changed_at=max(
            payment.updated_at,
            *(attempt.updated_at for attempt in attempts),
            *(operation.updated_at for operation in operations),
        ),
        _versions=(payment.version, *(saga.version for saga in sagas)),
    )


_PAYMENT = Compiled(lambda pk: Payment.objects.filter(pk=pk))
_OPERATIONS = Compiled(lambda payment: Operation.objects.filter(payment_id=payment).order_by("pk"))
_ATTEMPTS = Compiled(lambda payment: Attempt.objects.filter(payment_id=payment).order_by("number"))
_SAGAS = Compiled(lambda payment: Saga.objects.filter(payment_id=payment).order_by("pk"))


def _sums(
    payment: Payment,
    attempt: Attempt,
    operations: Sequence[Operation],
    sagas: Sequence[Saga],
    waiting: Collection[str],
) -> AttemptSums:
    sums, open_ = added_up(payment, operations), {*waiting, *_in_doubt(operations, sagas)}
    was_authorised = attempt.state == AttemptState.AUTHORISED and payment.state != PaymentState.EXPIRED
    held = payment.amount_minor - sums.total(Kind.VOID, State.DONE) if was_authorised else 0
    is_being_voided = any(each.kind == Kind.VOID and each.reference in open_ for each in operations)
    return AttemptSums(
        authorised=Bounds(0 if is_being_voided else held, held),
        captured=_range(operations, Kind.CAPTURE, open_),
        refunded=_range(operations, Kind.REFUND, open_),
        charged_back=sums.charged_back,
    )


def _in_doubt(operations: Sequence[Operation], sagas: Sequence[Saga]) -> set[str]:
    """Return the refunds that a notification reports as failed, except those whose saga is parked.

    This includes refunds whose saga has not received the signal yet.
    """
    parked = {saga.key for saga in sagas if saga.status == Saga.Status.PARKED}
    return {each.reference for each in operations if each.doubt == SAID_TO_HAVE_FAILED} - parked


def _range(operations: Sequence[Operation], kind: str, open_: Collection[str]) -> Bounds:
    """Return the least and the greatest sum that the provider can have booked.

    Only operations in ``open_`` may be booked or not. For all others, their state counts.
    """
    ours = [each for each in operations if each.kind == kind and each.state != State.REFUSED]
    least = sum(
        each.amount_minor for each in ours if each.state == State.DONE and each.reference not in open_
    )
    return Bounds(least, least + sum(each.amount_minor for each in ours if each.reference in open_))


def _is_in_progress(payment: Payment, operations: Sequence[Operation], sagas: Sequence[Saga]) -> bool:
    """Return True if the books may be incomplete now, because a saga or the ledger has work to do."""
    states = {each.reference: each.state for each in operations}
    if not all(is_idle(saga, states.get(saga.key, "")) for saga in sagas):
        return True
    begun = {saga.key for saga in sagas}
    recent = timezone.now() - conf.service_wait
    if any(each.reference not in begun and each.created_at > recent for each in operations):
        return True
    is_parked = any(saga.status == Saga.Status.PARKED for saga in sagas)
    is_open = any(each.state in OPEN and each.reference not in begun for each in operations)
    is_undecided = payment.state in UNDECIDED and payment.state != PaymentState.CONFLICTED
    if (is_open or is_undecided) and payment.updated_at > recent and not is_parked:
        return True
    return is_still_posting(payment.reference)
