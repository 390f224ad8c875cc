"""An aio-pika consumer with callbacks and a large prefetch."""

import asyncio
import json
import os

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage


async def main() -> None:
    connection = await aio_pika.connect(os.environ["BROKER_URL"])
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=1000)
        queue = await channel.declare_queue("benchmark", durable=True)
        exchange = channel.default_exchange

        async def reply(command: AbstractIncomingMessage) -> None:
            result = {**json.loads(command.body), "status": "done"}
            message = aio_pika.Message(
                json.dumps(result).encode(),
                content_type="application/json",
                correlation_id=command.correlation_id,
            )
            await exchange.publish(message, routing_key=command.reply_to or "", mandatory=False)
            await command.ack()

        await queue.consume(reply)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
