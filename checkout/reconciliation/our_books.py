"""What our books say of one payment: of each attempt by its operations, of the whole by the ledger."""

from dataclasses import dataclass, field

from django.utils import timezone

from checkout.conf import conf
from checkout.models import Attempt, LedgerEntry, Operation, Payment, ProviderAccount, Saga
from checkout.services.ledger import CAPTURED, IN_PROCESS
from checkout.statements import Compiled
from checkout.states import UNDECIDED, AttemptState, PaymentState

Kind, State = Operation.Kind, Operation.State
OPEN = (State.REQUESTED, State.PENDING, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sums:
    """In minor units. ``authorised`` is without what a void or an expiry gave back."""

    authorised: int
    captured: int
    refunded: int


@dataclass(frozen=True, slots=True)
class LedgerSums:
    """In minor units: what the ledger has as captured, as refunded, and as asked for but not taken."""

    captured: int
    refunded: int
    in_process: int


@dataclass(frozen=True, slots=True)
class OurBooks:
    """A payment as we believe it to be. ``attempts`` are those with the account, by order code.

    ``has_open_operations``: the provider has been asked for something and has not said how it ended.
    ``is_whole``: all attempts of the payment are with this account, so that the ledger can be compared.
    """

    currency: str
    attempts: dict[str, Sums]
    ledger: LedgerSums
    has_open_operations: bool
    is_whole: bool
    is_in_progress: bool
    _versions: tuple[int, ...] = field(repr=False)


def our_books(payment_pk: int, account: ProviderAccount) -> OurBooks:
    """Read them as they are now. Two readings that are equal saw the same books."""
    payment = _PAYMENT.get(payment_pk)
    operations, sagas = _OPERATIONS.all(payment_pk), _SAGAS.all(payment_pk)
    attempts = _ATTEMPTS.all(payment_pk)
    own = [attempt for attempt in attempts if attempt.provider_account_id == account.pk]

    def total(attempt: int, kind: str) -> int:
        return sum(
            each.amount_minor
            for each in operations
            if (each.attempt_id, each.kind, each.state) == (attempt, kind, State.DONE)
        )

    def authorised(attempt: int, state: str) -> int:
        was = state == AttemptState.AUTHORISED and payment.state != PaymentState.EXPIRED
        return payment.amount_minor - total(attempt, Kind.VOID) if was else 0

    has_open_operations = any(each.state in OPEN for each in operations)
    return OurBooks(
        currency=payment.currency,
        attempts={
            attempt.order_code: Sums(
                authorised=authorised(attempt.pk, attempt.state),
                captured=total(attempt.pk, Kind.CAPTURE),
                refunded=total(attempt.pk, Kind.REFUND),
            )
            for attempt in own
        },
        ledger=_ledger_sums(payment),
        has_open_operations=has_open_operations,
        is_whole=len(own) == len(attempts),
        is_in_progress=_is_in_progress(payment, sagas, has_open_operations),
        _versions=(payment.version, *(saga.version for saga in sagas)),
    )


_PAYMENT = Compiled(lambda pk: Payment.objects.filter(pk=pk))
_OPERATIONS = Compiled(lambda payment: Operation.objects.filter(payment_id=payment).order_by("pk"))
_ATTEMPTS = Compiled(lambda payment: Attempt.objects.filter(payment_id=payment).order_by("number"))
_SAGAS = Compiled(lambda payment: Saga.objects.filter(payment_id=payment).order_by("pk"))
_ENTRIES = Compiled(lambda reference: LedgerEntry.objects.filter(payment_reference=reference).order_by())


def _ledger_sums(payment: Payment) -> LedgerSums:
    captured = refunded = in_process = 0
    for entry in _ENTRIES.all(payment.reference):
        if entry.account == IN_PROCESS:
            in_process += entry.amount_minor
        elif entry.account == CAPTURED and entry.posting.startswith("captured:"):
            captured += entry.amount_minor
        elif entry.account == CAPTURED:
            # What else moves the account: refunds, and refunds that came back.
            refunded -= entry.amount_minor
    return LedgerSums(captured, refunded, in_process)


def _is_in_progress(payment: Payment, sagas: list[Saga], has_open_operations: bool) -> bool:
    """Whether the books may be between two pages: a saga is at work, or about to begin."""
    statuses = {saga.status for saga in sagas}
    if Saga.Status.RUNNING in statuses:
        return True
    is_open = has_open_operations or (payment.state in UNDECIDED and payment.state != PaymentState.CONFLICTED)
    is_fresh = payment.updated_at > timezone.now() - conf.service_wait
    return is_open and is_fresh and Saga.Status.PARKED not in statuses
