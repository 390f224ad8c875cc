"""A queue of the in-memory broker: FIFO, prefetch, redelivery with a limit, a length limit."""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from messaging.broker import OnDelivery
from messaging.delivery import Death, Delivery, Outcome
from messaging.envelope import Envelope
from messaging.topology import Queue


@dataclass(slots=True)
class Item:
    """A message in a queue; ``number`` determines its place when it is returned to the queue."""

    number: int
    exchange: str
    routing_key: str
    envelope: Envelope
    expires_at: float | None = None
    deliveries: int = 0
    is_returned: bool = False
    death: Death | None = None


@dataclass(eq=False)
class Reader:
    """A consumer that holds at most ``prefetch`` unacknowledged messages, or any number if that is None."""

    queue: str
    on_delivery: OnDelivery
    loop: asyncio.AbstractEventLoop
    prefetch: int | None
    auto_ack: bool
    held: dict[int, Item] = field(default_factory=dict)
    epoch: int = 0
    on_queue_deleted: Callable[[], None] | None = None

    @property
    def has_room(self) -> bool:
        """Return True if the reader can take another message now."""
        return self.auto_ack or self.prefetch is None or len(self.held) < self.prefetch


def schedule(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """Call ``function`` on ``loop`` soon."""
    # To wake a loop in another thread costs a system call; usually it is the running loop.
    if asyncio._get_running_loop() is loop:
        loop.call_soon(function, *arguments)
    else:
        loop.call_soon_threadsafe(function, *arguments)


class MemoryQueue:
    """A queue. Call it under the server's lock, except to acknowledge, which takes the lock itself."""

    def __init__(
        self,
        description: Queue,
        lock: threading.RLock,
        dead_letter: Callable[[str, str, Envelope, Death], None],
    ) -> None:
        arguments = description.arguments
        self._name = description.name
        self._lock = lock
        self._limit = int(arguments.get("x-max-length", -1))
        self._lifetime_seconds = int(arguments.get("x-message-ttl", -1)) / 1000
        self._refuses = arguments.get("x-overflow") == "reject-publish"
        self._delivery_limit = int(arguments.get("x-delivery-limit", -1))
        self._dead_exchange = arguments.get("x-dead-letter-exchange")
        self._dead_key = str(arguments.get("x-dead-letter-routing-key", ""))
        self._dead_letter = dead_letter
        self._items: deque[Item] = deque()
        self._readers: deque[Reader] = deque()
        self._next = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def consumers(self) -> int:
        """The number of the queue's readers."""
        return len(self._readers)

    def put(self, exchange: str, routing_key: str, envelope: Envelope, death: Death | None = None) -> bool:
        """Add a message. A full queue returns False, or drops its oldest message."""
        self._drop_expired()
        if 0 <= self._limit <= len(self._items):
            if self._refuses:
                return False
            self._items.popleft()
        expires_at = time.monotonic() + self._lifetime_seconds if self._lifetime_seconds >= 0 else None
        self._items.append(Item(self._next, exchange, routing_key, envelope, expires_at, death=death))
        self._next += 1
        self._deliver()
        return True

    def add(self, reader: Reader) -> None:
        """Begin to deliver to ``reader``."""
        if reader not in self._readers:
            self._readers.append(reader)
        self._deliver()

    def remove(self, reader: Reader) -> None:
        """Deliver no more to ``reader``; it may still acknowledge."""
        with contextlib.suppress(ValueError):
            self._readers.remove(reader)

    def take_back(self, reader: Reader) -> None:
        """Return a reader's unacknowledged messages to their places, because its connection is gone."""
        reader.epoch += 1
        held, reader.held = reader.held, {}
        for item in sorted(held.values(), key=lambda item: -item.number):
            self._give_back(item)
        self._deliver()

    def delete(self) -> None:
        """Delete the contents, including the messages that readers hold, and notify the readers."""
        self._items.clear()
        for reader in self._readers:
            reader.epoch += 1
            reader.held.clear()
            if reader.on_queue_deleted is not None:
                schedule(reader.loop, reader.on_queue_deleted)
        self._readers.clear()

    def _drop_expired(self) -> None:
        while self._items and (expires_at := self._items[0].expires_at) and expires_at <= time.monotonic():
            self._items.popleft()

    def _deliver(self) -> None:
        self._drop_expired()
        while self._items:
            reader = self._next_reader()
            if reader is None:
                return
            item = self._items.popleft()
            if not reader.auto_ack:
                reader.held[item.number] = item
            delivery = Delivery(
                envelope=item.envelope,
                exchange=item.exchange,
                routing_key=item.routing_key,
                queue=reader.queue,
                delivery_count=item.deliveries,
                redelivered=item.is_returned,
                death=item.death,
                settle=None if reader.auto_ack else self._settler(reader, item, reader.epoch),
            )
            schedule(reader.loop, self._hand_over, reader, delivery, reader.epoch)

    def _next_reader(self) -> Reader | None:
        for _ in range(len(self._readers)):
            self._readers.rotate(-1)
            reader = self._readers[-1]
            if reader.loop.is_closed():
                self._readers.remove(reader)
            elif reader.has_room:
                return reader
        return None

    @staticmethod
    def _hand_over(reader: Reader, delivery: Delivery, epoch: int) -> None:
        if reader.epoch == epoch:
            reader.on_delivery(delivery)

    def _settler(self, reader: Reader, item: Item, epoch: int) -> Callable[[Outcome], None]:
        def settle(outcome: Outcome) -> None:
            with self._lock:
                if reader.epoch != epoch or reader.held.pop(item.number, None) is None:
                    return
                if outcome is Outcome.FAILED:
                    self._give_back(item)
                elif outcome is Outcome.UNTRIED:
                    self._put_back(item)
                elif outcome is Outcome.REFUSED:
                    self._give_up(item, "rejected")
                self._deliver()

        return settle

    def _give_back(self, item: Item) -> None:
        item.deliveries += 1
        if 0 <= self._delivery_limit < item.deliveries:
            self._give_up(item, "delivery_limit")
        else:
            self._put_back(item)

    def _put_back(self, item: Item) -> None:
        item.is_returned = True
        place = 0
        while place < len(self._items) and self._items[place].number < item.number:
            place += 1
        self._items.insert(place, item)

    def _give_up(self, item: Item, reason: str) -> None:
        if self._dead_exchange is not None:
            death = Death(self._name, reason)
            self._dead_letter(str(self._dead_exchange), self._dead_key, item.envelope, death)
