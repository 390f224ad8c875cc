"""Pass the events that notifications report to the sagas of their attempt.

A proven event is a signal. A hint is only a reason to ask the provider. An event that none of our operations
explains is a claim, which is not believed until the provider has confirmed it.
"""

from collections.abc import Collection, Iterable, Sequence

import structlog
from msgspec.structs import replace as with_changes

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.books.compare_events import Event
from checkout.payments.books.compare_notifications import CLAIMS, claim_of
from checkout.payments.books.events import BY_ISSUERS
from checkout.payments.books.money_at_risk import claimed, count_claims
from checkout.payments.books.ours import OF_ANOTHER_AMOUNT, operations_as_ours
from checkout.payments.checkout_messages import ApplyProviderEvent, ResumeSaga
from checkout.payments.locking import locked_payment_of
from checkout.payments.models import Attempt, Operation, Payment, Saga
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.asking import CHECK, Asking, AskingData
from checkout.payments.sagas.hint_questions import seconds_until_question
from checkout.payments.sagas.movement import move_payment_if_allowed
from checkout.payments.sagas.operations.data import At
from checkout.payments.sagas.orchestration import orchestrator
from checkout.payments.sagas.orchestration.locking import sagas_of
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.payments.sagas.signals import HINTS, Signal
from checkout.payments.totals import SETTLED, operations_under_lock
from checkout.states import Actor
from messaging.compiled_queries import Compiled
from messaging.worker.service import CommandRejected, Message

log = structlog.get_logger(__name__)

State = Operation.State

# Events that may be about an operation whose outcome is open, although they name no operation.
MOVEMENTS = CLAIMS | {EventKind.SETTLED, EventKind.REFUND_SENT}


def apply(command: ApplyProviderEvent, message: Message) -> None:
    """Signal a notification to the attempt's sagas, with the new state of the operation that it settled.

    A hint is only a reason to ask the provider. The end of an earlier attempt does not move the payment,
    which is about another attempt now; only a conflict does. An event that no saga can explain is not
    believed until the provider confirms it.
    """
    attempt = _attempt(command.attempt)
    if command.kind == EventKind.SETTLED and command.currency != attempt.payment.currency:
        # Money may be settled in another currency; the amount then says nothing about our captures.
        command = with_changes(command, minor=None, currency="")
    sagas = sagas_of(attempt)
    payment = attempt.payment = locked_payment_of(attempt)
    if command.is_proven:
        _tell_sagas(command, attempt, sagas, payment, message)
    else:
        _hint_at(command, attempt, sagas, payment, message)
    claim = _claim(command, attempt)
    is_asked = _ask(command, claim, attempt, sagas, payment, message)
    if command.kind == EventKind.CHARGED_BACK:
        is_unasked = command.is_proven and not (is_asked and claim == command.kind)
        unasked = claimed(payment, command.minor, command.currency) if is_unasked else 0
        count_claims(payment, unasked=unasked)


def _ask(
    command: ApplyProviderEvent,
    claim: str,
    attempt: Attempt,
    sagas: Sequence[Saga],
    payment: Payment,
    message: Message,
) -> bool:
    """Start to ask the provider about the claim. Return False if there is none, or a saga asks already."""
    if not claim:
        return False
    asked = [saga for saga in sagas if _verifies(saga, claim, command)]
    if asked:
        _add_to_question(asked, claim, command)
        return False
    waits_seconds = 0.0 if command.is_proven else _seconds_until_hint_shows(attempt, sagas)
    if waits_seconds is None:
        log.warning("too many hints: the provider is not asked", attempt=command.attempt, claim=claim)
        return False
    question = with_changes(_question(command, claim, message), waits_seconds=waits_seconds)
    key = f"{claim}:{message.envelope.message_id}"
    # If an authorisation has expired, its purchase cancels the order.
    purchases = (saga for saga in sagas if claim == "expired" and saga.kind == Purchase.kind)
    purchase = next(purchases, None)
    orchestrator.start(Asking.kind, key, attempt, question, message, parent=purchase, payment=payment)
    return True


def _seconds_until_hint_shows(attempt: Attempt, sagas: Sequence[Saga]) -> float | None:
    """Return the delay of the only question about a hint, in seconds; None if there were too many hints.

    The delay is long enough for the answer to show the event, because no second question follows.
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
        # The provider itself reported this in answer to a question, perhaps after the saga had gone on
        # without it.
        move_payment_if_allowed(payment, "conflicted", Actor.PROVIDER, message)
    ours = operations_under_lock(attempt)
    settled = {each.reference: each.state for each in ours if each.state in SETTLED}
    unknown = {each.reference for each in ours if each.state == State.UNKNOWN}
    differing = {each.reference for each in ours if each.doubt == OF_ANOTHER_AMOUNT}
    for saga in sagas:
        if saga.kind == Purchase.kind:
            orchestrator.signal(saga, Signal.of_event(command.kind), message, payment)
        elif saga.key in settled:
            orchestrator.signal(saga, Signal(settled[saga.key]), message, payment)
        if saga.key == command.operation and saga.key in differing:
            # The provider is asked, but while the amounts differ, its answer never settles the operation.
            is_done = settled.get(saga.key) == State.DONE
            orchestrator.signal(saga, Signal.DOUBTED if is_done else Signal.HINTED, message, payment)
        elif saga.key == command.operation and command.kind == "refund_failed":
            orchestrator.signal(saga, Signal.DOUBTED, message, payment)
        elif command.kind == EventKind.CAPTURE_FAILED and _may_have_failed(saga, command):
            orchestrator.signal(saga, Signal.HINTED, message, payment)
        elif _waits_for_news(saga, unknown) and command.kind in MOVEMENTS:
            # When the provider was last asked, the operation's request may still have waited there; by now
            # the answer may show the operation. Each saga goes on in its own transaction, because each of
            # them recalculates the payment.
            send_to_checkout(ResumeSaga(saga=saga.pk, version=saga.version), payment.reference)


def _waits_for_news(saga: Saga, unknown: Collection[str]) -> bool:
    """Return True for an operation that waits for staff, and whose request the provider may still hold."""
    is_parked = saga.status == Saga.Status.PARKED and saga.step == At.INQUIRE
    return is_parked and saga.key in unknown


def _may_have_failed(saga: Saga, told: ApplyProviderEvent) -> bool:
    """Return True for a running capture that the failure names, or may be about. The provider is asked.

    The notification decides nothing, because the provider's journal shows a failed capture like a capture.
    """
    is_capture = saga.kind == Operation.Kind.CAPTURE and saga.status == Saga.Status.RUNNING
    return is_capture and told.operation in ("", saga.key)


def _hint_at(
    command: ApplyProviderEvent,
    attempt: Attempt,
    sagas: Sequence[Saga],
    payment: Payment,
    message: Message,
) -> None:
    """Have the saga of the open attempt or operation that the hint is about ask the provider."""
    open_ones = {each.reference for each in operations_under_lock(attempt) if each.state not in SETTLED}
    for saga in sagas:
        is_about_attempt = saga.kind == Purchase.kind and command.kind in HINTS
        if is_about_attempt or (saga.key == command.operation and saga.key in open_ones):
            orchestrator.signal(saga, Signal.HINTED, message, payment)


def _question(told: ApplyProviderEvent, claim: str, message: Message) -> AskingData:
    data = AskingData(
        payment=told.payment,
        attempt=told.attempt,
        claim=claim,
        operation=told.operation,
        is_proven=told.is_proven,
        statements=(told.event_id,) if told.event_id else (),
        minor=told.minor,
        currency=told.currency,
    )
    if claim not in BY_ISSUERS:
        return data
    return with_changes(data, event_id=told.event_id or message.envelope.message_id)


def _claim(told: ApplyProviderEvent, attempt: Attempt) -> str:
    """Return the claim that the provider is to confirm; empty if there is none."""
    is_told = told.minor is not None and told.currency
    event = Event(
        kind=told.kind,
        operation=told.operation,
        amount=Money(told.minor or 0, told.currency) if is_told else None,
        is_proven=told.is_proven,
    )
    return claim_of(
        event,
        attempt.state,
        lambda: operations_as_ours(attempt, operations_under_lock(attempt)),
        is_capture_included=bool(attempt.capture_reference),
    )


def _verifies(saga: Saga, claim: str, told: ApplyProviderEvent) -> bool:
    """Return True if the saga already asks the provider about the same event; for a hint, about any event.

    A question that is parked for staff holds back only hints with the same claim, not other hints. A question
    that a hint has started holds back no proven notification, because the answer may be more detailed for
    that one. Each proven charge-back has its own question, and so has each amount of captures or refunds:
    they are made in the provider's portal, and an answer may be about only one of them. Charge-backs that are
    not proven share one question: for them only the provider's sum is believed, which covers all of them.
    """
    if saga.kind != Asking.kind or saga.step != CHECK or saga.status not in UNFINISHED:
        return False
    if not told.is_proven and saga.status == Saga.Status.RUNNING:
        return True
    if saga.data.get("claim") != claim or saga.data.get("operation", "") != told.operation:
        return False
    if not told.is_proven:
        return True
    if not saga.data.get("is_proven", True):
        return False
    if claim in (EventKind.CAPTURED, EventKind.REFUNDED):
        return told.minor in (None, saga.data.get("minor"))
    name = "event_id" if told.event_id else "minor"
    return claim not in BY_ISSUERS or bool(saga.data.get(name) == getattr(told, name))


def _add_to_question(asked: Iterable[Saga], claim: str, told: ApplyProviderEvent) -> None:
    """Add this notification to those of the question about the same claim, if there is one."""
    for saga in asked:
        statements = saga.data.get("statements", [])
        is_same = saga.data.get("claim") == claim and saga.data.get("operation", "") == told.operation
        if is_same and told.event_id and told.event_id not in statements:
            # ``updated_at`` stays the time of the saga's last step, because this does not move the saga on.
            data = {**saga.data, "statements": [*statements, told.event_id]}
            Saga.objects.filter(pk=saga.pk).update(data=data)
            return


_ATTEMPT = Compiled(lambda code: Attempt.objects.select_related("payment__merchant").filter(order_code=code))


def _attempt(order_code: str) -> Attempt:
    attempt = _ATTEMPT.first(order_code)
    if attempt is None:
        raise CommandRejected("attempt_not_found", f"There is no attempt {order_code}.")
    return attempt
