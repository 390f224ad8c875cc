"""The checkout service: it passes commands on to the orchestrator. All decisions are made by sagas."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import structlog
from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.orders.messages import OrderLine
from checkout.payments.checkout_messages import (
    AnnouncePayment,
    ApplyProviderEvent,
    AwaitOperation,
    AwaitPayment,
    CompleteChallenge,
    PassDeadline,
    ResumeSaga,
    ReviewPayment,
    SettleClaim,
    SettleOperation,
    SettlePayment,
    StartOperation,
    SubmitPayment,
)
from checkout.payments.locking import locked_payment_of
from checkout.payments.models import Attempt, Operation, Payment, Saga
from checkout.payments.models.payment import new_reference
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.sagas import orchestrator
from checkout.payments.sagas.hint_questions import seconds_until_question
from checkout.payments.sagas.movement import move_payment_if_allowed, publish_state
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.sagas.operations.opening import is_contradicted
from checkout.payments.sagas.purchase.data import PurchaseData
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.settlement import (
    claim as claim_settlement,
    operation as operation_settlement,
    payment as payment_settlement,
)
from checkout.payments.sagas.settlement.contradiction import attempt_to_settle
from checkout.payments.sagas.settlement.doubted_refusals import doubt_refusal
from checkout.payments.sagas.settlement.review import Review, ReviewData
from checkout.payments.sagas.settlement.verification import Verification, VerificationData
from checkout.payments.sagas.signals import HINTS, Signal
from checkout.payments.sagas.waiters import join, join_locked, join_operation, reply_with_state
from checkout.payments.totals import (
    BY_ISSUER,
    IMPLIES_AUTHORISED,
    SETTLED,
    is_explained,
    is_given_back,
    operations_under_lock,
)
from checkout.service import Service
from checkout.states import OPEN_ATTEMPTS, Actor, AttemptState, PaymentState
from messaging.compiled_queries import Compiled
from messaging.envelope import Reply
from messaging.worker.service import CommandRejected, Message

log = structlog.get_logger(__name__)

service = Service("checkout", replies=orchestrator.REPLIES, records_last=True)

# Notified events of an authorised payment that the provider must confirm before they are believed.
CLAIMS = frozenset(
    {
        "captured",
        "cancelled",
        "refunded",
        "refund_failed",
        "expired",
        "charged_back",
        "charge_back_reversed",
    }
)
# The states of attempts for which we believe that no money is held.
ENDED_WITHOUT_MONEY = (AttemptState.REFUSED, AttemptState.NOT_SENT, AttemptState.EXPIRED)


@service.handles(SubmitPayment)
def submit_payment(command: SubmitPayment, message: Message) -> None:
    """Start the purchase of an attempt, or join the one that is under way.

    If this command is late, and the attempt has ended meanwhile, no purchase is started.
    """
    # The timer that ends attempts whose purchase never began takes this lock, too (``timers.unstarted``).
    attempt = _OF_PAYMENT.first(command.attempt, command.payment)
    if attempt is None:
        raise CommandRejected("attempt_not_found", f"There is no attempt {command.attempt}.")
    payment = attempt.payment
    if attempt.state in ENDED_WITHOUT_MONEY:
        join_locked(payment, message)
        return
    data = PurchaseData(
        payment=payment.reference,
        attempt=attempt.order_code,
        minor=payment.amount_minor,
        currency=payment.currency,
        email=payment.shopper_email,
        ip_address=attempt.browser.get("ip_address", ""),
        lines=[OrderLine(**line) for line in payment.lines],
        captures=payment.captures_automatically,
        capture_operation=attempt.capture_reference or new_reference("op"),
        is_capture_included=bool(attempt.capture_reference),
        has_card=message.has_sealed or attempt.saved_card_id is not None,
        merchant=payment.merchant.name,
        order_reference=payment.order_reference,
        description=payment.description,
        merchant_code=payment.merchant.code,
        locale=payment.locale,
        is_test=not payment.merchant.is_live,
    )
    orchestrator.start(Purchase.kind, attempt.order_code, attempt, data, message, payment=payment)
    join_locked(payment, message)


@service.handles(CompleteChallenge)
def complete_challenge(command: CompleteChallenge, message: Message) -> None:
    """Continue the purchase after the shopper's return from the ACS."""
    saga = orchestrator.locked(Purchase.kind, command.attempt)
    if saga is None:
        raise CommandRejected("saga_not_found", "No purchase is under way for this attempt.")
    orchestrator.signal(saga, Signal.CHALLENGE_RETURNED, message)
    join(command.payment, message)


@service.handles(AwaitPayment)
def await_payment(command: AwaitPayment, message: Message) -> None:
    """Add another waiter for the same payment, after a second click, a reload or a repeated return."""
    join(command.payment, message)


@service.handles(AwaitOperation)
def await_operation(command: AwaitOperation, message: Message) -> None:
    """Add a waiter for an operation: the program that requested it, or that has repeated its request."""
    join_operation(command.payment, command.operation, message)


@service.handles(StartOperation)
def start_operation(command: StartOperation, message: Message) -> None:
    """Start the saga of an operation that was requested, or that was found to be done."""
    operations = Operation.objects.select_related("attempt", "payment")
    operation = operations.filter(reference=command.operation, payment__reference=command.payment).first()
    if operation is None:
        raise CommandRejected("operation_not_found", "This payment has no such operation.")
    data = OperationData(
        payment=command.payment,
        attempt=operation.attempt.order_code,
        operation=operation.reference,
        minor=operation.amount_minor,
        currency=operation.currency,
        is_included=operation.reference == operation.attempt.capture_reference,
    )
    # A void signals the purchase that it is undone. A purchase that could not release its authorisation
    # itself waits for that signal. An included capture signals that it was accepted, or refused.
    is_awaited = operation.kind == Operation.Kind.VOID or data.is_included
    parent = orchestrator.locked(Purchase.kind, data.attempt) if is_awaited else None
    if parent is not None and data.is_included:
        payment = locked_payment_of(parent)
        # While its authorisation is contradicted, the purchase must not go on.
        parent = None if is_contradicted(data, operation.attempt_id, payment) else parent
    orchestrator.start(operation.kind, operation.reference, operation.attempt, data, message, parent=parent)


@service.handles(ReviewPayment)
def review_payment(command: ReviewPayment, message: Message) -> None:
    """Have the provider asked again, as staff want. The result is signalled to the attempt's purchase."""
    payment = Payment.objects.get(reference=command.payment)
    if payment.state != PaymentState.CONFLICTED:
        return
    attempt = attempt_to_settle(payment)
    data = ReviewData(payment=payment.reference, attempt=attempt.order_code)
    parent = orchestrator.locked(Purchase.kind, attempt.order_code)
    orchestrator.start(Review.kind, message.envelope.message_id, attempt, data, message, parent=parent)


@service.handles(PassDeadline)
def pass_deadline(command: PassDeadline, message: Message) -> None:
    """Handle a step that took too long, which the relay's timer has found."""
    orchestrator.pass_deadline(command.saga, command.version, message)


@service.handles(ResumeSaga)
def resume_saga(command: ResumeSaga, message: Message) -> None:
    """Let a parked saga go on, as staff want. If its money was given back, it may go on otherwise."""
    saga = orchestrator.numbered(command.saga)
    if saga is None or saga.version != command.version or saga.status != Saga.Status.PARKED:
        return
    payment = locked_payment_of(saga)
    if is_given_back(payment) and orchestrator.takes(saga, Signal.GIVEN_BACK):
        orchestrator.signal(saga, Signal.GIVEN_BACK, message, payment)
    else:
        orchestrator.resume(saga, message)


@service.handles(SettleOperation)
def settle_operation(command: SettleOperation, message: Message) -> None:
    """Apply what staff have found out about an operation whose outcome the provider does not tell."""
    operation_settlement.settle(command, message)


@service.handles(SettleClaim)
def settle_claim(command: SettleClaim, message: Message) -> None:
    """Apply what staff have found out about a claim that the provider's answers leave open."""
    claim_settlement.settle(command, message)


@service.handles(SettlePayment)
def settle_payment(command: SettlePayment, message: Message) -> None:
    """Apply what staff have found in the provider's books about a conflicted payment."""
    payment_settlement.settle(command, message)


@service.handles(AnnouncePayment)
def announce_payment(command: AnnouncePayment, message: Message) -> None:
    """Announce a payment that was moved outside a saga, and reply to its waiters."""
    payment = Payment.objects.select_for_update(no_key=True).get(reference=command.payment)
    doubt_refusal(payment, message)
    publish_state(payment, message)
    reply_with_state(payment, payment.waiters.all(), message)


@service.handles(ApplyProviderEvent)
def apply_provider_event(command: ApplyProviderEvent, message: Message) -> None:
    """Signal a notification to the attempt's sagas, with the new state of the operation that it settled.

    A hint is only a reason to ask the provider. The end of an earlier attempt does not move the payment,
    which is about another attempt by now; only a conflict does. An event that no saga can explain is not
    believed until the provider confirms it.
    """
    attempt = _attempt(command.attempt)
    sagas = orchestrator.sagas_of(attempt)
    payment = attempt.payment = locked_payment_of(attempt)
    if command.is_proven:
        _tell_sagas(command, attempt, sagas, payment, message)
    else:
        _hint_at(command, attempt, sagas, payment, message)
    claim = _claim(command, attempt)
    if not claim:
        return
    asked = [saga for saga in sagas if _verifies(saga, claim, command)]
    if asked:
        _add_to_question(asked, claim, command)
        return
    waits_seconds = 0.0 if command.is_proven else _seconds_until_hint_shows(attempt, sagas)
    if waits_seconds is None:
        log.warning("too many hints: the provider is not asked", attempt=command.attempt, claim=claim)
        return
    question = with_changes(_question(command, claim, message), waits_seconds=waits_seconds)
    key = f"{claim}:{message.envelope.message_id}"
    # The order of an authorisation that has expired is cancelled by its purchase.
    concerns_order = claim == "expired"
    purchase = next((saga for saga in sagas if saga.kind == Purchase.kind), None) if concerns_order else None
    orchestrator.start(Verification.kind, key, attempt, question, message, parent=purchase, payment=payment)


def _seconds_until_hint_shows(attempt: Attempt, sagas: Sequence[Saga]) -> float | None:
    """Return the delay of the only question about a hint, in seconds; None if there were too many hints.

    The answer must show what the hint tells, as nobody asks again.
    """
    waits_seconds = seconds_until_question(attempt, sagas)
    return None if waits_seconds is None else max(waits_seconds, conf.order_lag.total_seconds())


def _tell_sagas(
    command: ApplyProviderEvent,
    attempt: Attempt,
    sagas: Sequence[Saga],
    payment: Payment,
    message: Message,
) -> None:
    if command.kind == "conflicted":
        # The provider itself said so in answer to a question, perhaps after the saga had gone on without it.
        move_payment_if_allowed(payment, "conflicted", Actor.PROVIDER, message)
    settled = {each.reference: each.state for each in operations_under_lock(attempt) if each.state in SETTLED}
    for saga in sagas:
        if saga.kind == Purchase.kind:
            orchestrator.signal(saga, Signal.of_event(command.kind), message, payment)
        elif saga.key in settled:
            orchestrator.signal(saga, Signal(settled[saga.key]), message, payment)
        if saga.key == command.operation and command.kind == "refund_failed":
            orchestrator.signal(saga, Signal.DOUBTED, message, payment)


def _hint_at(
    command: ApplyProviderEvent,
    attempt: Attempt,
    sagas: Sequence[Saga],
    payment: Payment,
    message: Message,
) -> None:
    """Make the saga of the open attempt or operation that the hint is about ask the provider."""
    open_ones = {each.reference for each in operations_under_lock(attempt) if each.state not in SETTLED}
    for saga in sagas:
        is_about_attempt = saga.kind == Purchase.kind and command.kind in HINTS
        if is_about_attempt or (saga.key == command.operation and saga.key in open_ones):
            orchestrator.signal(saga, Signal.HINTED, message, payment)


def _question(told: ApplyProviderEvent, claim: str, message: Message) -> VerificationData:
    data = VerificationData(
        payment=told.payment,
        attempt=told.attempt,
        claim=claim,
        operation=told.operation,
        is_proven=told.is_proven,
        statements=(told.event_id,) if told.event_id else (),
    )
    if claim not in BY_ISSUER:
        return data
    event_id = told.event_id or message.envelope.message_id
    return with_changes(data, minor=told.minor, currency=told.currency, event_id=event_id)


def _claim(told: ApplyProviderEvent, attempt: Attempt) -> str:
    """Return the claim that the provider is to confirm; empty if we know it, or its own reply will tell.

    For a conflicted attempt, only charge-backs and their reversals are verified, as a review may never find
    them. Any other event of such an attempt is left to its review. An attempt whose outcome is not known may
    have been captured with its authorisation, and charged back.
    """
    if attempt.state in ENDED_WITHOUT_MONEY:
        return "authorised" if told.kind in IMPLIES_AUTHORISED else ""
    kinds: Mapping[str, Collection[str]] = {
        AttemptState.AUTHORISED: CLAIMS,
        AttemptState.CONFLICTED: BY_ISSUER,
        **(dict.fromkeys(OPEN_ATTEMPTS, BY_ISSUER) if attempt.capture_reference and told.is_proven else {}),
    }
    if told.kind not in kinds.get(attempt.state, ()):
        return ""
    if told.kind == "refund_failed" and not told.is_proven:
        # A hint puts no refund in doubt, so the saga of a refund that is done would not ask.
        is_done = any(each.state == Operation.State.DONE for each in _named(told, attempt))
        return told.kind if is_done or not is_explained(attempt, told.kind) else ""
    return "" if is_explained(attempt, told.kind, told.operation) else told.kind


def _named(told: ApplyProviderEvent, attempt: Attempt) -> Iterator[Operation]:
    return (each for each in operations_under_lock(attempt) if each.reference == told.operation)


def _verifies(saga: Saga, claim: str, told: ApplyProviderEvent) -> bool:
    """Return True if the saga already asks the provider about the same; for a hint, about anything.

    A verification that is parked for staff only holds back hints with the same claim, not other hints. One
    that a hint has started holds back no proven notification, as the answer may say more for that one. Each
    proven charge-back has a verification of its own. Those that are not proven share one: for them only the
    provider's sum is believed, which covers all of them.
    """
    if saga.kind != Verification.kind or saga.status not in UNFINISHED:
        return False
    if not told.is_proven and saga.status == Saga.Status.RUNNING:
        return True
    if saga.data.get("claim") != claim or saga.data.get("operation", "") != told.operation:
        return False
    if not told.is_proven:
        return True
    if not saga.data.get("is_proven", True):
        return False
    name = "event_id" if told.event_id else "minor"
    return claim not in BY_ISSUER or bool(saga.data.get(name) == getattr(told, name))


def _add_to_question(asked: Iterable[Saga], claim: str, told: ApplyProviderEvent) -> None:
    """Add this statement to those of the verification of the same claim, if there is one."""
    for saga in asked:
        statements = saga.data.get("statements", [])
        is_same = saga.data.get("claim") == claim and saga.data.get("operation", "") == told.operation
        if is_same and told.event_id and told.event_id not in statements:
            # ``updated_at`` stays that of the saga's last step, as this does not move the saga on.
            data = {**saga.data, "statements": [*statements, told.event_id]}
            Saga.objects.filter(pk=saga.pk).update(data=data)
            return


@service.on_reply
def take_reply(reply: Reply, message: Message) -> None:
    """Pass a service's reply to the saga that waits for it."""
    orchestrator.take_reply(reply, message)


_OF_PAYMENT = Compiled(
    lambda code, payment: (
        Attempt.objects.select_for_update(of=("payment", "self"), no_key=True)
        .select_related("payment__merchant")
        .filter(order_code=code, payment__reference=payment)
    )
)
_ATTEMPT = Compiled(lambda code: Attempt.objects.select_related("payment__merchant").filter(order_code=code))


def _attempt(order_code: str) -> Attempt:
    attempt = _ATTEMPT.first(order_code)
    if attempt is None:
        raise CommandRejected("attempt_not_found", f"There is no attempt {order_code}.")
    return attempt
