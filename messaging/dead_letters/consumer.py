"""A consumer that stores the messages of the dead-letter queue where people can look at them."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from messaging import crash_points
from messaging.broker import Broker
from messaging.concurrency.database import in_thread, is_away
from messaging.dead_letters import letter as dead_letters
from messaging.delivery import Delivery
from messaging.envelope import Envelope

log = structlog.get_logger(__name__)

PREFETCH = 10
PAUSE_SECONDS = 1.0


class DeadLetterConsumer:
    """A consumer that gives each dead letter to ``keep``, in a thread, and then acknowledges it.

    Any number of consumers may run at once. ``keep`` may get the same letter twice, for example when a
    process crashes before it has acknowledged the letter.
    """

    def __init__(self, broker: Broker, keep: Callable[[Envelope], None]) -> None:
        self._broker = broker
        self._keep = keep
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish the letters in hand."""
        self._stop = stop
        queue = self._broker.topology.dead_queue
        await self._broker.declare(queue)
        consumption = await self._broker.consume(queue.name, self._begin, prefetch=PREFETCH)
        try:
            await stop.wait()
        finally:
            await consumption.cancel()
            await asyncio.gather(*self._tasks)
            await consumption.release()

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.get_running_loop().create_task(self._deal_with(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deal_with(self, delivery: Delivery) -> None:
        letter = self._read(delivery)
        while not self._stop.is_set():
            try:
                await in_thread(self._keep, letter)
            except Exception as error:
                # The database may be away for a while. A redelivery would count towards the limit, so the
                # message is kept here.
                if not is_away(error):
                    log.exception("dead letter not kept yet")
            else:
                crash_points.reached("dead_letters.stored")
                delivery.ack()
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), PAUSE_SECONDS)
        delivery.give_back()

    def _read(self, delivery: Delivery) -> Envelope:
        try:
            return dead_letters.read(delivery, self._broker.topology)
        except Exception:
            # A letter that cannot be read would be delivered for ever, and keep others from being delivered.
            log.exception("dead letter cannot be read")
            return dead_letters.unreadable(delivery)
