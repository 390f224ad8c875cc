"""The checkout service: it passes commands on to the orchestrator, and sagas make all decisions."""

from django.urls import reverse

from checkout.conf import conf
from checkout.languages import locale_in
from checkout.orders.messages import OrderLine
from checkout.payments.checkout_messages import (
    AnnouncePayment,
    ApplyProviderEvent,
    AwaitOperation,
    AwaitPayment,
    CallOff,
    CompleteChallenge,
    PassDeadline,
    ResumeSaga,
    ReviewOrder,
    ReviewPayment,
    SettleBooks,
    StartOperation,
    SubmitPayment,
)
from checkout.payments.locking import locked_payment_of
from checkout.payments.models import Attempt, Operation, Payment, Saga, appearance_of
from checkout.payments.objects.attempt import latest_attempt
from checkout.payments.sagas import provider_events
from checkout.payments.sagas.asking import Asking, AskingData
from checkout.payments.sagas.movement import move_payment_if_allowed, push_state
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.sagas.operations.opening import is_contradicted
from checkout.payments.sagas.orchestration import orchestrator
from checkout.payments.sagas.orchestration.locking import locked_saga, numbered_saga
from checkout.payments.sagas.purchase.data import At, PurchaseData, with_taken
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.settlement import returned_money
from checkout.payments.sagas.settlement.doubted_refusals import doubt_refusal
from checkout.payments.sagas.settlement.settle import settle
from checkout.payments.sagas.settlement.settleable import contradicting_attempt
from checkout.payments.sagas.signals import Signal
from checkout.payments.sagas.waiters import join, join_locked, join_operation, reply_with_state
from checkout.payments.totals import is_given_back, is_kept, sums_of_attempt
from checkout.references import new_reference
from checkout.service import Service
from checkout.states import ENDED_WITHOUT_MONEY, Actor, PaymentState
from messaging.compiled_queries import Compiled
from messaging.envelope import Reply
from messaging.worker.service import CommandRejected, Message

service = Service("checkout", replies=orchestrator.REPLIES, records_last=True)


@service.handles(SubmitPayment)
def submit_payment(command: SubmitPayment, message: Message) -> None:
    """Start the purchase of an attempt, or join the purchase that is running.

    If this command is late and the attempt has ended meanwhile, no purchase is started.
    """
    # The timer that ends attempts whose purchase never began takes this lock, too (``timers.unstarted``).
    attempt = _OF_PAYMENT.first(command.attempt, command.payment)
    if attempt is None:
        raise CommandRejected("attempt_not_found", f"There is no attempt {command.attempt}.")
    payment = attempt.payment
    if attempt.state in ENDED_WITHOUT_MONEY:
        join_locked(payment, message)
        return
    look = appearance_of(payment.merchant)
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
        is_called_off=attempt.called_off_at is not None,
        has_card=message.has_sealed or attempt.saved_card_id is not None,
        merchant=payment.merchant.name,
        order_reference=payment.order_reference,
        description=payment.description,
        merchant_code=payment.merchant.code,
        locale=locale_in(attempt.language, payment.locale) or look.default_language,
        support_email=look.support_email,
        support_phone=look.support_phone,
        logo_url=f"{conf.public_url}{reverse('checkout:logo', args=[look.logo_id])}" if look.logo_id else "",
        minutes_behind_utc=attempt.minutes_behind_utc,
        is_test=not payment.merchant.is_live,
    )
    orchestrator.start(Purchase.kind, attempt.order_code, attempt, data, message, payment=payment)
    join_locked(payment, message)


@service.handles(CompleteChallenge)
def complete_challenge(command: CompleteChallenge, message: Message) -> None:
    """Continue the purchase after the shopper's return from the ACS."""
    saga = locked_saga(Purchase.kind, command.attempt)
    if saga is None:
        raise CommandRejected("saga_not_found", "No purchase is under way for this attempt.")
    orchestrator.signal(saga, Signal.CHALLENGE_RETURNED, message)
    join(command.payment, message)


@service.handles(CallOff)
def call_off(command: CallOff, message: Message) -> None:
    """Cancel the purchase, unless its money is being taken.

    If it was refused meanwhile, the payment is cancelled, so that the shopper cannot try again. If the
    command that starts the purchase comes later, the purchase ends at once.
    """
    saga = locked_saga(Purchase.kind, command.attempt)
    if saga is None:
        join(command.payment, message)
        return
    if saga.status in (Saga.Status.RUNNING, Saga.Status.PARKED):
        orchestrator.signal(saga, Signal.CALLED_OFF, message)
    payment = locked_payment_of(saga)
    latest = latest_attempt(payment)
    if payment.state == PaymentState.REFUSED and latest is not None and latest.pk == saga.attempt_id:
        move_payment_if_allowed(payment, "cancelled", Actor.SAGA, message)
    join_locked(payment, message)


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
    operations = Operation.objects.select_related("attempt", "payment__merchant")
    operation = operations.filter(reference=command.operation, payment__reference=command.payment).first()
    if operation is None:
        raise CommandRejected("operation_not_found", "This payment has no such operation.")
    data = OperationData(
        payment=command.payment,
        attempt=operation.attempt.order_code,
        operation=operation.reference,
        minor=operation.amount_minor,
        currency=operation.currency,
        merchant_code=operation.payment.merchant.code,
        is_included=operation.reference == operation.attempt.capture_reference,
    )
    # A void signals its purchase when it is done: a purchase that could not release its authorisation itself
    # waits for that signal. An included capture signals its purchase that it was accepted or refused.
    is_awaited = operation.kind == Operation.Kind.VOID or data.is_included
    parent = locked_saga(Purchase.kind, data.attempt) if is_awaited else None
    if parent is not None and data.is_included:
        payment = locked_payment_of(parent)
        # While its authorisation is contradicted, the purchase must not go on.
        parent = None if is_contradicted(data, operation.attempt_id, payment) else parent
    orchestrator.start(operation.kind, operation.reference, operation.attempt, data, message, parent=parent)


@service.handles(ReviewPayment)
def review_payment(command: ReviewPayment, message: Message) -> None:
    """Have the provider asked again, as staff want. The attempt's purchase gets the result as a signal."""
    payment = Payment.objects.get(reference=command.payment)
    if payment.state != PaymentState.CONFLICTED:
        return
    attempt = contradicting_attempt(payment)
    data = AskingData(payment=payment.reference, attempt=attempt.order_code)
    parent = locked_saga(Purchase.kind, attempt.order_code)
    orchestrator.start(Asking.kind, message.envelope.message_id, attempt, data, message, parent=parent)


@service.handles(PassDeadline)
def pass_deadline(command: PassDeadline, message: Message) -> None:
    """Handle a step that took too long, which the relay's timer has found."""
    orchestrator.pass_deadline(command.saga, command.version, message)


@service.handles(ResumeSaga)
def resume_saga(command: ResumeSaga, message: Message) -> None:
    """Resume a parked saga, as staff want, or signal it that its money was given back or taken."""
    saga = numbered_saga(command.saga)
    if saga is None or saga.version != command.version or saga.status != Saga.Status.PARKED:
        return
    payment = locked_payment_of(saga)
    if why := returned_money.obstacle_to_confirming(saga, payment):
        orchestrator.record_not_resumed(saga, why)
    elif is_given_back(payment) and orchestrator.takes(saga, Signal.GIVEN_BACK):
        orchestrator.signal(saga, Signal.GIVEN_BACK, message, payment)
    elif saga.kind == Purchase.kind and saga.step == At.VOID and is_kept(payment):
        # A void could only release the rest of the authorisation, and its signal would give back the stock of
        # goods that are paid for.
        saga.data = with_taken(saga.data, sums_of_attempt(saga.attempt).captured)
        orchestrator.signal(saga, Signal.REVIEW_CAPTURED, message, payment)
    elif saga.kind == Purchase.kind and saga.step == At.MONEY_RETURNED:
        returned_money.decided_by_staff(saga, message, payment)
    else:
        orchestrator.resume(saga, message, payment)


@service.handles(SettleBooks)
def settle_books(command: SettleBooks, message: Message) -> None:
    """Apply what staff have found out about an operation, a claim, or the figures of an attempt."""
    settle(command, message)


@service.handles(AnnouncePayment)
def announce_payment(command: AnnouncePayment, message: Message) -> None:
    """Announce a payment that was moved outside a saga, and reply to its waiters.

    If another attempt has begun meanwhile, the waiters wait for that attempt, and get no reply.
    """
    payment = Payment.objects.select_for_update(no_key=True).get(reference=command.payment)
    doubt_refusal(payment, message)
    push_state(payment, message)
    if payment.state != PaymentState.PROCESSING:
        reply_with_state(payment, payment.waiters.all(), message)


@service.handles(ReviewOrder)
def review_order(command: ReviewOrder, message: Message) -> None:
    """Have staff decide about an order that was given up, and whose money came back."""
    returned_money.review_order(command, message)


@service.handles(ApplyProviderEvent)
def apply_provider_event(command: ApplyProviderEvent, message: Message) -> None:
    """Signal a notification to the sagas of its attempt, or have the provider confirm it first."""
    provider_events.apply(command, message)


@service.on_reply
def take_reply(reply: Reply, message: Message) -> None:
    """Pass a service's reply to the saga that waits for it."""
    orchestrator.take_reply(reply, message)


_OF_PAYMENT = Compiled(
    lambda code, payment: (
        Attempt.objects.select_for_update(of=("payment", "self"), no_key=True)
        .select_related("payment__merchant__appearance")
        .filter(order_code=code, payment__reference=payment)
    )
)
