"""The product with one of its defences taken away, to prove that a checker notices.

DJANGO_SETTINGS_MODULE=tests.support.mutant_settings and MUTANT=<name> mutate another process, ``with
applied(name):`` mutates this one. The product has no code for that. Defences overlap, so the error of a
mutant shows only under the faults named in its docstring.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet
from msgspec.structs import replace as with_changes

from checkout.errors import OutcomeUnknown, ProviderReplyInvalid
from checkout.money import Money
from checkout.orders import service as orders
from checkout.orders.messages import ReleaseStock
from checkout.orders.models import Reservation
from checkout.payments import actions, calls
from checkout.payments.actions import saved_cards
from checkout.payments.actions.creation import checked_fields
from checkout.payments.actions.shopper import challenge, pending, submission
from checkout.payments.actions.staff import erasure_conditions, settlement as staff_settlement
from checkout.payments.books import (
    apply as books_apply,
    compare_notifications,
    compare_operations,
    money_at_risk,
    ours,
)
from checkout.payments.books.ours import NOT_FOUND
from checkout.payments.books.theirs import Answer
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.checkout_messages import Fate, Found, SettleBooks
from checkout.payments.events import log as event_log, move_operation
from checkout.payments.locking import locked_payment_of
from checkout.payments.messages import ProviderAnswered
from checkout.payments.models import (
    Attempt,
    Operation,
    Payment,
    ProviderCall,
    ProviderNotification,
    Saga,
    SavedCard,
)
from checkout.payments.providers.base import (
    Authorisation,
    EventKind,
    Outcome,
    ProviderResult,
    WholePosition,
)
from checkout.payments.sagas import DEFINITIONS
from checkout.payments.sagas.orchestration import locking, orchestrator
from checkout.payments.sagas.settlement import (
    operation as operation_settlement,
    settle as settlement,
)
from checkout.payments.sagas.settlement.operation import OperationMatter
from checkout.payments.service import modification, provider_call
from checkout.payments.service.modification import answer_of
from checkout.payments.service.notifications import statement
from checkout.payments.totals import Sums
from messaging.delivery import Delivery
from messaging.envelope import Reply, new_message_id
from messaging.outbox.models import AbstractInboxMessage, AbstractOutboxMessage, enqueue
from messaging.worker.message import Message, Outgoing
from messaging.worker.worker import Worker
from tests.support.mutation import Patches, everywhere, providers_that

SENDING = ("authorise", "complete_challenge", "capture", "void", "refund")


def no_inbox() -> Patches:
    """Handle every delivery, even a second one of the same message, whose effects then happen twice.

    The mutant shows when a message is delivered twice: one message causes two replies, facts or assessments.
    """

    def record(row: AbstractInboxMessage, database: str) -> None:
        type(row)._default_manager.using(database).bulk_create([row], ignore_conflicts=True)

    yield patch.object(AbstractInboxMessage, "record", record)

    def is_known_call(attempt: Attempt, intent: provider_call.Intent, message: Message) -> bool:
        return ProviderCall.objects.filter(key=intent.key).exists()

    yield from everywhere(provider_call.is_known_call, is_known_call)


def no_intent_row() -> Patches:
    """Write no intent before a provider is called, so that a repeated call has another idempotency key.

    The mutant shows when a process dies between a provider's answer and the commit, and when the provider
    receives a request after its time-out.
    """

    def send(method: Callable[[Any], ProviderResult], request: Any) -> ProviderResult:
        return method(replace(request, idempotency_key=new_message_id()))

    def commit_intent(
        attempt: Attempt, intent: provider_call.Intent, *, is_known: bool
    ) -> ProviderCall | None:
        return ProviderCall(key=intent.key, attempt=attempt, verb=intent.verb)

    yield from everywhere(provider_call.commit_intent, commit_intent)
    yield from providers_that(send, SENDING)


def no_version_check() -> Patches:
    """Let a saga accept any reply to its commands and any deadline, however late, without a lock.

    The mutant shows when replies come late or twice, when a deadline passes while a reply is handled, and
    with two orchestrators.
    """

    class Credulous(QuerySet[Saga]):
        def select_for_update(self, *args: Any, **options: Any) -> Any:
            return self.all()

    yield patch.object(Saga.objects, "_queryset_class", Credulous)
    yield patch.object(locking, "_is_waiting", lambda saga, question: True)
    yield patch.object(orchestrator, "_is_overdue", lambda saga, version: saga.status == saga.Status.RUNNING)


def ack_before_commit() -> Patches:
    """Acknowledge a message before handling it. The mutant shows when a service dies or fails meanwhile."""
    begin = Worker._begin

    def acknowledge_first(worker: Worker, delivery: Delivery) -> None:
        delivery.ack()
        begin(worker, delivery)

    yield patch.object(Worker, "_begin", acknowledge_first)


def blind_retry() -> Patches:
    """Send an unanswered request again, as a new one. The mutant shows when only the answer was lost."""

    def send(method: Callable[[Any], ProviderResult], request: Any) -> ProviderResult:
        try:
            return method(request)
        except (OutcomeUnknown, ProviderReplyInvalid):
            again = replace(request, idempotency_key=new_message_id())
            if isinstance(request, Authorisation):
                again = replace(again, order_code=f"{request.order_code}R")
            return replace(method(again), order_code=request.order_code)

    yield from providers_that(send, SENDING)


def compensation_while_unknown() -> Patches:
    """Treat an unknown outcome as a refusal. The mutant shows when only the provider's answer was lost."""
    for definition in {type(definition) for definition in DEFINITIONS.values()}:
        yield patch.object(definition, "on_reply", _pessimistic(definition.on_reply))


def no_outbox() -> Patches:
    """Store no message that the sender publishes at once itself.

    The mutant shows when a process dies between commit and publishing, and when the broker is down then.
    """
    write_outbox = Message._write_outbox

    def forget(model: type[AbstractOutboxMessage], database: str, *message_ids: str) -> None:
        model._default_manager.using(database).filter(message_id__in=message_ids).delete()

    def write_and_forget(message: Message) -> list[Outgoing]:
        outgoing = write_outbox(message)
        forget(message._outbox_model, message._database, *(each.envelope.message_id for each in outgoing))
        return outgoing

    def enqueue_and_forget(model: type[AbstractOutboxMessage], *args: Any, **options: Any) -> Any:
        row = enqueue(model, *args, **options)
        if options.get("delay_seconds") != 0:  # delayed messages are left to the relay
            forget(model, DEFAULT_DB_ALIAS, row.message_id)
        return row

    yield patch.object(Message, "_write_outbox", write_and_forget)
    yield patch.object(pending, "enqueue", enqueue_and_forget)


def resend_on_a_guess() -> Patches:
    """Send an operation again if the last event is another one, which may hide the operation's event.

    The mutant shows when only the answer was lost and the provider does not deduplicate.
    """

    def is_absent(ours: object, mine: object, answer: Answer) -> bool:
        return answer.last_event in (
            EventKind.AUTHORISED,
            EventKind.CAPTURED,
            EventKind.SETTLED,
            EventKind.REFUNDED,
            EventKind.REFUND_FAILED,
        )

    yield from everywhere(compare_operations.is_absent, is_absent)


def forged_capture_believed() -> Patches:
    """Treat every notification as proven. The mutant shows when one is forged during its operation."""
    record = actions.record_notification

    def believe(account_code: str, body: bytes, **how: Any) -> actions.Recorded:
        return record(account_code, body, **{**how, "is_proven": True})

    yield from everywhere(record, believe)


def position_guessed() -> Patches:
    """Guess sums: if an answer has none, apply its last event to the whole authorised amount.

    The mutant shows when a part was captured or refunded and the answer contains no sums.
    """

    def inquire(method: Callable[[Any], ProviderResult], order_code: Any) -> ProviderResult:
        result = method(order_code)
        if result.position is not None or result.amount is None or result.outcome != Outcome.APPROVED:
            return result
        everything, nothing = result.amount, Money(0, result.amount.currency)
        is_refunded = result.kind in (EventKind.REFUND_SENT, EventKind.REFUNDED)
        is_captured = is_refunded or result.kind in (EventKind.CAPTURED, EventKind.SETTLED)
        position = WholePosition(
            authorised=everything,
            captured=everything if is_captured else nothing,
            refunded=everything if is_refunded else nothing,
        )
        return replace(result, position=position)

    yield from providers_that(inquire, ("inquire",))


def statement_amounts_ignored() -> Patches:
    """Ignore amounts in notifications that name an operation. The mutant shows when an amount is wrong."""
    judge: Callable[..., Any] = statement._judged

    def judged(*about: Any, **options: Any) -> Any:
        *others, told = about
        return judge(*others, replace(told, amount=None), **options)

    yield patch.object(statement, "_judged", judged)


def refunds_under_way_ignored() -> Patches:
    """Subtract only done refunds from the refundable amount. The mutant shows with two requests at once."""
    left: Any = vars(Sums)["left_to_refund"].fget
    under_way = (Operation.State.REQUESTED, Operation.State.PENDING, Operation.State.UNKNOWN)

    def left_to_refund(sums: Sums) -> int:
        return int(left(sums)) + sums.total(Operation.Kind.REFUND, *under_way)

    yield patch.object(Sums, "left_to_refund", property(left_to_refund))


def disputes_not_deducted() -> Patches:
    """Put no money at risk. The mutant shows when a refund is requested before a dispute is booked."""

    def claimed(payment: Payment, minor: int | None, currency: str) -> int:
        return 0

    yield from everywhere(money_at_risk.claimed, claimed)


def expired_token_accepted() -> Patches:
    """Accept expired challenge tokens. The mutant shows when a shopper returns after the time is up."""
    beginning = datetime.min.replace(tzinfo=UTC)
    yield patch.object(challenge, "timezone", SimpleNamespace(now=lambda: beginning))


def release_takes_all() -> Patches:
    """Let a release also undo a later attempt's reservation. The mutant shows when a release comes late."""
    handler = orders.service.commands["orders.release"]

    def release(command: ReleaseStock, message: Message) -> Any:
        held = Reservation.objects.filter(payment_reference=command.payment).first()
        attempt = held.attempt if held is not None else command.attempt
        return handler.function(with_changes(command, attempt=attempt), message)

    careless = replace(handler, function=release)
    yield patch.dict(orders.service.commands, {"orders.release": careless})


def removal_forgotten() -> Patches:
    """Confirm removals without making them. The mutant shows when a removed card is charged or listed."""
    yield patch.object(saved_cards, "_remove", lambda cards, by: None)


def token_left_behind() -> Patches:
    """Remove cards without planning the deletion of their tokens. The mutant shows after any removal."""
    remove: Callable[[SavedCard, str], None] = SavedCard.remove

    def forget(card: SavedCard, by: str) -> None:
        remove(card, by)
        card.token_to_delete, card.deletion_due_at = "", None

    yield patch.object(SavedCard, "remove", forget)


def every_card_saved() -> Patches:
    """Save the card of every customer. The mutant shows when a shopper did not ask for that."""
    submit: Callable[..., Any] = submission.submit_payment

    def submit_payment(*about: Any, **options: Any) -> Any:
        return submit(*about, **{**options, "saves_card": True})

    yield from everywhere(submit, submit_payment)


def customers_confused() -> Patches:
    """Charge a card for any customer that the order names. The mutant shows when the card is another's."""

    def checked(merchant: Any, card: Any, order: Any) -> dict[str, Any]:
        customer = {"customer_reference": card.customer_reference}
        return checked_fields(merchant, **{**customer, **order})

    yield patch.object(saved_cards, "_checked", checked)


def erased_while_under_way() -> Patches:
    """Erase a payment whose commands are still in a queue. The mutant shows just after staff send one."""
    yield patch.object(erasure_conditions, "require_that_all_is_handled", lambda payment: None)


def late_events_passed_over() -> Patches:
    """Forget the keys of missing events. The mutant shows when an event commits after a later one."""
    yield patch.object(event_log, "MOST_MISSED", 0)


def notifications_left_lying() -> Patches:
    """Never repeat the command for a notification that is unhandled.

    The mutant shows when web dies before it has sent the command, and when the broker refuses the command.
    """
    record = actions.record_notification

    def forget(*args: Any, **how: Any) -> actions.Recorded:
        recorded = record(*args, **how)
        ProviderNotification.objects.filter(state=ProviderNotification.State.RECEIVED).update(
            next_try_at=None
        )
        return recorded

    yield from everywhere(record, forget)


def denial_believed() -> Patches:
    """Believe that there is no order although the provider has notified money for it.

    The mutant shows when a query does not show the order yet, and the answer to its authorisation was lost.
    """
    yield from everywhere(ours.has_told_of_money, lambda attempt: False)


def lags_ignored() -> Patches:
    """Believe that queries show all requests that have arrived.

    The mutant shows when a new order, or a modification, shows late, and the answer to it was lost.
    """
    yield from everywhere(calls.may_yet_show, calls.may_yet_arrive)


def resent_without_keys() -> Patches:
    """Send a request again that no query shows, even if the provider does not recognise repetitions.

    The mutant shows when a capture or refund waits at the provider for long, and the answer to it was lost.
    """
    yield from everywhere(calls.moves_once, lambda call: True)


def send_window_never_over() -> Patches:
    """Send a request long after the decision to send it. The mutant shows when a process is held up."""
    yield patch.object(provider_call.SendWindow, "is_over", False)


def refusal_of_a_copy_believed() -> Patches:
    """Believe the refusal of a copy although an earlier one may still be carried out.

    The mutant shows when a capture or refund waits at the provider, which refuses the second copy.
    """
    apply: Callable[..., ProviderAnswered] = modification._apply

    def believe(attempt: Attempt, operation: Operation, result: ProviderResult) -> ProviderAnswered:
        is_movement = operation.kind != Operation.Kind.VOID
        if is_movement and result.outcome == Outcome.REFUSED and result.refusal is not None:
            refused = Verdict(Conclusion.REFUSED, "C3", result.refusal.reason)
            books_apply.apply(attempt.payment, operation, refused)
            return answer_of(operation, event=result.event)
        return apply(attempt, operation, result)

    yield patch.object(modification, "_apply", believe)


def late_answer_believed() -> Patches:
    """Believe the answer to an earlier copy, although another copy has been sent since.

    The mutant shows when a process is held up with the answer that nothing was done.
    """
    yield patch.object(provider_call, "_of_an_earlier_copy", _marked_as_late)
    apply: Callable[..., ProviderAnswered] = modification._apply

    def believe(attempt: Attempt, operation: Operation, result: ProviderResult) -> ProviderAnswered:
        if isinstance(result, _LateAnswer) and result.outcome == Outcome.REFUSED:
            refused = Verdict(Conclusion.REFUSED, "C3", "provider_error")
            books_apply.apply(attempt.payment, operation, refused)
            return answer_of(operation, event=result.event)
        return apply(attempt, operation, result)

    yield patch.object(modification, "_apply", believe)


def version_of_a_decision_ignored() -> Patches:
    """Accept every decision of staff on an operation, whatever they saw, and however many there are.

    The mutant shows when two clerks decide, the second by a page from before the first decision.
    """
    record, settle = actions.settle_books, settlement.settle

    def settle_books(found: Found, **how: Any) -> None:
        record(found, **{**how, "seen": None})

    def settle_anyway(command: SettleBooks, message: Message) -> None:
        matter = settlement.locked_matter(command.found)
        assert matter is not None
        settle(with_changes(command, seen=matter.seen_now), message)

    yield from everywhere(record, settle_books)
    yield from everywhere(settle, settle_anyway)
    yield from everywhere(staff_settlement.refuse_duplicate_decision, lambda *about: None)


def not_arrived_at_once() -> Patches:
    """Believe staff that a request did not arrive although it was sent a moment ago.

    The mutant shows when a clerk decides within the settling time.
    """
    yield patch.object(operation_settlement, "may_yet_arrive", lambda calls: False)


def withdrawn_sent_again() -> Patches:
    """Send a withdrawn operation once more. The mutant shows when staff give an operation up."""
    carry_out = OperationMatter.carry_out

    def send_again(matter: OperationMatter, by: str, message: Message, *, is_as_seen: bool) -> None:
        if matter.fate != Fate.GIVEN_UP:
            carry_out(matter, by, message, is_as_seen=is_as_seen)
            return
        if operation_settlement.obstacle(matter.operation, matter.attempt, matter.saga, Fate.NOT_ARRIVED):
            return
        carry_out(replace(matter, fate=Fate.NOT_ARRIVED), by, message, is_as_seen=is_as_seen)
        operation = Operation.objects.get(pk=matter.operation.pk)
        if operation.state == Operation.State.REQUESTED:
            move_operation(
                locked_payment_of(operation), operation, Operation.State.REFUSED, refusal_reason=NOT_FOUND
            )

    yield patch.object(OperationMatter, "carry_out", send_again)
    yield patch.object(modification, "TO_BE_SENT", tuple(Operation.State))


def our_amount_wins() -> Patches:
    """Settle an operation with our amount, although a proven event or an answer has another amount.

    The mutant shows when the provider books less than requested.
    """

    def settled(ours: object, mine: object, answer: object, row: str) -> Verdict:
        return Verdict(Conclusion.SETTLED, row)

    yield patch.object(compare_operations, "_unless_of_another_amount", settled)
    compare = compare_notifications.compare_notification

    def compare_all_but_the_amount(*about: Any, **options: Any) -> Any:
        notified = compare(*about, **options)
        if not notified.differs:
            return notified
        return replace(notified, state=ProviderNotification.State.APPLIED, differs=False, settles=True)

    yield from everywhere(compare, compare_all_but_the_amount)


MUTANTS: dict[str, Callable[[], Patches]] = {
    mutant.__name__: mutant
    for mutant in (
        no_inbox,
        no_intent_row,
        no_version_check,
        ack_before_commit,
        blind_retry,
        compensation_while_unknown,
        no_outbox,
        resend_on_a_guess,
        forged_capture_believed,
        position_guessed,
        statement_amounts_ignored,
        refunds_under_way_ignored,
        disputes_not_deducted,
        expired_token_accepted,
        release_takes_all,
        removal_forgotten,
        token_left_behind,
        every_card_saved,
        customers_confused,
        erased_while_under_way,
        late_events_passed_over,
        notifications_left_lying,
        denial_believed,
        lags_ignored,
        resent_without_keys,
        send_window_never_over,
        refusal_of_a_copy_believed,
        late_answer_believed,
        version_of_a_decision_ignored,
        not_arrived_at_once,
        withdrawn_sent_again,
        our_amount_wins,
    )
}


@contextmanager
def applied(name: str) -> Iterator[None]:
    """Remove the defence ``name`` from this process within the block."""
    with ExitStack() as changes:
        _apply(name, changes)
        yield


def apply_for_ever(name: str) -> None:
    """Remove the defence ``name`` until this process ends."""
    _apply(name, ExitStack())


def _apply(name: str, changes: ExitStack) -> None:
    for change in MUTANTS[name]():
        changes.enter_context(change)


class _LateAnswer(ProviderResult):
    """An answer to an earlier copy."""


def _marked_as_late(result: ProviderResult) -> ProviderResult:
    return _LateAnswer(**{each.name: getattr(result, each.name) for each in fields(result)})


def _pessimistic(on_reply: Callable[..., Any]) -> Callable[..., Any]:
    def take_for_refused(definition: Any, step: str, data: Any, reply: Reply) -> Any:
        if reply.ok and reply.result.get("outcome") == Outcome.UNKNOWN:
            told = {**reply.result, "outcome": Outcome.REFUSED, "refusal_reason": "provider_error"}
            reply = Reply.success(told)
        return on_reply(definition, step, data, reply)

    return take_for_refused
