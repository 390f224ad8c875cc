"""A service on the product's broker, without a database (`python -m benchmarks.gateway.worker`).

The reply is persistent, and the command is acknowledged only after the reply is confirmed.
"""

import asyncio
import os

import msgspec
import uvloop

from messaging.broker import Broker
from messaging.delivery import Delivery
from messaging.envelope import Envelope, Reply
from messaging.errors import MessagingError
from messaging.registry import get_broker

HOLD_SECONDS = float(os.environ.get("HOLD_SECONDS", "0"))
PREFETCH = int(os.environ.get("PREFETCH", "1000"))


async def main() -> None:
    broker = get_broker()
    broker.open()
    queue = broker.topology.service_queue("benchmark")
    await broker.declare(queue)
    loop = asyncio.get_running_loop()

    def on_delivery(delivery: Delivery) -> None:
        if HOLD_SECONDS:
            loop.call_later(HOLD_SECONDS, reply, broker, delivery)
        else:
            reply(broker, delivery)

    await broker.wait_connected()
    await broker.consume(queue.name, on_delivery, prefetch=PREFETCH)
    await asyncio.Event().wait()


def reply(broker: Broker, delivery: Delivery) -> None:
    command = delivery.envelope
    if command is None:
        delivery.reject(requeue=False)
        return

    def on_confirm(error: MessagingError | None) -> None:
        # Services, too, carry out a command when the caller no longer waits for the reply.
        delivery.ack()

    result = {**msgspec.json.decode(command.body), "status": "done"}
    body = Reply.success(result).encode()
    envelope = Envelope(type="reply", body=body, correlation_id=command.correlation_id)
    broker.publish_nowait(broker.topology.replies, command.reply_to, envelope, on_confirm)


if __name__ == "__main__":
    # The product's services use this event loop.
    uvloop.run(main())
