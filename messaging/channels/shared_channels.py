"""Channels that any process may read: queues on the broker, consumed only while a reader waits here."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from channels.exceptions import ChannelFull

from messaging.broker import Broker
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.errors import PublishRefused, Undeliverable
from messaging.topology import Queue

# The time by which a consumption outlives its last reader, for programs that receive in a loop or with a
# short time-out.
LINGER_SECONDS = 1.0


class SharedChannel:
    """A shared channel: send to its queue, and receive from it for all readers in this process.

    The readers share one consumption, which gets one message at a time. A message is acknowledged when its
    reader takes it. Until then it belongs to the queue, so that a cancelled reader loses no message. Used on
    one event loop only. ``describe`` returns the queue with its present arguments. A message that
    ``is_of_stranger`` or breaks the contract is dropped.
    """

    def __init__(
        self,
        name: str,
        broker: Broker,
        describe: Callable[[], Queue],
        is_of_stranger: Callable[[Envelope], bool],
    ) -> None:
        self._name = name
        self._broker = broker
        self._describe = describe
        self._is_of_stranger = is_of_stranger
        self._queue = describe().name
        self._is_declared = False
        self._declaring = asyncio.Lock()
        self._readers: deque[asyncio.Future[tuple[Delivery, Envelope]]] = deque()
        self._reading: asyncio.Task[None] | None = None
        self._ends = asyncio.Event()
        self._lingering: asyncio.TimerHandle | None = None
        self._last_id = ""

    async def send(self, envelope: Envelope, *, timeout_seconds: float) -> None:
        """Publish to the queue. Raises ChannelFull and the errors of ``Broker.publish``."""
        exchange = self._broker.topology.replies
        until = asyncio.get_running_loop().time() + timeout_seconds
        for is_last in (False, True):
            if not self._is_declared:
                # A declaration needs the connection that receives, which may come after the other one.
                await self._broker.wait_reachable(timeout_seconds=_seconds_to(until))
            await self._declare()
            try:
                await self._broker.publish(
                    exchange, self._queue, envelope, timeout_seconds=_seconds_to(until)
                )
            except PublishRefused:
                raise ChannelFull(self._name) from None
            except Undeliverable:
                self._is_declared = False  # the broker has deleted it, as it was unused for too long
                if is_last:
                    raise
            else:
                return

    async def receive(self) -> bytes:
        """Return the next message, waiting for one. A cancelled call loses no message."""
        reader: asyncio.Future[tuple[Delivery, Envelope]] = asyncio.get_running_loop().create_future()
        self._readers.append(reader)
        self._begin()
        try:
            delivery, envelope = await reader
        except asyncio.CancelledError:
            if reader.cancelled():
                # It is not there if a delivery that arrived at the same moment has skipped it.
                with suppress(ValueError):
                    self._readers.remove(reader)
            else:
                self._hand_over(*reader.result())
            self._linger_without_readers()
            raise
        delivery.ack()
        self._last_id = envelope.message_id
        return envelope.body

    async def flush(self) -> None:
        """Delete the queue with its messages. Readers keep waiting, on a new queue."""
        async with self._declaring:
            await self._broker.delete(self._queue)
            self._is_declared = False
        self._ends.set()

    async def _declare(self, *, anew: bool = False) -> None:
        # One at a time, so that messages are published in the order in which they were sent.
        async with self._declaring:
            if anew or not self._is_declared:
                await self._broker.declare(self._describe())
                self._is_declared = True
                self._forget_unless_read()

    def _forget_unless_read(self) -> None:
        """Have no channels but those that are read here made again when the broker is connected again.

        A process may have used thousands. The next message to a channel that has gone makes it again.
        """
        if self._reading is None:
            self._broker.forget(self._queue)

    def _begin(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read(), name=f"channel {self._name}")

    async def _read(self) -> None:
        """Consume while there are readers. Each round ends with ``_ends``."""
        try:
            while self._readers:
                self._ends.clear()
                await self._declare(anew=True)
                consumption = await self._broker.consume(self._queue, self._on_delivery, prefetch=1)
                try:
                    await self._ends.wait()
                finally:
                    await consumption.release()
        finally:
            self._reading = None
            self._forget_unless_read()

    def _on_delivery(self, delivery: Delivery) -> None:
        envelope = delivery.envelope
        if envelope is None or self._is_of_stranger(envelope):
            delivery.ack()
            return
        if delivery.redelivered and envelope.message_id == self._last_id:
            delivery.ack()  # a reader has it, but the acknowledgement was lost with the connection
            return
        self._hand_over(delivery, envelope)
        self._linger_without_readers()

    def _hand_over(self, delivery: Delivery, envelope: Envelope) -> None:
        while self._readers:
            reader = self._readers.popleft()
            if not reader.done():
                reader.set_result((delivery, envelope))
                return
        # No reader is left here: end the consumption, so that the message returns to the queue for other
        # processes.
        self._ends.set()

    def _linger_without_readers(self) -> None:
        if not self._readers and self._lingering is None:
            loop = asyncio.get_running_loop()
            self._lingering = loop.call_later(LINGER_SECONDS, self._ends.set)


def _seconds_to(until: float) -> float:
    """Return the seconds until a time of the loop, 0 if it has passed."""
    return max(0.0, until - asyncio.get_running_loop().time())
