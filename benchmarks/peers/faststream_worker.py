"""The FastStream subscriber that does the work of a worker."""

import asyncio
import os
from typing import Any

from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker

channel = Channel(prefetch_count=1000, publisher_confirms=False)
broker = RabbitBroker(os.environ["BROKER_URL"], default_channel=channel, logger=None)


@broker.subscriber("benchmark")
async def reply(command: dict[str, Any]) -> dict[str, Any]:
    return {**command, "status": "done"}


if __name__ == "__main__":
    asyncio.run(FastStream(broker).run())
