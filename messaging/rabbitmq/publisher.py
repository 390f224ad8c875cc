"""Confirmed, mandatory publishing on a connection of its own, with a limit on unconfirmed messages.

pika accepts any amount while the peer does not read, so the limit is ours. A broker short of disk or memory
blocks a connection only when the connection publishes for the first time. So a new connection does not show
that the shortage is over: only a confirmed message does. For a returned message the broker sends first the
return, then an ack that looks like success (RabbitMQ, "Consumer Acknowledgements and Publisher Confirms"). A
return has no delivery tag: it is matched by message id, exchange and routing key.

After a partition, or when a queue was deleted and declared again, a channel may keep all messages to one
quorum queue for good without a confirm, while all other messages are confirmed (RabbitMQ 4.0, measured, and
pull request 14589). Only a new channel helps.
"""

import asyncio
from functools import partial
from itertools import takewhile
from time import monotonic

import msgspec
import structlog
from pika.channel import Channel
from pika.exceptions import ChannelClosedByBroker
from pika.spec import Basic, BasicProperties

from messaging.broker import OnConfirm
from messaging.envelope import Envelope
from messaging.errors import (
    BrokerUnavailable,
    MessagingError,
    PublishRefused,
    PublishRejected,
    PublishUncertain,
    Undeliverable,
)
from messaging.rabbitmq.channel import AmqpChannel
from messaging.rabbitmq.connection.link import Link

log = structlog.get_logger(__name__)

MAX_UNCONFIRMED = 10_000
MAX_UNCONFIRMED_BYTES = 67_108_864
# With these codes the broker closes a channel because of a message: the user may not publish it, or it has a
# property that is not allowed. With the code of a missing exchange, no message is at fault.
ACCESS_REFUSED, PRECONDITION_FAILED = 403, 406
# No caller waits this long for a confirm. A node without the majority accepts messages and confirms none,
# while another node may have the majority (with Khepri; with Mnesia such a node ends its connections).
CONFIRM_SECONDS = 10.0


class _Pending(msgspec.Struct):
    exchange: str
    routing_key: str
    message_id: str
    size: int
    on_confirm: OnConfirm
    is_returned: bool = False


class Publisher:
    """A publisher with a channel of its own. If the channel is closed, the link is closed, too.

    ``accepts`` is cleared when the broker blocks publishing. It is set when the broker unblocks the
    connection, or confirms a message on a new connection.
    """

    def __init__(
        self,
        user_id: str,
        *,
        max_unconfirmed: int = MAX_UNCONFIRMED,
        max_unconfirmed_bytes: int = MAX_UNCONFIRMED_BYTES,
        confirm_seconds: float = CONFIRM_SECONDS,
    ) -> None:
        self.published = self.returned = self.refused = self.uncertain = 0
        self.unconfirmed_bytes = 0
        self._user_id = user_id
        self._max_unconfirmed = max_unconfirmed
        self._max_unconfirmed_bytes = max_unconfirmed_bytes
        self._confirm_seconds = confirm_seconds
        self._link: Link | None = None
        self._channel: AmqpChannel | None = None
        self._rejection = ""
        self._pending: dict[int, _Pending] = {}
        self._next_tag = 1
        self._oldest: int | None = None
        self._oldest_since = monotonic()
        self.drained = asyncio.Event()
        self.drained.set()
        self.accepts = asyncio.Event()
        self.accepts.set()

    @property
    def unconfirmed(self) -> int:
        """The number of messages that have been sent and not yet confirmed."""
        return len(self._pending)

    def waits_in_vain(self) -> bool:
        """Return True if the oldest unconfirmed message has stayed the same for ``confirm_seconds``.

        A queue that is only slow confirms in order, so that another message soon becomes the oldest.
        """
        oldest = next(iter(self._pending), None)
        if oldest is None or oldest != self._oldest:
            self._oldest, self._oldest_since = oldest, monotonic()
        return monotonic() - self._oldest_since > self._confirm_seconds

    async def prepare(self, link: Link) -> None:
        """Open the publishing channel on a new link. Raises AMQPError."""
        channel = await link.channel()
        channel.raw.add_on_return_callback(self._on_return)
        await channel.confirm(partial(self._on_confirm, channel))
        self._next_tag = 1
        self._rejection = ""
        self._link = link
        self._channel = channel
        link.on_blocked, link.on_unblocked = self.accepts.clear, self.accepts.set
        # The broker closes a channel for a mistake such as a missing exchange, and then sends no more
        # confirms.
        channel.closed.add_done_callback(partial(self._on_closed, link))

    def _on_closed(self, link: Link, closed: "asyncio.Future[BaseException]") -> None:
        reason = closed.result()
        if link.is_open:
            log.warning("publishing channel closed", reason=str(reason))
        codes = (ACCESS_REFUSED, PRECONDITION_FAILED)
        if isinstance(reason, ChannelClosedByBroker) and reason.reply_code in codes:
            self._rejection = reason.reply_text
        link.abort()

    def lost(self) -> None:
        """Report unconfirmed messages as uncertain: the link is gone, and their confirms are lost.

        If the broker rejected a message, it may be any of them.
        """
        self._channel = None
        self._link = None
        pending, self._pending = self._pending, {}
        self._oldest = None
        self.unconfirmed_bytes = 0
        self.drained.set()
        self.uncertain += len(pending)
        for message in pending.values():
            self._end(message, self._loss())

    def _loss(self) -> MessagingError:
        if self._rejection:
            return PublishRejected(f"the broker rejects a message: {self._rejection}")
        return PublishUncertain("connection or channel lost before the confirm")

    def publish_nowait(
        self, exchange: str, routing_key: str, envelope: Envelope, on_confirm: OnConfirm
    ) -> None:
        """See Broker."""
        if not self.accepts.is_set():
            raise BrokerUnavailable("the broker has blocked publishing")
        self.try_to_publish(exchange, routing_key, envelope, on_confirm)

    def try_to_publish(
        self, exchange: str, routing_key: str, envelope: Envelope, on_confirm: OnConfirm
    ) -> None:
        """Publish as ``publish_nowait`` does, even if the broker blocked the previous connection."""
        channel, link = self._channel, self._link
        if channel is None or link is None:
            raise BrokerUnavailable("not connected")
        if link.is_blocked:
            raise BrokerUnavailable("the broker has blocked publishing")
        size = len(envelope.body)
        if (
            len(self._pending) >= self._max_unconfirmed
            or self.unconfirmed_bytes + size > self._max_unconfirmed_bytes
        ):
            raise PublishRefused(f"{len(self._pending)} messages are unconfirmed")
        channel.publish(exchange, routing_key, envelope, self._user_id)
        self._pending[self._next_tag] = _Pending(exchange, routing_key, envelope.message_id, size, on_confirm)
        self._next_tag += 1
        self.drained.clear()
        self.unconfirmed_bytes += size
        self.published += 1

    def _on_confirm(self, channel: AmqpChannel, delivery_tag: int, multiple: bool, is_ack: bool) -> None:
        if channel is not self._channel:
            return  # from an earlier channel, whose tags mean nothing here
        if not self.accepts.is_set() and self._link is not None and not self._link.is_blocked:
            self.accepts.set()
        if multiple:
            tags = list(takewhile(lambda tag: tag <= delivery_tag, self._pending))
        else:
            tags = [delivery_tag]
        for tag in tags:
            message = self._pending.pop(tag, None)
            if message is None:
                continue
            self.unconfirmed_bytes -= message.size
            if not is_ack:
                self.refused += 1
                self._end(message, PublishRefused(f"{message.exchange} {message.routing_key}: queue full"))
            elif message.is_returned:
                self.returned += 1
                text = f"no queue is bound to {message.exchange} for {message.routing_key}"
                self._end(message, Undeliverable(text))
            else:
                self._end(message, None)
        if not self._pending:
            self.drained.set()

    def _on_return(
        self, channel: Channel, method: Basic.Return, properties: BasicProperties, body: bytes
    ) -> None:
        # Returns arrive in the order of publishing, so the oldest match is the right one.
        for message in self._pending.values():
            if (
                not message.is_returned
                and message.message_id == properties.message_id
                and message.exchange == method.exchange
                and message.routing_key == method.routing_key
            ):
                message.is_returned = True
                return

    @staticmethod
    def _end(message: _Pending, error: MessagingError | None) -> None:
        try:
            message.on_confirm(error)
        except Exception:
            log.exception("a publisher's callback failed")
