"""What our books say of one payment: of each attempt by its operations, of the whole by the ledger."""

from dataclasses import dataclass, field

from django.db.models import Q, Sum
from django.utils import timezone

from checkout.conf import conf
from checkout.models import LedgerEntry, Operation, Payment, ProviderAccount, Saga
from checkout.services.ledger import CAPTURED, IN_PROCESS
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
    payment = Payment.objects.get(pk=payment_pk)
    operations = list(payment.operations.values_list("attempt_id", "kind", "state", "amount_minor"))
    attempts = list(payment.attempts.order_by("number"))
    own = [attempt for attempt in attempts if attempt.provider_account_id == account.pk]

    def total(attempt: int, kind: str) -> int:
        return sum(
            minor for of, k, state, minor in operations if (of, k, state) == (attempt, kind, State.DONE)
        )

    def authorised(attempt: int, state: str) -> int:
        was = state == AttemptState.AUTHORISED and payment.state != PaymentState.EXPIRED
        return payment.amount_minor - total(attempt, Kind.VOID) if was else 0

    has_open_operations = any(state in OPEN for _, _, state, _ in operations)
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
        is_in_progress=_is_in_progress(payment, has_open_operations),
        _versions=(payment.version, *payment.sagas.order_by("pk").values_list("version", flat=True)),
    )


def _ledger_sums(payment: Payment) -> LedgerSums:
    entries = LedgerEntry.objects.filter(payment_reference=payment.reference)
    # What else moves the account: refunds, and refunds that came back.
    is_capture = Q(posting__startswith="captured:")
    sums = entries.aggregate(
        captured=Sum("amount_minor", filter=Q(account=CAPTURED) & is_capture, default=0),
        refunded=Sum("amount_minor", filter=Q(account=CAPTURED) & ~is_capture, default=0),
        in_process=Sum("amount_minor", filter=Q(account=IN_PROCESS), default=0),
    )
    return LedgerSums(sums["captured"], -sums["refunded"], sums["in_process"])


def _is_in_progress(payment: Payment, has_open_operations: bool) -> bool:
    """Whether the books may be between two pages: a saga is at work, or about to begin."""
    statuses = set(payment.sagas.values_list("status", flat=True))
    if Saga.Status.RUNNING in statuses:
        return True
    is_open = has_open_operations or (payment.state in UNDECIDED and payment.state != PaymentState.CONFLICTED)
    is_fresh = payment.updated_at > timezone.now() - conf.service_wait
    return is_open and is_fresh and Saga.Status.PARKED not in statuses
