"""A service in another language, written from the documented contract alone, takes part."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from messaging.envelope import Envelope, Reply
from tests.support.brokers import Inbox, RabbitmqLab, a_moment, command, within
from tests.support.javascript import installed_service
from tests.support.services import Client

pytestmark = [pytest.mark.rabbitmq, pytest.mark.node]


@pytest.fixture
async def service(rabbitmq: RabbitmqLab, vhost: str, node: str) -> AsyncIterator[asyncio.subprocess.Process]:
    await rabbitmq.broker()  # declares the exchanges, which a service may not do
    process = await asyncio.create_subprocess_exec(
        node,
        "service.mjs",
        cwd=installed_service(),
        env={"BROKER_URL": vhost, "CHECKOUT_PREFIX": rabbitmq.prefix},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await within(process.stdout.readline()) == b"ready\n"
    yield process
    if process.returncode is None:
        process.terminate()
    await within(process.communicate())


def assess(client: Client, body: bytes = b'{"payment": "pay_1"}') -> Envelope:
    return client.command(
        "risk.assess", body, subject="pay_1", sealed="secret", x_theirs="kept", deadline=5, causation_id="m0"
    )


async def test_it_answers_as_the_contract_says(rabbitmq: RabbitmqLab, service: asyncio.subprocess.Process):
    client = await Client(await rabbitmq.broker()).start()
    sent = assess(client)
    await client.send("risk", sent)
    reply = await client.reply_envelope()
    assert reply.type == "reply"
    assert Reply.decode(reply.body).unwrap() == {"decision": "accept", "reasons": []}
    assert reply.correlation_id == sent.correlation_id
    assert (reply.subject, reply.sealed, reply.headers["x-theirs"]) == ("pay_1", "secret", "kept")
    assert reply.causation_id == sent.message_id
    assert reply.deadline is None


async def test_it_says_what_it_does_not_understand(
    rabbitmq: RabbitmqLab, service: asyncio.subprocess.Process
):
    client = await Client(await rabbitmq.broker()).start()
    await client.send("risk", assess(client, b"not JSON"))
    error = (await client.reply()).error
    assert error is not None
    assert error.code == "malformed_message"


async def test_our_own_service_takes_over_its_queue(
    rabbitmq: RabbitmqLab, service: asyncio.subprocess.Process
):
    broker = await rabbitmq.broker()
    client = await Client(broker).start()
    await client.send("risk", assess(client))
    await client.reply()
    service.terminate()
    await within(service.wait())

    successor = Inbox()
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    await broker.consume(queue.name, successor, prefetch=1)
    await client.send("risk", assess(client))
    (await successor.next()).ack()


async def test_terminated_it_finishes_what_it_has_and_leaves_the_rest(
    rabbitmq: RabbitmqLab, service: asyncio.subprocess.Process
):
    client = await Client(await rabbitmq.broker()).start()
    for _ in range(50):
        await client.send("risk", assess(client))
    service.terminate()
    assert await within(service.wait()) == 0

    left = Inbox()
    queue = client.broker.topology.service_queue("risk").name
    await client.broker.consume(queue, left, prefetch=100)
    await client.broker.publish("", queue, command("last"), timeout_seconds=10)
    answered_or_left = 0
    while (envelope := (await left.next()).envelope) and envelope.body != b"last":
        answered_or_left += 1
    await a_moment(client.broker)
    assert answered_or_left + len(client.replies) == 50
