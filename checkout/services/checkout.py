"""The checkout service: commands to the orchestrator. It decides nothing itself; sagas do."""

from checkout import commands
from checkout.messaging.envelope import Reply
from checkout.messaging.service import CommandRejected, Message, Service
from checkout.models import Attempt, Operation, Payment, Saga
from checkout.models.locking import locked_payment_of
from checkout.models.payment import new_reference
from checkout.models.sums import is_explained, operations_of
from checkout.sagas import orchestrator, purchase, review, verification
from checkout.sagas.movement import announce, move_payment, tell
from checkout.sagas.operation import OperationData
from checkout.sagas.purchase_data import PurchaseData
from checkout.sagas.review import ReviewData
from checkout.sagas.verification import VerificationData
from checkout.statements import Compiled
from checkout.states import Actor, AttemptState, PaymentState

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
    """Start the purchase of an attempt, or join the one that is under way."""
    attempt = _attempt(command.attempt)
    payment = attempt.payment
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
    """Start the saga of a capture, void or refund that somebody asked for."""
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
    attempt = min(payment.attempts.all(), key=_rank_for_review)
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


@service.command("checkout.announce_payment")
def announce_payment(command: commands.AnnouncePayment, message: Message) -> None:
    """Tell everybody where a payment stands that was moved outside a saga."""
    payment = Payment.objects.select_for_update(no_key=True).get(reference=command.payment)
    announce(payment, message)
    tell(payment, payment.waiters.all(), message)


@service.command("checkout.apply_provider_event")
def apply_provider_event(command: commands.ApplyProviderEvent, message: Message) -> None:
    """Tell the attempt's sagas what a notification says, or what it has made of their operation.

    What becomes of an earlier attempt is no news of the payment, which is another attempt's by now; only a
    contradiction is. What no saga can explain is believed when the provider confirms it, not before.
    """
    attempt = _attempt(command.attempt)
    sagas = orchestrator.sagas_of(attempt)
    payment = locked_payment_of(attempt)
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
    claim = _claim(command, attempt)
    data = VerificationData(
        payment=payment.reference, attempt=attempt.order_code, claim=claim, operation=command.operation
    )
    if claim and not any(_verifies(saga, data) for saga in sagas):
        key = f"{claim}:{message.envelope.message_id}"
        orchestrator.start(verification.kind, key, attempt, data, message)


def _claim(told: commands.ApplyProviderEvent, attempt: Attempt) -> str:
    """Return what the provider is to confirm; empty for what we know, or what its own reply will tell."""
    if attempt.state in ENDED_WITHOUT_MONEY:
        return "authorised" if told.kind in IMPLIES_AUTHORISED else ""
    if attempt.state != AttemptState.AUTHORISED or told.kind not in CLAIMS:
        return ""
    return "" if is_explained(attempt, told.kind, told.operation) else told.kind


def _rank_for_review(attempt: Attempt) -> tuple[int, int]:
    """What was put aside itself comes before what the provider may have done something to."""
    rank = {AttemptState.CONFLICTED: 0, AttemptState.AUTHORISED: 1}
    return rank.get(AttemptState(attempt.state), len(rank)), -attempt.number


def _verifies(saga: Saga, data: VerificationData) -> bool:
    """Whether the provider is being asked about the same already."""
    is_same = saga.data.get("claim") == data.claim and saga.data.get("operation", "") == data.operation
    return saga.kind == verification.kind and saga.status in OPEN and is_same


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
