"""FastAPI with FastStream's `request`, which serves one caller at a time."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, FastAPI
from faststream.rabbit import Channel, RabbitBroker

broker = RabbitBroker(
    os.environ["BROKER_URL"], default_channel=Channel(publisher_confirms=False), logger=None
)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    await broker.start()
    yield
    await broker.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/")
async def ask(command: Annotated[dict[str, Any], Body()]) -> Any:
    reply = await broker.request(command, "benchmark", timeout=30)
    return await reply.decode()
