"""A poll that waits for news of a payment, on RabbitMQ."""

import asyncio

import pytest
from channels.layers import get_channel_layer

from checkout.payments.actions import group_of
from checkout.payments.models import Payment
from checkout.states import PaymentState
from checkout.web.held_tier import news
from messaging.concurrency.database import in_thread
from messaging.registry import close_brokers
from tests.payments.service.conftest import an_account, an_attempt
from tests.support.brokers import RabbitmqLab, within

pytestmark = [pytest.mark.rabbitmq, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def reference(transactional_db: None) -> str:
    payment = an_attempt(an_account()).payment
    Payment.objects.update(state=PaymentState.PROCESSING)
    return payment.reference


async def test_a_poll_is_answered_although_the_broker_has_fallen_silent(
    rabbitmq: RabbitmqLab, settings, reference: str
):
    """To end the poll, the process leaves the payment's group, without waiting for the broker's answer."""
    config = {"url": rabbitmq.url, "prefix": rabbitmq.prefix}
    backend = "messaging.channels.layer.RabbitmqChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
    layer, group = get_channel_layer(), group_of(reference)
    traffic = layer.traffic()
    await within(traffic.broker.wait_connected())

    async def joined() -> None:
        while group not in traffic.members._bound or traffic.members._settling:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    waiting = asyncio.create_task(
        news(reference, lambda state: state is PaymentState.CAPTURED, budget_seconds=600)
    )
    await within(joined())
    rabbitmq.hold()
    await in_thread(lambda: Payment.objects.update(state=PaymentState.CAPTURED))
    push = asyncio.create_task(layer.group_send(group, {"type": "payment.changed", "state": "captured"}))
    assert await within(waiting) is PaymentState.CAPTURED
    assert traffic.broker.metrics()["connections_lost"] == 0, "nobody has noticed the silence yet"
    assert not traffic.members.of(group)
    rabbitmq.lose_connections()
    await asyncio.gather(push, return_exceptions=True)
    await close_brokers()
