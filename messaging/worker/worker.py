"""A worker runs a service: from delivery to handler, commit, publishing and acknowledgement, in that order.

A message is acknowledged after its effects are committed and the messages that it causes are published (or
left to the relay). After a crash at any point, the broker delivers it again; if the inbox shows that it was
handled, only the messages that it caused are published again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError
from django.utils import timezone

from messaging import crash_points, tallies, traces
from messaging.access.participants import registered
from messaging.access.proofs import is_proven
from messaging.broker import Broker
from messaging.concurrency.database import is_busy, is_mistake, run_in, warn_unless_away
from messaging.conf import conf
from messaging.dead_letters import letter as dead_letters
from messaging.delivery import Delivery
from messaging.envelope import REPLY, SCHEMA_VERSION, Envelope, Reply
from messaging.errors import MalformedMessage, MessagingError, Undeliverable
from messaging.logs import work as present_work
from messaging.outbox.cause import leave_to_relay
from messaging.outbox.models import AbstractInboxMessage, AbstractOutboxMessage, AlreadyHandled
from messaging.outbox.published_marker import PublishedMarker
from messaging.storable import defect_of, fitted
from messaging.worker.delivered_work import DeliveredWork, delivery_span
from messaging.worker.handling import OBSOLETE, handle
from messaging.worker.message import Message, Outgoing
from messaging.worker.pushes import send_push
from messaging.worker.service import CommandRejected, Handler, NotEntitled, Obsolete, Service
from messaging.worker.waiting import until_connected, until_stopped

log = structlog.get_logger(__name__)

# When a process dies or loses its connection, the broker counts every message that it held as delivered,
# handled or not. So a harmless message may reach the limit because processes failed while it waited.
DELIVERY_LIMIT = 10
PUBLISH_TIMEOUT_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.6
OUTAGE_PAUSE_SECONDS = 0.5
# Together they are well below the queues' consumer time-out, after which the broker would take the message
# back.
LONGEST_OUTAGE_SECONDS = 300.0
# Shorter, because a statement of the message itself may be what takes too long. If each of its deliveries
# ends so, it becomes a dead letter after about five minutes.
LONGEST_BUSY_SECONDS = 30.0
LONGEST_BLOCK_SECONDS = 120.0


class Worker:
    """A reader of a service's queues that handles at most ``concurrency`` messages at once.

    The service's tables, its inbox and its outbox are in ``database``. A message is acknowledged without
    being handled if ``ignores``, which must not block, returns True for its decoded body.
    """

    def __init__(
        self,
        broker: Broker,
        service: Service,
        *,
        inbox_model: type[AbstractInboxMessage],
        outbox_model: type[AbstractOutboxMessage],
        database: str = DEFAULT_DB_ALIAS,
        concurrency: int | None = None,
        ignores: Callable[[Any], bool] | None = None,
    ) -> None:
        self._broker = broker
        self._service = service
        self._ignores = ignores
        self._inbox_model = inbox_model
        self._outbox_model = outbox_model
        self._database = database
        self._concurrency = concurrency or conf.worker_threads
        self._reply_queue = broker.topology.reply_queue(service.replies).name if service.replies else ""
        self._executor = ThreadPoolExecutor(self._concurrency, thread_name_prefix=service.name)
        self._marker = PublishedMarker(outbox_model, partial(run_in, self._executor), database)
        self._tasks: set[asyncio.Task[object]] = set()
        self._stop = asyncio.Event()
        self._late: list[Delivery] = []  # messages that have arrived since then

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish the messages in hand, and return."""
        self._stop = stop
        queues = self._service.queues(self._broker.topology)
        await self._broker.declare(*queues)
        consumptions = [
            await self._broker.consume(queue.name, self._begin, prefetch=self._concurrency)
            for queue in queues
        ]
        try:
            await stop.wait()
        finally:
            await asyncio.gather(*(consumption.cancel() for consumption in consumptions))
            # Not earlier: as long as this process reads the queue, the broker would deliver them to it again.
            for delivery in self._late:
                delivery.give_back()
            while self._tasks:  # a task may start another one before it ends
                await asyncio.wait(self._tasks)
            await self._marker.flush()
            await asyncio.gather(*(consumption.release() for consumption in consumptions))
            self._executor.shutdown(wait=False)

    def _begin(self, delivery: Delivery) -> None:
        if self._stop.is_set():
            self._late.append(delivery)
        else:
            self._start(self._deal_with(delivery))

    def _start(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deal_with(self, delivery: Delivery) -> None:
        if delivery.envelope is not None:
            present_work.begin(DeliveredWork(delivery.envelope))
        with delivery_span(delivery, self._service) if traces.is_on() else traces.NOTHING as span:
            if outcome := await self._handle_or_leave(delivery):
                span.fail(outcome)

    async def _handle_or_leave(self, delivery: Delivery) -> str:
        """Handle and acknowledge a delivery, or leave it for a redelivery, and return in a word why."""
        begin, outcome = asyncio.get_running_loop().time(), "handled"
        if delivery.redelivered:
            tallies.redeliveries.add(self._service.name)
        try:
            is_done = await self._process_despite_outages(delivery)
        except Exception:
            outcome = "failed"
            log.exception(
                "attempt failed", service=self._service.name, deliveries=delivery.delivery_count + 1
            )
            is_done = False
        outcome = "again" if outcome == "handled" and not is_done else outcome
        if tallies.is_on:
            seconds = asyncio.get_running_loop().time() - begin
            tallies.handled.note(seconds, self._service.name, outcome)
        if is_done:
            crash_points.reached("worker.published")
            delivery.ack()
            crash_points.reached("worker.acknowledged")
            return ""
        # The broker redelivers at once, when most causes of failures would still be there.
        pause = min(FIRST_PAUSE_SECONDS * 2**delivery.delivery_count, LONGEST_PAUSE_SECONDS)
        await until_stopped(self._stop, seconds=pause)
        # Nothing can be published while the broker blocks publishing, and each vain delivery counts.
        await until_connected(self._broker, self._stop, seconds=LONGEST_BLOCK_SECONDS)
        delivery.reject(requeue=True)
        return outcome

    async def _process_despite_outages(self, delivery: Delivery) -> bool:
        """Try again while the database is away or busy, so that an outage does not use up the deliveries.

        If the database is busy after an outage, the time counts from the end of the outage, because all
        processes begin again at the same moment.
        """
        loop, is_after_outage = asyncio.get_running_loop(), False
        until = loop.time() + LONGEST_OUTAGE_SECONDS
        busy_until: float | None = None
        while True:
            try:
                return await self._process(delivery, is_after_outage=is_after_outage)
            except (OperationalError, InterfaceError) as error:
                busy = is_busy(error)
                if not busy:
                    busy_until = None
                elif busy_until is None:
                    busy_until = loop.time() + LONGEST_BUSY_SECONDS
                is_over = loop.time() >= (until if busy_until is None else busy_until)
                if is_mistake(error) or self._stop.is_set() or is_over:
                    raise
                # If only the answer to a COMMIT was lost, the message has been handled.
                delivery.redelivered = True
                is_after_outage = is_after_outage or not busy
                warn_unless_away("database busy, trying again", error, service=self._service.name)
            await until_stopped(self._stop, seconds=OUTAGE_PAUSE_SECONDS)

    async def _process(self, delivery: Delivery, *, is_after_outage: bool) -> bool:
        """Return True if the delivery can be acknowledged, False if it must be redelivered."""
        envelope = delivery.envelope
        if envelope is None:
            return await self._deal_with_malformed(delivery, delivery.remains, delivery.defect)
        if fault := self._sender_error(delivery.queue, envelope):
            return await self._reject(delivery, fault)
        if delivery.redelivered:
            # This is asked first: a handled message may be obsolete by now, while messages that it caused may
            # be unpublished.
            left = await run_in(self._executor, partial(self._left_of_handled, delivery, envelope))
            if left is not None:
                return await self._publish_all(left)
        # An outage may have used up all deliveries without any handler having seen the message.
        if delivery.delivery_count >= DELIVERY_LIMIT and not is_after_outage:
            return await self._give_up(delivery, f"{delivery.delivery_count} attempts failed")
        if defect := defect_of(envelope):
            return await self._deal_with_malformed(delivery, envelope, defect)
        try:
            handler = self._service.handler_for(delivery.queue, envelope.type, self._broker.topology)
            body = handler.decode(envelope.body)
        except MalformedMessage as error:
            return await self._deal_with_malformed(delivery, envelope, str(error))
        if self._ignores is not None and self._ignores(body):
            return True
        if delivery.queue != self._reply_queue:
            return await self._carry_out(delivery, handler, body, envelope)
        try:
            return await self._carry_out(delivery, handler, body, envelope)
        except MalformedMessage as error:  # only the handler knows which command the reply answers
            return await self._deal_with_malformed(delivery, envelope, str(error))

    async def _deal_with_malformed(self, delivery: Delivery, envelope: Envelope | None, reason: str) -> bool:
        """Store the message as a dead letter, and inform its sender or its receiver at once.

        The sender of a command gets an error reply; the handler of a reply gets an error that says nothing
        about the outcome. The dead letter comes first, so that a crash in between leaves two copies of it
        rather than none. If the sender had no right to send the message, nobody is informed.
        """
        is_done = await self._give_up(delivery, reason)
        if envelope is None or self._sender_error(delivery.queue, envelope):
            return is_done
        if delivery.queue != self._reply_queue:
            self._refuse(envelope, reason)
        elif self._service.reply_handler is not None:
            is_done = await self._carry_out(
                delivery, self._service.reply_handler, Reply.malformed(reason), fitted(envelope)
            )
        return is_done

    async def _carry_out(self, delivery: Delivery, handler: Handler, body: Any, envelope: Envelope) -> bool:
        """Run the handler and publish the messages it sends. Raises MalformedMessage, with nothing done."""
        crash_points.reached("worker.delivered")
        # A message that the broker delivers again was probably handled, so that is looked up first.
        records_last = self._service.records_last and not delivery.redelivered
        message = self._message(envelope, records_last=records_last)
        work = partial(self._admit_and_handle, handler, body, message)
        try:
            outgoing = await run_in(self._executor, work)
        except NotEntitled as error:
            return await self._reject(delivery, str(error))
        except CommandRejected as rejection:
            if rejection.retryable:
                raise  # the delivery is repeated a few times
            return await self._give_up(delivery, f"rejected: {rejection.code}: {rejection.text}")
        crash_points.reached("worker.committed")
        for delayed in [each for each in outgoing if each.delay_seconds]:
            outgoing.remove(delayed)
            self._start(self._publish_later(delayed))
        if delivery.exchange == self._broker.topology.commands and not message.envelope.causation_id:
            # A command that was in an outbox of this database has evidently been published. An event may have
            # reached this queue only. Messages that another message caused are left to the worker that
            # handles that one.
            self._marker.add(message.envelope.message_id)
        everything_left = await self._publish_all(outgoing)
        for push in message.pushes:
            await send_push(push)
        return everything_left

    def _message(self, envelope: Envelope, *, records_last: bool) -> Message:
        return Message(
            envelope,
            consumer=self._service.name,
            topology=self._broker.topology,
            inbox_model=self._inbox_model,
            outbox_model=self._outbox_model,
            database=self._database,
            reply_queue=self._reply_queue,
            received_at=timezone.now(),
            records_last=records_last,
        )

    def _left_of_handled(self, delivery: Delivery, envelope: Envelope) -> list[Outgoing] | None:
        """Return the messages to publish if this one was handled before, else None. Runs in a thread.

        If publishing has failed too often, the messages are left to the relay.
        """
        message = self._message(fitted(envelope), records_last=False)
        try:
            message.refuse_repetition()
        except AlreadyHandled:
            if delivery.delivery_count < DELIVERY_LIMIT:
                return message.left_unpublished()
            leave_to_relay(self._outbox_model, self._database, causation_id=message.envelope.message_id)
            return []
        return None

    def _sender_error(self, queue: str, envelope: Envelope) -> str:
        """Return why the sender may not send this message; empty if it may."""
        table = registered()
        return "" if table is None else table.fault_of(self._broker.topology, queue, envelope)

    async def _reject(self, delivery: Delivery, fault: str) -> bool:
        """Store a message that its sender had no right to send as a dead letter, without a reply."""
        self._broker.reply_queue.not_entitled += 1
        return await self._give_up(delivery, f"not entitled: {fault}")

    def _admit_and_handle(self, handler: Handler, body: Any, message: Message) -> list[Outgoing]:
        """Check the rights that depend on the database, then handle the message. Runs in a thread."""
        table = registered()
        sender = table.of_user(message.topology, message.sender) if table is not None else None
        is_relayed = sender is not None and sender.relays
        try:
            if is_relayed and not self._service.hints_only and not self._is_owed(message.envelope):
                # A late copy of a handled message is harmless, and its row may have been deleted since.
                message.refuse_repetition()
                raise NotEntitled(f"{message.sender} says what is not in the outbox")
            if handler.admit is not None:
                admission = partial(handler.admit, body, message)
                message.require_admission(admission)
                if not handler.admits_itself:
                    message.admit()
            return handle(handler, body, message)
        except AlreadyHandled:
            return message.left_unpublished()
        except Obsolete as reason:
            log.info("not wanted any more", type=message.envelope.type, reason=str(reason))
            return handle(OBSOLETE, body, message)

    def _is_owed(self, envelope: Envelope) -> bool:
        """Return True if the message is in this database's outbox or, as its proof says, in another's."""
        return is_proven(envelope) or self._outbox_model.holds(envelope, self._database)

    async def _publish_all(self, outgoing: list[Outgoing]) -> bool:
        """Publish messages. Return False if one was left that only a redelivery can send with its secret.

        Any other message that could not be published is left to the relay. Raises ``django.db.Error`` if that
        fails: the redelivery then publishes everything.
        """
        if len(outgoing) == 1:
            # Usually a reply or the next command. A single one needs no task of its own.
            is_gone = [await self._publish(outgoing[0])]
        else:
            is_gone = await asyncio.gather(*(self._publish(message) for message in outgoing))
        left = [
            message for message, gone in zip(outgoing, is_gone, strict=True) if message.is_owed and not gone
        ]
        if any(message.carries_sealed for message in left):
            return False
        if left:
            named = [message.envelope.message_id for message in left]
            work = partial(leave_to_relay, self._outbox_model, self._database, message_id__in=named)
            await run_in(self._executor, work)
        return True

    async def _publish_later(self, message: Outgoing) -> None:
        """Publish a message whose secret is kept in memory, after its delay or when this process stops."""
        await until_stopped(self._stop, seconds=message.delay_seconds)
        await self._publish(message)

    async def _publish(self, message: Outgoing) -> bool:
        try:
            await self._broker.publish(
                message.exchange,
                message.routing_key,
                message.envelope,
                timeout_seconds=PUBLISH_TIMEOUT_SECONDS,
            )
        except Undeliverable:
            if not self._broker.topology.may_go_unheard(message.exchange, message.routing_key):
                log.warning("undeliverable, left to the relay", type=message.envelope.type)
                return False
        except MessagingError as error:
            if message.is_owed:
                log.info("left to the relay", type=message.envelope.type, reason=error.code)
            return False
        if message.is_marked:
            self._marker.add(message.envelope.message_id)
        return True

    async def _give_up(self, delivery: Delivery, reason: str) -> bool:
        """Publish a dead letter before the broker's limit is reached, because ours has no sealed secret."""
        log.error("dead letter", service=self._service.name, queue=delivery.queue, reason=reason)
        tallies.dead_letters.add(self._service.name)
        await self._broker.publish(
            self._broker.topology.dead,
            "",
            dead_letters.of(delivery, self._service.name, reason),
            timeout_seconds=PUBLISH_TIMEOUT_SECONDS,
        )
        return True

    def _refuse(self, envelope: Envelope, reason: str) -> None:
        """Reply to the sender of a malformed message, if it waits for a reply, that nothing has been done."""
        if not envelope.reply_to or envelope.type == REPLY:
            return
        reply = Envelope(
            type=REPLY,
            body=Reply.failure("malformed_message", reason).encode(),
            correlation_id=envelope.correlation_id,
            headers={**envelope.travelling_headers(), SCHEMA_VERSION: 1},
        )
        refusal = Outgoing(self._broker.topology.replies, envelope.reply_to, reply, is_owed=False)
        self._start(self._publish(refusal))
