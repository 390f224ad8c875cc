"""The checkout service: commands to the orchestrator. It decides nothing itself; sagas do."""

from collections.abc import Iterable, Iterator, Sequence

import structlog
from msgspec.structs import replace as with_changes

from checkout import commands
from checkout.models import Attempt, Operation, Payment, Saga
from checkout.models.locking import locked_payment_of
from checkout.models.payment import new_reference
from checkout.models.sums import BY_ISSUER, is_explained, operations_of
from checkout.sagas import (
    claim_settlement,
    orchestrator,
    payment_settlement,
    purchase,
    review,
    settlement,
    verification,
)
from checkout.sagas.contradiction import attempt_to_settle
from checkout.sagas.hint_questions import seconds_until_question
from checkout.sagas.movement import announce, move_payment, tell
from checkout.sagas.operation import OperationData
from checkout.sagas.purchase import HINTS
from checkout.sagas.purchase_data import PurchaseData
from checkout.sagas.review import ReviewData
from checkout.sagas.verification import VerificationData
from checkout.states import Actor, AttemptState, PaymentState
from messaging.compiled_queries import Compiled
from messaging.envelope import Reply
from messaging.worker.service import CommandRejected, Message, Service

log = structlog.get_logger(__name__)

service = Service("checkout", replies=orchestrator.REPLIES)

# What a notification may say of an authorised payment that the provider must confirm before it is believed.
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
# What is only said of an order for which money was held, and the attempts for which we believe that none is.
IMPLIES_AUTHORISED = frozenset({"authorised", "captured", "settled", "refunded"})
ENDED_WITHOUT_MONEY = (AttemptState.REFUSED, AttemptState.NOT_SENT, AttemptState.EXPIRED)
OPEN = (Saga.Status.RUNNING, Saga.Status.PARKED)
SETTLED = (Operation.State.DONE, Operation.State.REFUSED)


@service.command("checkout.submit_payment")
def submit_payment(command: commands.SubmitPayment, message: Message) -> None:
    """Start the purchase of an attempt, or join the one that is under way.

    An attempt that has ended meanwhile, because this command was late, is not begun any more.
    """
    attempt = _attempt(command.attempt)
    payment = attempt.payment
    if not attempt.sagas.exists():
        # The timer that ends an attempt which never began holds this lock, too (``timers.unstarted``).
        payment = locked_payment_of(attempt)
        attempt.refresh_from_db(fields=["state"])
    if attempt.state in ENDED_WITHOUT_MONEY:
        orchestrator.join(payment.reference, message)
        return
    data = PurchaseData(
        payment=payment.reference,
        attempt=attempt.order_code,
        minor=payment.amount_minor,
        currency=payment.currency,
        email=payment.shopper_email,
        ip_address=attempt.browser.get("ip_address", ""),
        lines=[commands.OrderLine(**line) for line in payment.lines],
        captures=payment.captures_automatically,
        capture_operation=new_reference("op"),
        has_card=message.has_sealed,
    )
    orchestrator.start(purchase.kind, attempt.order_code, attempt, data, message)
    orchestrator.join(payment.reference, message)


@service.command("checkout.complete_challenge")
def complete_challenge(command: commands.CompleteChallenge, message: Message) -> None:
    """The shopper is back from the ACS."""
    saga = orchestrator.locked(purchase.kind, command.attempt)
    if saga is None:
        raise CommandRejected("saga_not_found", "No purchase is under way for this attempt.")
    orchestrator.signal(saga, "challenge_returned", message)
    orchestrator.join(command.payment, message)


@service.command("checkout.await_payment")
def await_payment(command: commands.AwaitPayment, message: Message) -> None:
    """Somebody else waits for the same payment: a second click, a reload, a repeated return."""
    orchestrator.join(command.payment, message)


@service.command("checkout.start_operation")
def start_operation(command: commands.StartOperation, message: Message) -> None:
    """Start the saga of an operation: one that somebody asked for, or that was found to be done."""
    operation = (
        Operation.objects.select_related("attempt", "payment")
        .filter(reference=command.operation, payment__reference=command.payment)
        .first()
    )
    if operation is None:
        raise CommandRejected("operation_not_found", "This payment has no such operation.")
    data = OperationData(
        payment=command.payment,
        attempt=operation.attempt.order_code,
        operation=operation.reference,
        minor=operation.amount_minor,
        currency=operation.currency,
    )
    # The purchase hears that it is undone. One that could not release an authorisation itself waits for that.
    waits = operation.kind == Operation.Kind.VOID
    parent = orchestrator.locked(purchase.kind, data.attempt) if waits else None
    orchestrator.start(operation.kind, operation.reference, operation.attempt, data, message, parent=parent)


@service.command("checkout.review_payment")
def review_payment(command: commands.ReviewPayment, message: Message) -> None:
    """Staff want the provider asked again. The purchase of the attempt hears what comes of it."""
    payment = Payment.objects.get(reference=command.payment)
    if payment.state != PaymentState.CONFLICTED:
        return
    attempt = attempt_to_settle(payment)
    data = ReviewData(payment=payment.reference, attempt=attempt.order_code)
    parent = orchestrator.locked(purchase.kind, attempt.order_code)
    orchestrator.start(review.kind, message.envelope.message_id, attempt, data, message, parent=parent)


@service.command("checkout.pass_deadline")
def pass_deadline(command: commands.PassDeadline, message: Message) -> None:
    """The relay's timer found a step that took too long."""
    orchestrator.pass_deadline(command.saga, command.version, message)


@service.command("checkout.resume_saga")
def resume_saga(command: commands.ResumeSaga, message: Message) -> None:
    """Staff have looked at a parked saga and want it to go on."""
    orchestrator.go_on(command.saga, command.version, message)


@service.command("checkout.settle_operation")
def settle_operation(command: commands.SettleOperation, message: Message) -> None:
    """Staff have found out what became of an operation of which the provider does not tell."""
    settlement.settle(command, message)


@service.command("checkout.settle_claim")
def settle_claim(command: commands.SettleClaim, message: Message) -> None:
    """Apply what staff have found out about a claim that the provider's answers leave open."""
    claim_settlement.settle(command, message)


@service.command("checkout.settle_payment")
def settle_payment(command: commands.SettlePayment, message: Message) -> None:
    """Apply what staff have found in the provider's books about a payment that contradicts it."""
    payment_settlement.settle(command, message)


@service.command("checkout.announce_payment")
def announce_payment(command: commands.AnnouncePayment, message: Message) -> None:
    """Tell everybody where a payment stands that was moved outside a saga."""
    payment = Payment.objects.select_for_update(no_key=True).get(reference=command.payment)
    announce(payment, message)
    tell(payment, payment.waiters.all(), message)


@service.command("checkout.apply_provider_event")
def apply_provider_event(command: commands.ApplyProviderEvent, message: Message) -> None:
    """Tell the attempt's sagas what a notification says, or what it has made of their operation.

    A hint is only a reason to ask the provider. An earlier attempt's end is no news of the payment, which is
    another attempt's by now; only a contradiction is. What no saga can explain is believed when the provider
    confirms it, not before.
    """
    attempt = _attempt(command.attempt)
    sagas = orchestrator.sagas_of(attempt)
    payment = locked_payment_of(attempt)
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
    waits_seconds = 0.0 if command.is_proven else seconds_until_question(attempt, sagas)
    if waits_seconds is None:
        log.warning("too many hints: the provider is not asked", attempt=command.attempt, claim=claim)
        return
    question = with_changes(_question(command, claim, message), waits_seconds=waits_seconds)
    key = f"{claim}:{message.envelope.message_id}"
    orchestrator.start(verification.kind, key, attempt, question, message)


def _tell_sagas(
    command: commands.ApplyProviderEvent,
    attempt: Attempt,
    sagas: Sequence[Saga],
    payment: Payment,
    message: Message,
) -> None:
    if command.kind == "conflicted":
        # Said by the provider itself in answer to a question, perhaps when the saga had gone on without it.
        move_payment(payment, "conflicted", Actor.PROVIDER, message)
    settled = {each.reference: each.state for each in operations_of(attempt) if each.state in SETTLED}
    for saga in sagas:
        if saga.kind == purchase.kind:
            orchestrator.signal(saga, command.kind, message, payment)
        elif saga.key in settled:
            orchestrator.signal(saga, settled[saga.key], message, payment)
        if saga.key == command.operation and command.kind == "refund_failed":
            orchestrator.signal(saga, "doubted", message, payment)


def _hint_at(
    command: commands.ApplyProviderEvent,
    attempt: Attempt,
    sagas: Sequence[Saga],
    payment: Payment,
    message: Message,
) -> None:
    """Have the saga ask that waits for an open attempt, or for the open operation that the hint is about."""
    open_ones = {each.reference for each in operations_of(attempt) if each.state not in SETTLED}
    for saga in sagas:
        is_about_attempt = saga.kind == purchase.kind and command.kind in HINTS
        if is_about_attempt or (saga.key == command.operation and saga.key in open_ones):
            orchestrator.signal(saga, "hinted", message, payment)


def _question(told: commands.ApplyProviderEvent, claim: str, message: Message) -> VerificationData:
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


def _claim(told: commands.ApplyProviderEvent, attempt: Attempt) -> str:
    """Return what the provider is to confirm; empty for what we know, or what its own reply will tell.

    What an issuer did to an attempt that is put aside is asked, too, as no review need ever find it. Anything
    else that is said of one is for its review.
    """
    if attempt.state in ENDED_WITHOUT_MONEY:
        return "authorised" if told.kind in IMPLIES_AUTHORISED else ""
    kinds = {AttemptState.AUTHORISED: CLAIMS, AttemptState.CONFLICTED: BY_ISSUER}
    if told.kind not in kinds.get(AttemptState(attempt.state), ()):
        return ""
    if told.kind == "refund_failed" and not told.is_proven:
        # A hint puts no refund in doubt, so the saga of one that is done would not ask.
        is_done = any(each.state == Operation.State.DONE for each in _named(told, attempt))
        return told.kind if is_done or not is_explained(attempt, told.kind) else ""
    return "" if is_explained(attempt, told.kind, told.operation) else told.kind


def _named(told: commands.ApplyProviderEvent, attempt: Attempt) -> Iterator[Operation]:
    return (each for each in operations_of(attempt) if each.reference == told.operation)


def _verifies(saga: Saga, claim: str, told: commands.ApplyProviderEvent) -> bool:
    """Return True if the provider is being asked about the same already; for a hint, about anything.

    A question that waits for staff is not being asked: it holds back hints that say the same, and no others.
    What only a hint has asked holds back nothing that is proven, as the answer to it may say more then. Each
    charge-back that is proven is a question of its own. Those that are not are one question together: of them
    only the provider's sum is believed, which tells of all.
    """
    if saga.kind != verification.kind or saga.status not in OPEN:
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


def _add_to_question(asked: Iterable[Saga], claim: str, told: commands.ApplyProviderEvent) -> None:
    """Note with the question about the same, if there is one, that it is about this statement, too."""
    for saga in asked:
        statements = saga.data.get("statements", [])
        is_same = saga.data.get("claim") == claim and saga.data.get("operation", "") == told.operation
        if is_same and told.event_id and told.event_id not in statements:
            # The time of the saga's last step stays: nothing moves it on.
            data = {**saga.data, "statements": [*statements, told.event_id]}
            Saga.objects.filter(pk=saga.pk).update(data=data)
            return


@service.on_reply
def resume(reply: Reply, message: Message) -> None:
    """A participant has answered."""
    orchestrator.resume(reply, message)


_ATTEMPT = Compiled(lambda code: Attempt.objects.select_related("payment").filter(order_code=code))


def _attempt(order_code: str) -> Attempt:
    attempt = _ATTEMPT.first(order_code)
    if attempt is None:
        raise CommandRejected("attempt_not_found", f"There is no attempt {order_code}.")
    return attempt
