"""A merchant's program: it calls the API with its key, through every layer except the socket."""

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from messaging.registry import get_broker
from tests.api.described import require_described
from tests.support.asgi import Answer, AsgiClient

_numbers = count(1)
ROOT = "/api/v1"


@dataclass
class Caller:
    secret: str
    client: AsgiClient = field(default_factory=AsgiClient)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.call("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """Post with a new idempotency key, unless `idempotency_key` is given; "" sends none."""
        headers.setdefault("idempotency_key", f"key-{next(_numbers)}")
        return await self.call("POST", path, body, **headers)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"accept": "application/json", "authorization": f"Bearer {self.secret}"}
        if data:
            lines["content-type"] = "application/json"
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.request(method, f"{ROOT}{path}", data=data, headers=lines)
        require_described(method, f"{ROOT}{path}", answer)
        return answer


def document(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


def header(answer: Answer, name: str) -> str:
    return {key.lower(): value for key, value in answer.raw_headers}.get(name.lower(), "")


def order(number: str = "A-1", **changes: Any) -> dict[str, Any]:
    return {"order_reference": number, "amount": 1250, "currency": "EUR", "description": "Tea", **changes}


async def end_waits(count: int = 1) -> None:
    """Wait until this process holds so many requests for a reply, and end their waits."""
    replies = get_broker().reply_queue
    async with asyncio.timeout(60):
        while replies.waiting < count:  # noqa: ASYNC110  nobody announces it
            await asyncio.sleep(0.01)
    replies.stop_waiting()
