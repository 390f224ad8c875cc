"""A faulty checkout service sends malformed replies to the web process."""

import pytest

from checkout.payments.models import Payment
from checkout.web import held_tier
from messaging.concurrency.database import in_thread
from messaging.delivery import Delivery
from messaging.envelope import Envelope, Reply
from messaging.registry import close_brokers, get_broker
from tests.flows.shopping import submit


@pytest.mark.parametrize(
    "told", [{}, {"payment": "p", "state": "paid!"}, {"payment": 5, "state": "captured"}]
)
async def test_the_shopper_reads_the_status_page(
    shop: object, payment: Payment, told: dict[str, object]
) -> None:
    broker = get_broker()
    broker.open()
    queue = broker.topology.service_queue("checkout")

    def answer(delivery: Delivery) -> None:
        command = delivery.envelope
        assert command is not None
        reply = Envelope(
            type="reply", body=Reply.success(told).encode(), correlation_id=command.correlation_id
        )
        broker.publish_nowait(broker.topology.replies, command.reply_to, reply, lambda _: None)

    await broker.declare(queue)
    await broker.consume(queue.name, answer, prefetch=1, auto_ack=True)
    pending = await in_thread(submit, payment.reference)
    assert await held_tier.answer(pending, sealed_card="approve", budget_seconds=20) is None
    await close_brokers()
