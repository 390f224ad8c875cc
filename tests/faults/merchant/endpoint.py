"""The merchant's webhook endpoint, which verifies webhooks and fails for a share of them."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SLOW_SECONDS = 3.0
# The endpoint's behaviours and their weights. After the last two it has stored the event, and gets it once
# more.
BEHAVIOURS = {
    "accepts": 940,
    "is slow": 10,
    "answers 500": 15,
    "answers 503": 10,
    "answers 429": 5,
    "redirects": 5,
    "cuts the connection": 5,
    "accepts, then answers 500": 5,
    "accepts, then cuts the connection": 5,
}


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a webhook reported it. `state` is that of its object, and empty if it has none."""

    event: str
    payment: str
    sequence: int
    type: str
    state: str


@dataclass
class Endpoint:
    """The endpoint and the events it received, by id, and the faults that it found.

    It has no `secret` until it is registered. After `is_well` is set it accepts everything.
    """

    random: Random
    secret: str = ""
    is_well: bool = False
    told: dict[str, Told] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    behaved: Counter[str] = field(default_factory=Counter)

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Answer a webhook as the endpoint behaves at this moment."""
        body = await request.read()
        behaviour = "accepts"
        if not self.is_well:
            (behaviour,) = self.random.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))
        self.behaved[behaviour] += 1
        if behaviour == "is slow":
            await asyncio.sleep(SLOW_SECONDS)
        if "accepts" in behaviour or behaviour == "is slow":
            self._keep(body, dict(request.headers))
        if "cuts" in behaviour and request.transport is not None:
            request.transport.abort()
        match behaviour:
            case "answers 503":
                return web.Response(status=503)
            case "answers 429":
                return web.Response(status=429, headers={"Retry-After": "1"})
            case "redirects":
                return web.Response(status=302, headers={"Location": str(request.url)})
            case "accepts" | "is slow":
                return web.Response(status=204)
            case _:
                return web.Response(status=500)

    def _keep(self, body: bytes, headers: dict[str, str]) -> None:
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError as error:
            self.faults.append(f"a webhook does not verify: {error}")
            return
        event = json.loads(body)
        identity = {name.lower(): value for name, value in headers.items()}["webhook-id"]
        told = Told(
            event["id"],
            event["payment"],
            event["sequence"],
            event["type"],
            event["data"]["object"].get("state", ""),
        )
        if identity != told.event:
            self.faults.append(f"webhook {identity} tells of event {told.event}")
        if self.told.setdefault(told.event, told) != told:
            self.faults.append(f"event {told.event} was told differently the second time")


@asynccontextmanager
async def serving(endpoint: Endpoint) -> AsyncIterator[str]:
    """Serve the endpoint on loopback and yield its URL."""
    application = web.Application()
    application.router.add_post("/webhooks", endpoint.receive)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        (host, port), *_ = runner.addresses
        yield f"http://{host}:{port}/webhooks"
    finally:
        await runner.cleanup()
