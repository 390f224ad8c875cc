"""The in-memory broker behind an unreliable network, whose faults are determined by the seed."""

from collections.abc import Callable

from messaging.broker import Consumption, OnConfirm, OnDelivery
from messaging.delivery import Delivery, Outcome
from messaging.envelope import Envelope
from messaging.errors import BrokerUnavailable, PublishUncertain
from messaging.memory.broker import MemoryBroker
from messaging.topology import Topology
from tests.simulation.chance import Chance
from tests.simulation.processes import Process, outside
from tests.simulation.trace import Trace

HOST = "simulation"
URL = f"memory://{HOST}"


class UnreliableBroker(MemoryBroker):
    """The connection of one process, with its own user. Messages that were sent outlive the process."""

    def __init__(self, prefix: str, process: Process, chance: Chance, trace: Trace) -> None:
        participant = process.name.partition(" ")[0]
        super().__init__(f"memory://{Topology(prefix).user(participant)}@{HOST}", prefix)
        self._process = process
        self._chance = chance
        self._trace = trace

    def publish_nowait(
        self, exchange: str, routing_key: str, envelope: Envelope, on_confirm: OnConfirm
    ) -> None:
        """See Broker. The message may be refused, left unconfirmed or doubled; the confirm is delayed."""
        self._perhaps_cut()
        if self._chance.happens("publish_refused"):
            self._note("refused", envelope)
            raise BrokerUnavailable("the network refused")

        def end(outcome: object) -> None:
            self._after_a_while(on_confirm, outcome)

        def route() -> None:
            outside(self._route, exchange, routing_key, self.signed(envelope))

        if self.is_connected and self._chance.happens("publish_uncertain"):
            self._note("published in doubt", envelope)
            if self._chance.of(0.5):
                route()
            end(PublishUncertain("no confirm"))
            return
        if self._chance.happens("doubled"):
            self._note("published twice", envelope)
            outside(self.loop.call_later, self._chance.moment(), route)
        self._note("published", envelope)
        outside(super().publish_nowait, exchange, routing_key, envelope, end)

    async def consume(
        self, queue: str, on_delivery: OnDelivery, *, prefetch: int, auto_ack: bool = False
    ) -> Consumption:
        """See Broker. Each delivery takes a random time, so later deliveries can arrive first."""

        def arrive(delivery: Delivery) -> None:
            delivery.settle = self._settling(delivery)
            seconds = self._chance.moment()
            is_release = delivery.envelope is not None and delivery.envelope.type == "orders.release"
            if is_release and self._chance.happens("release_late"):
                # Late enough that the shopper already tries again, or has paid.
                seconds += self._chance.between(1, 60)
            self.loop.call_later(
                seconds, self._hand_over, on_delivery, delivery, context=self._process.context
            )

        return await super().consume(queue, arrive, prefetch=prefetch, auto_ack=auto_ack)

    def lose_connection(self) -> None:
        """See MemoryBroker."""
        outside(super().lose_connection)

    def connect(self) -> None:
        """See MemoryBroker."""
        outside(super().connect)

    def leave(self) -> None:
        """Close the connection because its process has ended."""
        self._server.brokers.discard(self)
        self.lose_connection()

    def _hand_over(self, on_delivery: OnDelivery, delivery: Delivery) -> None:
        self._perhaps_cut()
        self._note("delivered" if not delivery.delivery_count else "redelivered", delivery.envelope)
        on_delivery(delivery)

    def _settling(self, delivery: Delivery) -> Callable[[Outcome], None] | None:
        settle = delivery.settle
        if settle is None:
            return None

        def settle_outside(outcome: Outcome) -> None:
            self._note("acknowledged" if outcome is Outcome.DONE else "rejected", delivery.envelope)
            outside(settle, outcome)

        return settle_outside

    def _perhaps_cut(self) -> None:
        if self._chance.happens("connection_cut"):
            self._after_a_while(self._cut)

    def _cut(self) -> None:
        self._trace.note(self._process.name, "connection cut")
        self.lose_connection()
        self.loop.call_later(self._chance.between(0.1, 20), self.connect, context=self._process.context)

    def _after_a_while(self, function: Callable[..., object], *args: object) -> None:
        self.loop.call_later(self._chance.moment(), function, *args, context=self._process.context)

    def _note(self, what: str, envelope: Envelope | None) -> None:
        if envelope is not None:
            self._trace.note(
                self._process.name, what, envelope.type, envelope.correlation_id, envelope.message_id
            )
