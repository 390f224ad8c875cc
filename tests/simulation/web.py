"""Web processes, which handle requests of shoppers, staff and the provider, and may crash meanwhile."""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import InterfaceError, OperationalError

from checkout.conf import conf
from checkout.payments.actions import Pending, Recorded
from checkout.payments.checkout_messages import SubmitPayment
from checkout.privacy.card_seal import seal_card
from messaging import crash_points
from messaging.access.participants import service_of
from messaging.delivery import Delivery
from messaging.envelope import SEALED, SUBJECT, Envelope, Reply, encode_body
from messaging.errors import MessagingError
from tests.simulation.processes import Crash, Process

if TYPE_CHECKING:
    from tests.simulation.network import UnreliableBroker
    from tests.simulation.world import World

T = TypeVar("T")


class Unanswered(Exception):
    """The connection broke, or the answer was 503: the request may have been handled or not."""


class Web:
    """One web process, which calls operations and publishes their commands as the views do."""

    def __init__(self, world: "World", process: Process, broker: "UnreliableBroker") -> None:
        self._world = world
        self.process = process
        self._broker = broker
        broker.reply_queue.channels = self

    def handle(self, operation: Callable[[], T], *, point: str = "", sealed: str = "") -> T:
        """Carry out an operation as a view does. Raises ``Unanswered`` and the operation's exceptions."""
        return self.process.run(self._handle, operation, point, sealed)

    def _handle(self, operation: Callable[[], T], point: str, sealed: str) -> T:
        try:
            result = self._world.without_loop(operation)
            if point:
                crash_points.reached(point)
        except (Crash, OperationalError, InterfaceError) as error:
            raise Unanswered from error
        if isinstance(result, Pending):
            self.process.spawn(self._publish(result, sealed))
        elif isinstance(result, Recorded) and result.owed is not None:
            self.process.spawn(self._pass_on(result.owed))
        return result

    async def _pass_on(self, owed: Envelope) -> None:
        """Publish a command without waiting for its reply, as ``webhooks.take`` does."""
        with contextlib.suppress(MessagingError):
            await self._broker.publish(
                self._broker.topology.commands,
                service_of(owed.type),
                owed,
                timeout_seconds=conf.reply_budget_seconds,
            )

    async def _publish(self, pending: Pending, sealed: str) -> None:
        """Publish a committed command with the sealed card, as ``waiting.answer`` does."""
        if pending.message_id:
            crash_points.reached("web.intent_committed")
        headers: dict[str, Any] = {SUBJECT: pending.payment}
        if sealed and isinstance(pending.command, SubmitPayment):
            headers[SEALED] = seal_card(sealed, pending.command.attempt)
        ids: dict[str, Any] = {"message_id": pending.message_id} if pending.message_id else {}
        envelope = Envelope(
            type=pending.command.to,
            body=encode_body(pending.command),
            correlation_id=pending.payment,
            reply_to=self._broker.reply_queue.name,
            headers=headers,
            **ids,
        )
        try:
            await self._broker.publish(
                self._broker.topology.commands,
                "checkout",
                envelope,
                timeout_seconds=conf.reply_budget_seconds,
            )
        except MessagingError:
            return
        if pending.message_id:
            crash_points.reached("rpc.published")

    @property
    def waiting(self) -> int:
        """See ChannelTraffic."""
        return 0

    def take(self, delivery: Delivery) -> bool:
        """See ChannelTraffic. Reports the payment's state in a successful reply to the world."""
        if delivery.envelope is not None:
            reply = Reply.decode(delivery.envelope.body)
            if reply.ok:
                self._world.told(reply.result["payment"], reply.result["state"])
        return True

    def end_waits(self, error: Callable[[], Exception], *, only_sent: bool) -> None:
        """See ChannelTraffic. There are no waits to end, as simulated shoppers poll instead."""
