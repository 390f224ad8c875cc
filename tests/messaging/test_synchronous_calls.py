"""``rpc.call`` in a plain script without an event loop, and its effects on other loops."""

import asyncio

import pytest

from messaging import rpc
from messaging.concurrency import loops
from messaging.delivery import Delivery
from messaging.envelope import Envelope, Reply
from messaging.errors import Undeliverable
from messaging.memory.broker import MemoryBroker
from messaging.registry import get_broker
from tests.support.brokers import MemoryLab


@pytest.fixture
def script(settings) -> MemoryLab:
    lab = MemoryLab()
    settings.BROKER_URL, settings.MESSAGING_PREFIX = lab.url, lab.prefix
    return lab


def test_a_script_uses_a_loop_in_the_background(script: MemoryLab):
    with pytest.raises(Undeliverable):
        rpc.call("nobody", "t", {}, timeout_seconds=5)
    assert loops.loop_for_threads().is_running()
    assert loops.loop_for_threads() is loops.loop_for_threads()


def test_a_loop_that_has_ended_is_not_used(script: MemoryLab):
    async def serve_for_a_moment() -> asyncio.AbstractEventLoop:
        await get_broker().start()
        return loops.loop_for_threads()

    served = asyncio.run(serve_for_a_moment())
    assert loops.loop_for_threads() is not served


def test_services_on_one_loop_answer_callers_on_another(script: MemoryLab):
    """Threads with event loops of their own share one in-memory broker by its address."""

    async def answer() -> None:
        broker = MemoryBroker(script.url, script.prefix)
        broker.open()

        def on_delivery(delivery: Delivery) -> None:
            assert delivery.envelope is not None
            reply = Envelope(
                type="reply",
                body=Reply.success({"n": 1}).encode(),
                correlation_id=delivery.envelope.correlation_id,
            )
            broker.publish_nowait(
                broker.topology.replies, delivery.envelope.reply_to, reply, lambda error: None
            )
            delivery.ack()

        queue = broker.topology.service_queue("echo")
        await broker.declare(queue)
        await broker.consume(queue.name, on_delivery, prefetch=1)
        for _ in range(20):
            assert await asyncio.to_thread(rpc.call, "echo", "t", {}, timeout_seconds=5) == {"n": 1}
        await broker.close()

    asyncio.run(answer())
