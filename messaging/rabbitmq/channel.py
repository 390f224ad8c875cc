"""A channel with awaitable operations in place of pika's callbacks, through pika's public interface.

Usually a subclass replaces parts of it: ``DirectChannel`` (``direct_connection.py``) has a shorter path for
confirms, publishing, reading and settling. ``link.py`` chooses: it opens a ``DirectConnection`` if the
installed pika has the internals that it needs, and otherwise an ``AmqpConnection``, whose channels are of
the class below.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from struct import error as struct_error
from typing import Any

from pika.channel import Channel
from pika.exceptions import AMQPError, ChannelWrongStateError, ShortStringTooLong
from pika.frame import Method
from pika.spec import Basic, BasicProperties

from messaging.broker import OnDelivery
from messaging.delivery import Delivery, Outcome
from messaging.envelope import Envelope
from messaging.errors import BrokerUnavailable, NotSendable
from messaging.rabbitmq.amqp import delivery_of, plain, properties_of
from messaging.rabbitmq.wire.layout import CONTENT

CLOSE_TIMEOUT_SECONDS = 1.0

OnConfirmFrame = Callable[[int, bool, bool], None]
"""A function of a delivery tag, whether it includes earlier tags, and whether the broker took the message."""


class AmqpChannel:
    """A channel. ``closed`` receives the reason as its result, even if the whole connection ends.

    Callbacks that are passed to the channel must not raise.
    """

    def __init__(self, raw: Channel) -> None:
        self.raw = raw
        self._max_properties = raw.connection.params.frame_max - CONTENT.size - 1
        self.closed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        raw.add_on_close_callback(self._on_close)

    async def ask(self, start: Callable[[Callable[[Any], None]], object]) -> Any:
        """Start an operation whose answer comes by a callback, and wait for that answer. Raises AMQPError."""
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def on_answer(answer: Any) -> None:
            if not answered.done():
                answered.set_result(answer)

        start(on_answer)
        return await first(answered, self.closed)

    async def confirm(self, on_confirm: OnConfirmFrame) -> None:
        """Request confirms for everything published from now on. Raises AMQPError."""

        def on_frame(frame: Method[Basic.Ack | Basic.Nack]) -> None:
            method = frame.method
            on_confirm(method.delivery_tag or 0, bool(method.multiple), isinstance(method, Basic.Ack))

        await self.ask(lambda answer: self.raw.confirm_delivery(on_frame, answer))

    def publish(self, exchange: str, routing_key: str, envelope: Envelope, user_id: str) -> None:
        """Send a persistent, mandatory message. The broker checks ``user_id`` against the connection's user.

        Raises BrokerUnavailable or NotSendable, in which case the message has not been sent.
        """
        try:
            properties = properties_of(envelope, user_id)
            if sum(map(len, properties.encode())) > self._max_properties:
                raise ValueError("the properties and headers do not fit into a frame")
            self.raw.basic_publish(exchange, routing_key, envelope.body, properties, mandatory=True)
        except (ShortStringTooLong, ValueError, OverflowError, struct_error) as error:
            raise NotSendable(f"AMQP cannot carry it: {error}") from error
        except AMQPError as error:
            raise BrokerUnavailable(f"not connected: {error}") from error

    async def read(self, queue: str, on_delivery: OnDelivery, *, prefetch: int, auto_ack: bool) -> str:
        """Have a queue's messages delivered, and return the consumer's tag. Raises AMQPError.

        With ``auto_ack`` the limit ``prefetch`` does not apply.
        """
        if not auto_ack:
            await self.ask(lambda answer: self.raw.basic_qos(prefetch_count=prefetch, callback=answer))
        tag = ""

        def on_message(
            channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes
        ) -> None:
            delivery = delivery_of(queue, method, properties, body)
            if not auto_ack:
                delivery.settle = partial(self.settle, method.delivery_tag or 0)
            on_delivery(delivery)

        def start(answer: Callable[[object], None]) -> None:
            nonlocal tag
            tag = self.raw.basic_consume(queue, on_message, auto_ack=auto_ack, callback=answer)

        await self.ask(start)
        return tag

    async def get(self, queue: str) -> Delivery | None:
        """Return the first message of a queue, or None if there is none. Raises AMQPError."""

        def start(answer: Callable[[Delivery | None], None]) -> None:
            def on_message(
                channel: Channel, method: Basic.GetOk, properties: BasicProperties, body: bytes
            ) -> None:
                delivery = delivery_of(queue, method, properties, body)
                delivery.settle = partial(self.settle, method.delivery_tag or 0)
                answer(delivery)

            self.raw.add_callback(lambda empty: answer(None), [Basic.GetEmpty])
            self.raw.basic_get(queue, on_message)

        delivery: Delivery | None = await self.ask(start)
        return delivery

    def settle(self, delivery_tag: int, outcome: Outcome) -> None:
        """Acknowledge or reject. On a closed channel do nothing: the broker has the delivery back."""
        if not self.raw.is_open:
            return
        if outcome is Outcome.DONE:
            self.raw.basic_ack(delivery_tag)
        elif outcome is Outcome.UNTRIED:
            # Up to RabbitMQ 4.2 every return counts as a failed attempt, since 4.3 only a rejection does.
            self.raw.basic_nack(delivery_tag, requeue=True)
        else:
            self.raw.basic_reject(delivery_tag, requeue=outcome is Outcome.FAILED)

    def close_nowait(self) -> None:
        """Close the channel; unacknowledged deliveries go back to their queues."""
        with contextlib.suppress(ChannelWrongStateError):
            self.raw.close()

    async def close(self) -> None:
        """Close the channel, and wait a moment for the broker's answer."""
        self.close_nowait()
        await asyncio.wait({self.closed}, timeout=CLOSE_TIMEOUT_SECONDS)

    def _on_close(self, channel: Channel, reason: BaseException) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)


async def first(answer: "asyncio.Future[Any]", closed: "asyncio.Future[BaseException]") -> Any:
    """Return the result of ``answer``. Raises AMQPError if the channel or the connection closes first."""
    await asyncio.wait({answer, closed}, return_when=asyncio.FIRST_COMPLETED)
    if answer.done():
        return answer.result()
    raise plain(closed.result())
