"""The checkout service: commands to the orchestrator. It decides nothing itself; sagas do."""

from checkout import commands
from checkout.messaging.envelope import Reply
from checkout.messaging.service import CommandRejected, Message, Service
from checkout.models import Attempt, Payment, Saga
from checkout.models.payment import new_reference
from checkout.sagas import orchestrator, purchase
from checkout.sagas.purchase import PurchaseData
from checkout.states import Actor

service = Service("checkout", replies=orchestrator.REPLIES)


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
    )
    orchestrator.start(purchase, attempt.order_code, attempt, data, message)


@service.command("checkout.complete_challenge")
def complete_challenge(command: commands.CompleteChallenge, message: Message) -> None:
    """The shopper is back from the ACS."""
    saga = Saga.objects.select_for_update().filter(kind=purchase.kind, key=command.attempt).first()
    if saga is None:
        raise CommandRejected("saga_not_found", "No purchase is under way for this attempt.")
    orchestrator.signal(saga, "challenge_returned", message)
    orchestrator.join(command.payment, message)


@service.command("checkout.await_payment")
def await_payment(command: commands.AwaitPayment, message: Message) -> None:
    """Somebody else waits for the same payment: a second click, a reload, a repeated return."""
    orchestrator.join(command.payment, message)


@service.command("checkout.pass_deadline")
def pass_deadline(command: commands.PassDeadline, message: Message) -> None:
    """The relay's timer found a step that took too long."""
    orchestrator.pass_deadline(command.saga, command.version, message)


@service.command("checkout.apply_provider_event")
def apply_provider_event(command: commands.ApplyProviderEvent, message: Message) -> None:
    """Apply what a notification says: first to the saga that may be waiting for it, then to the payment.

    Authorised and refused are left to the saga; without one that is waiting they are old news. So is what
    becomes of an earlier attempt: that staff cancelled or refunded it at the provider is no news of the
    payment, which is another attempt's by now. Only a contradiction there is one.
    """
    saga = Saga.objects.select_for_update().filter(kind=purchase.kind, key=command.attempt).first()
    payment = Payment.objects.select_for_update(no_key=True).get(reference=command.payment)
    is_of_payment = (
        command.kind == "conflicted" or payment.attempts.latest("number").order_code == command.attempt
    )
    if is_of_payment and command.kind not in ("authorised", "refused"):
        event = _event_of(command, payment)
        if orchestrator.move_payment(payment, event, Actor.PROVIDER, message):
            _post(command, payment, message)
    if saga is not None:
        orchestrator.signal(saga, command.kind, message)


def _event_of(command: commands.ApplyProviderEvent, payment: Payment) -> str:
    """The payment's word for what the provider says. A capture that nobody asked for is not taken as one."""
    if command.kind == "captured" and not payment.operations.filter(kind="capture").exists():
        return "captured_unasked"
    if command.kind == "refunded" and command.minor is not None and command.minor < payment.amount_minor:
        return "refunded_in_part"
    return {"cancelled": "voided"}.get(command.kind, command.kind)


def _post(command: commands.ApplyProviderEvent, payment: Payment, message: Message) -> None:
    """Book money that has moved: once per notification, since a second part is another posting."""
    if command.kind not in ("captured", "refunded"):
        return
    posting = commands.PostEntries(
        payment=payment.reference,
        kind=command.kind,
        reference=f"{command.attempt}:{message.envelope.message_id}",
        minor=payment.amount_minor if command.minor is None else command.minor,
        currency=payment.currency,
    )
    message.send("ledger", "ledger.post", posting, reply_to="")


@service.on_reply
def resume(reply: Reply, message: Message) -> None:
    """A participant has answered."""
    orchestrator.resume(reply, message)


def _attempt(order_code: str) -> Attempt:
    attempt = Attempt.objects.select_related("payment").filter(order_code=order_code).first()
    if attempt is None:
        raise CommandRejected("attempt_not_found", f"There is no attempt {order_code}.")
    return attempt
