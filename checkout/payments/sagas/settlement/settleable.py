"""The payments that staff may settle by figures: their attempts, the reasons, and what must be done first."""

from collections.abc import Iterable

from django.db.models import Case, Q, When

from checkout.localised_money import localised_money
from checkout.payments.books.events import BY_ISSUERS
from checkout.payments.books.figures import SETTLEMENT_APPLIED, others_of
from checkout.payments.books.ours import is_done_with_another_amount
from checkout.payments.models import Attempt, Difference, Operation, Payment, Saga
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.sagas.asking import REVIEW, Asking
from checkout.payments.sagas.operations.data import UNTOLD
from checkout.payments.sagas.purchase.data import At
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.settlement.claim import left_to_book
from checkout.payments.totals import OPEN, WITH_MONEY
from checkout.states import OPEN_ATTEMPTS, AttemptState, PaymentState

Kind, State = Operation.Kind, Operation.State

# Steps of a purchase at which an answer may lead to a capture, whatever staff have decided meanwhile.
ASKING = (At.AUTHORISE, At.AWAIT_CHALLENGE, At.COMPLETE_CHALLENGE, At.ABANDON)
# Steps of a parked purchase that can neither capture nor release its authorisation.
STUCK = (At.VOID, At.UNPAID)
# The differences that concern one attempt, whose sums staff can enter.
OF_AN_ATTEMPT = (
    Difference.Kind.AUTHORISED,
    Difference.Kind.CAPTURED,
    Difference.Kind.REFUNDED,
    Difference.Kind.CHARGED_BACK,
)
# The states of a payment whose first attempt has not ended.
_TOO_EARLY = (PaymentState.OPEN, PaymentState.PROCESSING, PaymentState.CHALLENGE_REQUIRED)
NOTHING_TO_SETTLE = "There is nothing to settle: an attempt is still under way, or no money was ever held."
_WAS_AUTHORISED = WITH_MONEY | {PaymentState.CONFIRMING, PaymentState.VOIDED, PaymentState.EXPIRED}


def contradicting_attempt(payment: Payment) -> Attempt:
    """Return the attempt that a conflicted payment's conflict is about.

    A conflicted attempt comes before an authorised one, whose money may have been moved at the provider
    without a request of ours.
    """
    return min(payment.attempts.all(), key=_rank)


def attempts_to_settle(payment: Payment) -> list[Attempt]:
    """Return the attempts whose figures staff may enter, in the order of entry."""
    first = attempt_to_settle(payment)
    if first is None:
        return []
    return [first, *others_of(first, AttemptState.CONFLICTED, AttemptState.AUTHORISED)]


def attempt_to_settle(payment: Payment) -> Attempt | None:
    """Return the attempt whose figures staff enter first; None if no money was ever held."""
    if found := untold_attempt(payment):
        return found
    if payment.state == PaymentState.CONFLICTED:
        return contradicting_attempt(payment)
    return None if payment.state in _TOO_EARLY else _ended_attempt(payment)


def untold_attempt(payment: Payment) -> Attempt | None:
    """Return an attempt whose outcome the provider did not tell, however often it was asked; else None."""
    if payment.state not in (PaymentState.CONFIRMING, PaymentState.CONFLICTED):
        return None
    given_up = payment.sagas.filter(kind=Purchase.kind, step=At.INQUIRE, status=Saga.Status.PARKED)
    found = given_up.filter(attempt__state__in=OPEN_ATTEMPTS).select_related("attempt").first()
    return found.attempt if found else None


def _ended_attempt(payment: Payment) -> Attempt | None:
    """Return an ended attempt with open differences, or whose purchase cannot use its authorisation.

    After a restore, notifications that arrived since the backup are not sent again. A purchase can neither
    capture nor release an authorisation if somebody has captured a part of it in the provider's portal.

    Without such an attempt, return the first one that was authorised. The provider may report neither sums
    nor what was done in its portal, but staff may know of it. A part may also have been captured before the
    rest was released or has expired, and staff may have entered no money by mistake.
    """
    is_reason = _is_reason(payment)
    is_candidate = is_reason
    if payment.state in _WAS_AUTHORISED:
        entered = payment.facts.filter(kind=SETTLEMENT_APPLIED)
        is_candidate |= Q(state=AttemptState.AUTHORISED)
        is_candidate |= Q(state=AttemptState.REFUSED, pk__in=entered.values("attempt"))
    ended = payment.attempts.exclude(state__in=OPEN_ATTEMPTS)
    by_reason = Case(When(is_reason, then=0), default=1)
    return ended.filter(is_candidate).order_by(by_reason, "number").first()


def _is_reason(payment: Payment) -> Q:
    """Match the payment's attempts with an open difference, or with a purchase that is stuck."""
    differences = payment.differences.filter(OPEN_DIFFERENCE, kind__in=OF_AN_ATTEMPT)
    stuck = payment.sagas.filter(kind=Purchase.kind, step__in=STUCK, status=Saga.Status.PARKED)
    return Q(order_code__in=differences.values("order_code")) | Q(
        state=AttemptState.AUTHORISED, pk__in=stuck.values("attempt")
    )


def needs_figures(payment: Payment) -> bool:
    """Return True if something is open that the figures of the provider's books would settle.

    That is a contradiction, an attempt whose outcome the provider does not tell, a difference, a purchase
    that cannot use its authorisation, or a charge-back for which our books have no room.
    """
    if payment.state == PaymentState.CONFLICTED or untold_attempt(payment) is not None:
        return True
    claims = payment.sagas.filter(kind=Asking.kind, status=Saga.Status.PARKED)
    return payment.attempts.filter(_is_reason(payment)).exists() or any(map(lacks_room, claims))


def lacks_room(saga: Saga) -> bool:
    """Return True for a claim of an issuer's movement for which our books have perhaps no room."""
    if saga.kind != Asking.kind or saga.data.get("claim") not in BY_ISSUERS:
        return False
    return saga.data.get("minor") is None or _has_to_wait(saga)


def _rank(attempt: Attempt) -> tuple[int, int]:
    rank = {AttemptState.CONFLICTED: 0, AttemptState.AUTHORISED: 1}
    return rank.get(AttemptState(attempt.state), len(rank)), -attempt.number


def obstacle_to_settling(attempt: Attempt) -> str:
    """Return what must be finished before staff can settle the payment; empty if nothing must be."""
    payment = attempt.payment
    if payment.state in _TOO_EARLY:
        return NOTHING_TO_SETTLE
    open_sagas = payment.sagas.filter(status__in=UNFINISHED).order_by("pk")
    sagas = {(each.kind, each.key): each for each in open_sagas}
    return (
        _obstacle_of_sagas(list(sagas.values()))
        or _obstacle_of_operations(payment, sagas)
        or _obstacle_of_attempts(attempt)
        or _obstacle_of_flows(payment, sagas.values())
    )


def _obstacle_of_sagas(sagas: list[Saga]) -> str:
    for saga in sagas:
        is_running = saga.status == Saga.Status.RUNNING
        if saga.kind == Asking.kind and saga.step == REVIEW:
            if is_running:
                return "The provider is just being asked. See first what comes of it."
            return "A review has stopped. Have it tried again first, on its flow's page."
        if saga.kind == Asking.kind:
            if is_running:
                return "The provider is being asked if a notification is true. See first what comes of it."
            if _has_to_wait(saga):
                continue
            return "What a notification claims waits for staff. Settle that first: a link is on this page."
        if saga.kind == Purchase.kind and is_running and saga.step in ASKING:
            return "The purchase is still under way. Wait until it has ended, or has stopped."
    return ""


def _has_to_wait(question: Saga) -> bool:
    """Return True for a claim of an issuer's movement for which our books of its attempt have no room.

    Such a claim waits for the settlement, whose figures include the movement. Afterwards staff answer that
    nothing more happened.
    """
    claim = str(question.data.get("claim"))
    if claim not in BY_ISSUERS:
        return False
    return left_to_book(claim, question.attempt).minor < (question.data.get("minor") or 1)


def _obstacle_of_operations(payment: Payment, sagas: dict[tuple[str, str], Saga]) -> str:
    for operation in payment.operations.select_related("attempt").order_by("pk"):
        saga = sagas.get((operation.kind, operation.reference))
        what = f"{operation.get_kind_display().lower()} of {localised_money(operation.amount)}"
        if operation.state in OPEN and not _ends_by_figures(operation, saga):
            if saga is not None and saga.status == Saga.Status.PARKED:
                return f"Nobody knows what became of the {what}. Settle that first: a link is on this page."
            return f"The {what} is under way. Wait until it has ended, or waits for staff."
        if operation.state not in OPEN and saga is not None:
            if saga.status == Saga.Status.PARKED:
                if is_done_with_another_amount(operation):
                    continue
                return f"The {what} waits for staff. Settle it, or try it again, on its saga's page first."
            return f"The {what} is still being looked into or posted. Wait a moment."
    return ""


def _ends_by_figures(operation: Operation, saga: Saga | None) -> bool:
    """Return True for a parked capture or void whose outcome follows from the figures that staff enter.

    A capture cannot be sent again while its attempt is not authorised, and a void can only be refused once
    money was captured.
    """
    if saga is None or saga.status != Saga.Status.PARKED or saga.step not in (operation.kind, *UNTOLD):
        return False
    can_be_sent = operation.attempt.state == AttemptState.AUTHORISED
    return operation.kind == Kind.VOID or (operation.kind == Kind.CAPTURE and not can_be_sent)


def _obstacle_of_attempts(attempt: Attempt) -> str:
    undecided = others_of(attempt, *OPEN_ATTEMPTS)
    if attempt.state in OPEN_ATTEMPTS and untold_attempt(attempt.payment) != attempt:
        undecided = [attempt]
    if not undecided:
        return ""
    return (
        f"What became of the attempt {undecided[0].order_code} is not known yet. Wait until its purchase "
        "has ended. If it has stopped, have it tried again on its flow's page, or settle that attempt first."
    )


def _obstacle_of_flows(payment: Payment, sagas: Iterable[Saga]) -> str:
    """Return that a saga is running, unless the payment is conflicted: then the saga waits for staff."""
    if payment.state != PaymentState.CONFLICTED and any(each.status == Saga.Status.RUNNING for each in sagas):
        return "A flow is still at work on this payment. Wait until it has ended, or has stopped."
    return ""
