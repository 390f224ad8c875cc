"""The orchestrator stores the decisions of saga definitions and carries them out.

Every function here runs inside the transaction of the message that caused it: inbox row, saga row under lock,
decision and outbox rows are committed together or not at all. The order of locks is that of ``locking``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import structlog
from django.utils import timezone

from checkout.messages import Body, Command
from checkout.payments.books.money_at_risk import follow_question
from checkout.payments.locking import locked_payment_of
from checkout.payments.models import Attempt, Fact, Payment, Saga, SagaStep
from checkout.payments.sagas import DEFINITIONS
from checkout.payments.sagas.definition import Ask, Decision, End, SagaDefinition, Start
from checkout.payments.sagas.movement import apply_decision
from checkout.payments.sagas.operations import opening, parking
from checkout.payments.sagas.orchestration import in_place, question_ids
from checkout.payments.sagas.orchestration.locking import numbered_saga, saga_waiting_for
from checkout.payments.sagas.purchase.data import advice_about
from checkout.payments.sagas.settlement.doubted_refusals import doubt_refusal, refuse_again
from checkout.payments.sagas.settlement.own_money import news_of_own_money
from checkout.payments.sagas.signals import ChildResult, Heard, News, Signal
from checkout.payments.sagas.waiters import reply_to_waiters
from checkout.payments.totals import SETTLED
from checkout.privacy.scrubbing import scrub_text
from checkout.states import Actor
from checkout.tallies import steps
from messaging.compiled_queries import insert_in_batch, insert_unless_known, update_in_batch
from messaging.envelope import Reply, encode_body
from messaging.errors import MalformedMessage
from messaging.libraries import typed
from messaging.worker.service import Message

log = structlog.get_logger(__name__)

REPLIES = "saga"

Definition = SagaDefinition[Any]


def start(
    kind: str,
    key: str,
    whose: Attempt | Saga,
    data: Body,
    message: Message,
    *,
    parent: Saga | None = None,
    payment: Payment | None = None,
) -> Saga | None:
    """Start a saga, once per kind and key, for an attempt, or for the attempt of another saga. Return it.

    If the saga exists and its ``parent`` starts it again: a parked saga is resumed; any other saga repeats
    its signal that it has ended, or that the provider has accepted its operation. If the saga exists and
    there is no parent, None is returned. ``payment`` is the attempt's payment, if it has been locked already.
    """
    saga = Saga(
        kind=kind,
        key=key,
        payment_id=whose.payment_id,
        attempt_id=whose.attempt_id if isinstance(whose, Saga) else whose.pk,
        parent=parent,
        data=msgspec.to_builtins(data),
    )
    decision = DEFINITIONS[kind].start(data)
    saga.wait_until(_deadline(decision))
    if insert_unless_known(saga):
        _carry_out(saga, decision, message, payment)
        return saga
    if parent is None:
        return None
    saga = Saga.objects.select_for_update().get(kind=kind, key=key)
    saga.parent = parent
    update_in_batch(saga, "parent")
    if saga.status == Saga.Status.PARKED:
        resume(saga, message, payment)
    elif saga.status in _ENDED:
        signal(parent, ChildResult(kind, _ENDED[saga.status]), message, payment)
    elif saga.data.get("is_accepted"):
        signal(parent, ChildResult(kind, News.ACCEPTED), message, payment)
    return saga


def take_reply(reply: Reply, message: Message) -> None:
    """Give a service's reply to the saga that waits for it. A late or second reply changes nothing.

    Raises MalformedMessage, before anything is changed, if the result does not fit the step's command.
    """
    question_ids.require_the_one_asked(message)
    correlation_id = message.envelope.correlation_id
    saga = saga_waiting_for(correlation_id)
    if saga is None:
        log.info("reply nobody waits for", correlation_id=correlation_id, subject=message.subject)
        return
    found = _definition_and_data(saga)
    if found is not None and reply.ok:
        found[0].questions[saga.step].read_answer(reply.result)
    step = SagaStep(correlation_id=correlation_id, replied_at=timezone.now(), outcome=_summary(reply))
    update_in_batch(step, "replied_at", "outcome", by="correlation_id")
    if found is not None:
        definition, data = found
        _go_on(saga, definition.on_reply(saga.step, data, reply), message, saga.payment)


def _go_on(saga: Saga, decision: Decision[Any], message: Message, payment: Payment | None) -> None:
    """Carry out the decision that follows from a reply. ``payment`` is given if it is locked already."""
    saga.awaiting = ""
    _carry_out(saga, decision, message, payment)
    if saga.status in _ENDED:
        _tell_what_overtook(saga, message, payment or locked_payment_of(saga))


def _tell_what_overtook(saga: Saga, message: Message, payment: Payment) -> None:
    """Signal the present outcome of the operation to its saga, which the provider's answer has ended.

    The answer may be outdated: a notification that a failed refund was made after all may have come first. If
    the answer and the operation agree, the saga ignores the signal.
    """
    operation = opening.operation_of(saga, payment)
    if operation is not None and operation.state in SETTLED:
        signal(saga, Signal(operation.state), message, payment)


def signal(saga: Saga, name: Heard, message: Message, payment: Payment | None = None) -> None:
    """Pass a signal to a locked saga. Most sagas ignore it, at most of their steps.

    ``payment`` is the saga's payment, if it has been locked already.
    """
    if (found := _definition_and_data(saga)) is not None:
        definition, data = found
        decision = definition.on_signal(saga.step, data, name)
        if decision is not None:
            _carry_out(saga, decision, message, payment)


def takes(saga: Saga, name: Heard) -> bool:
    """Return True if a signal would move a locked saga on."""
    found = _definition_and_data(saga)
    return found is not None and found[0].on_signal(saga.step, found[1], name) is not None


def pass_deadline(saga_id: int, version: int, message: Message) -> None:
    """Handle a step that took too long, unless the saga has moved on since the timer looked at it."""
    saga = numbered_saga(saga_id)
    if saga is None or not _is_overdue(saga, version):
        return
    if (found := _definition_and_data(saga)) is not None:
        definition, data = found
        _carry_out(saga, definition.on_deadline(saga.step, data), message)


def _is_overdue(saga: Saga, version: int) -> bool:
    """Return True if the saga has not moved on while its lock was waited for."""
    return saga.status == Saga.Status.RUNNING and saga.version == version


def resume(saga: Saga, message: Message, payment: Payment | None = None) -> None:
    """Repeat the step of a locked, parked saga, if the money of its operation is still available."""
    payment = payment or locked_payment_of(saga)
    if why := parking.obstacle_to_sending(saga, payment):
        record_not_resumed(saga, why)
        return
    if (found := _definition_and_data(saga)) is not None:
        definition, data = found
        _carry_out(saga, definition.on_resume(saga.step, data), message, payment)


def _definition_and_data(saga: Saga) -> tuple[Definition, Any] | None:
    """Return the saga's definition and its data.

    If this release cannot continue from where another release left the saga, park it and return None.
    """
    definition = DEFINITIONS.get(saga.kind)
    try:
        if definition is None or saga.step not in definition.steps:
            known = f"This release knows no step {saga.step} of a {saga.kind}."
            raise ValueError(known + advice_about(saga.step))
        return definition, typed.convert(saga.data, definition.data_type)
    except (ValueError, msgspec.ValidationError) as error:
        if saga.status in _ENDED:
            return None
        saga.status = Saga.Status.PARKED
        saga.wait_until(None)
        saga.version += 1
        saga.save()
        _record_parking(saga, str(error))
        return None


def _carry_out(saga: Saga, decision: Decision[Any], message: Message, payment: Payment | None = None) -> None:
    leaves_rest = saga.status == Saga.Status.PARKED and not _stays(saga, decision)
    if payment is None and (_concerns_payment(decision) or leaves_rest):
        payment = locked_payment_of(saga)
    if payment is not None and (leaves_rest or decision.end is End.PARKED):
        parking.note_parking(saga, payment, _clean(decision.why) if decision.end is End.PARKED else "")
    is_in_time = payment is None or apply_decision(saga, payment, decision, message)
    if not _stays(saga, decision):
        saga.status = _STATUS[decision.end]
        saga.wait_until(_deadline(decision))
        if decision.end is not End.PARKED:
            # A parked saga still takes the reply it was waiting for.
            saga.awaiting = ""
    saga.step = str(decision.step)
    saga.data = msgspec.to_builtins(decision.data)
    saga.version += 1
    steps.add(saga.kind, saga.step, saga.status)
    answer = _ask(saga, decision.ask, message) if decision.ask is not None else None
    _tell(decision.side_commands, message)
    version = saga.version
    if payment is not None:
        doubt_refusal(payment, message)
        reply_to_waiters(saga, decision, message, payment)
        if decision.child is not None:
            _start(saga, decision.child, message, payment)
    # The saga's row is written after the child's, whose insertion would otherwise wait for a change of the
    # same table. A child that had nothing to wait for has already moved this saga on, and has written its
    # row. So has an answer given in place.
    if answer is not None:
        _go_on(saga, _after(saga, decision, answer), message, payment)
    if saga.version == version:
        update_in_batch(saga, *_MOVING)
    if decision.end is not None and payment is not None:
        follow_question(saga, payment)
    if decision.ends_doubt and payment is not None:
        refuse_again(payment, message)
    if decision.end is End.PARKED:
        _record_parking(saga, decision.why)
    if decision.is_overdue and answer is None:
        log.error("saga overdue", saga=saga.pk, step=saga.step, payment=saga.payment.reference)
    if decision.notify_parent and is_in_time and saga.parent is not None:
        signal(saga.parent, news_of_own_money(saga, decision.notify_parent), message, payment)


def _concerns_payment(decision: Decision[Any]) -> bool:
    """Return True if a decision moves the payment, counts or adds operations, or replies to its waiters.

    All other decisions only change the saga, and do not need the payment's lock. A question that is answered
    in place needs this lock: its service takes locks, and the decision on its answer may concern the payment.
    """
    if decision.ask is not None and in_place.answers(decision.ask):
        return True
    moves = decision.transitions or decision.attempt_transitions or decision.recalculate or decision.child
    return bool(moves or decision.reply_to_waiters or decision.end or decision.ends_doubt)


_STATUS: Mapping[End | None, str] = {
    None: Saga.Status.RUNNING,
    End.COMPLETED: Saga.Status.COMPLETED,
    End.COMPENSATED: Saga.Status.COMPENSATED,
    End.PARKED: Saga.Status.PARKED,
}
# The columns that a decision may change.
_MOVING = ("parent", "step", "status", "data", "awaiting", "deadline_at", "look_at", "version")
_ENDED: Mapping[str, News] = {Saga.Status.COMPLETED: News.DONE, Saga.Status.COMPENSATED: News.REFUSED}


def _stays(saga: Saga, decision: Decision[Any]) -> bool:
    is_elsewhere = decision.step != saga.step or decision.end is not None
    return not is_elsewhere and decision.ask is None and decision.child is None


def _deadline(decision: Decision[Any]) -> datetime | None:
    if decision.timeout is None or decision.end is not None:
        return None
    delay = decision.ask.delay_seconds if decision.ask else 0
    return timezone.now() + decision.timeout + timedelta(seconds=delay)


def _start(parent: Saga, child: Start, message: Message, payment: Payment) -> None:
    if opening.is_contradicted(child.data, parent.attempt_id, payment):
        signal(parent, ChildResult(child.kind, News.PARKED), message, payment)
        return
    operation = opening.operation_of_child(child, parent, payment)
    saga = start(child.kind, child.key, parent, child.data, message, parent=parent, payment=payment)
    if saga is not None and operation is not None and operation.state in SETTLED:
        signal(saga, Signal(operation.state), message, payment)


def _ask(saga: Saga, ask: Ask, message: Message) -> Reply | None:
    """Ask the question of the saga's step. Return the reply if it is answered in place, and None if not."""
    saga.awaiting = question_ids.new(saga, ask.command.address[0])
    body = encode_body(ask.command)
    step = SagaStep(
        saga=saga,
        name=saga.step,
        command=ask.command.to,
        correlation_id=saga.awaiting,
        body_sha256=sha256(body).hexdigest(),
    )
    answer = in_place.reply_to(ask.command, message) if in_place.answers(ask) else None
    if answer is not None:
        step.replied_at, step.outcome = timezone.now(), _summary(answer)
    else:
        message.send(
            *ask.command.address,
            body,
            correlation_id=saga.awaiting,
            delay_seconds=ask.delay_seconds,
            keeps_sealed=ask.keeps_card,
            deadline=None if saga.deadline_at is None else round(saga.deadline_at.timestamp() * 1000),
        )
    insert_in_batch(step)
    return answer


def _after(saga: Saga, asked: Decision[Any], answer: Reply) -> Decision[Any]:
    """Return the decision that follows from an answer given in place."""
    definition: Definition = DEFINITIONS[saga.kind]
    try:
        if answer.ok:
            definition.questions[saga.step].read_answer(answer.result)
    except MalformedMessage as error:
        answer = Reply.malformed(str(error))
    return definition.on_reply(saga.step, asked.data, answer)


def _tell(commands: Iterable[Command[Any]], message: Message) -> None:
    """Send commands to services that do not answer, because nothing depends on an answer."""
    for command in commands:
        if not in_place.is_done(command, message):
            message.send(*command.address, command, reply_to="")


def _record_parking(saga: Saga, why: str) -> None:
    log.error("saga parked", saga=saga.pk, kind=saga.kind, step=saga.step, why=why)
    Fact.objects.create(
        payment_id=saga.payment_id,
        attempt_id=saga.attempt_id,
        source=Actor.SAGA,
        kind="saga_parked",
        data={"saga": saga.kind, "step": saga.step, "why": _clean(why)},
    )


def record_not_resumed(saga: Saga, why: str) -> None:
    """Record that a parked saga was not resumed although staff asked for it, and why."""
    data = {"saga": saga.kind, "step": saga.step, "why": why}
    Fact.objects.create(
        payment_id=saga.payment_id,
        attempt_id=saga.attempt_id,
        source=Actor.SAGA,
        kind="saga_resumed_not_applied",
        data=data,
    )


def _clean(text: str) -> str:
    """Return a service's text as it is stored: scrubbed, cut, and without NUL, which PostgreSQL refuses."""
    return scrub_text(text.replace("\0", ""))[:500]


def _summary(reply: Reply) -> str:
    if reply.error is not None:
        return _clean(f"error: {reply.error.code}")[:60]
    said = reply.result.get("outcome") or reply.result.get("decision")
    otherwise = "not reserved" if reply.result.get("reserved") is False else "ok"
    return str(said or otherwise)[:60]
