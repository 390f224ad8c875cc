"""A broker with one user for each program, and an example that is connected to it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.conf import settings

from messaging.access.proofs import prove
from messaging.broker import Broker
from messaging.envelope import Envelope, HeaderValue
from tests.examples.programs import ORDERS, RISK, Example
from tests.support.broker_users import url_of
from tests.support.brokers import Inbox, RabbitmqLab, within
from tests.support.program import Program
from tests.support.proxy import Proxy
from tests.support.vhosts import fresh_vhost


@pytest.fixture(scope="session")
def vhost() -> Iterator[str]:
    with fresh_vhost() as url:
        yield url


@pytest.fixture
async def lab(vhost: str) -> AsyncIterator[RabbitmqLab]:
    """Yield a broker on which each program has a user of its own, with its rights and no others."""
    proxy = Proxy(vhost)
    await proxy.accept()
    lab = RabbitmqLab(proxy)
    await lab.make_users()
    yield lab
    await lab.close()


@dataclass
class Asker:
    """The orchestrator's user, who sends commands to an example, and the relay's, for dead letters."""

    example: Example
    program: Program
    broker: Broker
    relay: Broker
    replies: Inbox = field(default_factory=Inbox)
    dead: Inbox = field(default_factory=Inbox)

    async def start(self) -> None:
        replies = self.broker.topology.reply_queue("saga")
        await self.broker.declare(replies)
        await self.broker.consume(replies.name, self.replies, prefetch=100, auto_ack=True)
        await self.relay.consume(self.relay.topology.dead, self.dead, prefetch=100, auto_ack=True)

    def command(
        self,
        type: str = "",
        body: dict[str, Any] | bytes | None = None,
        *,
        headers: Mapping[str, HeaderValue] | None = None,
    ) -> Envelope:
        """Return a proven command; by default the example's own."""
        made = self.example.body if body is None else body
        return prove(
            Envelope(
                type=type or self.example.type,
                body=made if isinstance(made, bytes) else msgspec.json.encode(made),
                correlation_id="q.1",
                reply_to=self.broker.topology.reply_queue("saga").name,
                headers={"schema-version": 1, "subject": "pay_1", **(headers or {})},
            )
        )

    async def send(self, envelope: Envelope, broker: Broker | None = None) -> None:
        sender = broker or self.broker
        exchange = sender.topology.commands
        await sender.publish(exchange, self.example.service, envelope, timeout_seconds=10)

    async def answer(self) -> dict[str, Any]:
        """Return the body of the next reply."""
        read: dict[str, Any] = msgspec.json.decode((await self.reply()).body)
        return read

    async def reply(self) -> Envelope:
        envelope = (await self.replies.next()).envelope
        assert envelope is not None
        return envelope

    async def ask(self, type: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return the body of its reply. Ignore repeated replies to others."""
        sent = self.command(type, body)
        await self.send(sent)
        while (reply := await self.reply()).causation_id != sent.message_id:
            pass
        read: dict[str, Any] = msgspec.json.decode(reply.body)
        return read


async def started(lab: RabbitmqLab, example: Example, folder: Path) -> Asker:
    """Start the example as the only reader of its queue. Return its asker."""
    program = example.program(
        folder,
        BROKER_URL=url_of(example.service, lab.url, prefix=lab.prefix),
        CHECKOUT_PREFIX=lab.prefix,
        SECRET_KEY=settings.SECRET_KEY,
    )
    program.start()
    await asyncio.to_thread(program.wait_for_line, "ready")
    asker = Asker(example, program, await lab.broker_of("checkout"), await lab.broker_of("relay"))
    await asker.start()
    return asker


@pytest.fixture(params=[pytest.param(RISK, marks=pytest.mark.node), ORDERS], ids=lambda each: each.name)
async def asker(request: pytest.FixtureRequest, lab: RabbitmqLab, tmp_path: Path) -> AsyncIterator[Asker]:
    """Yield the asker of each example."""
    asker = await started(lab, request.param, tmp_path)
    yield asker
    asker.program.kill()


@pytest.fixture
async def orders(lab: RabbitmqLab, tmp_path: Path) -> AsyncIterator[Asker]:
    """Yield the asker of the orders service."""
    asker = await started(lab, ORDERS, tmp_path)
    yield asker
    asker.program.kill()


async def ended(program: Program) -> int:
    """Terminate the program and return its exit code."""
    return await within(asyncio.to_thread(program.terminate))
