"""Starlette and aio-pika, as in the RPC tutorials of aio-pika and RabbitMQ, without confirms."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

waiting: dict[str, asyncio.Future[bytes]] = {}


async def ask(request: Request) -> Response:
    command = await request.body()
    json.loads(command)
    correlation_id = str(uuid.uuid4())
    future = waiting[correlation_id] = asyncio.get_running_loop().create_future()
    message = aio_pika.Message(
        command,
        content_type="application/json",
        correlation_id=correlation_id,
        reply_to=request.app.state.reply_to,
    )
    try:
        async with asyncio.timeout(30):
            await request.app.state.exchange.publish(message, routing_key="benchmark", mandatory=False)
            return Response(await future, media_type="application/json")
    finally:
        del waiting[correlation_id]


async def on_reply(message: AbstractIncomingMessage) -> None:
    future = waiting.get(message.correlation_id or "")
    if future is not None and not future.done():
        future.set_result(message.body)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    connection = await aio_pika.connect(os.environ["BROKER_URL"])
    async with connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.declare_queue("benchmark", durable=True)
        replies = await channel.declare_queue(exclusive=True)
        await replies.consume(on_reply, no_ack=True)
        app.state.exchange = channel.default_exchange
        app.state.reply_to = replies.name
        yield


app = Starlette(routes=[Route("/", ask, methods=["POST"])], lifespan=lifespan)
