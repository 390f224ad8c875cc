"""Real faults make their alerts fire, as promtool finds in the metrics of the processes."""

import time
from pathlib import Path

import pytest

from checkout.conf import conf
from checkout.errors import ProviderUnavailable
from checkout.management.gateway.expected import expected_queues
from checkout.metrics import of_installation
from checkout.payments.models import Attempt, DeadLetter, OutboxMessage, Payment
from checkout.payments.providers.base import Verb
from checkout.payments.providers.transport import HttpRequest, HttpTransport
from checkout.running import embedded
from checkout.webhooks import actions
from checkout.webhooks.sending.client import Client
from checkout.webhooks.sending.sender import Sender
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope
from messaging.memory.server import MemoryServer
from messaging.outbox.models import enqueue
from messaging.registry import close_brokers, get_broker
from messaging.worker.clocks import ClockWatch
from scripts.services.process import free_port
from tests.flows.shopping import eventually, pay
from tests.metrics.scraping import Samples, alerts_of, scraped
from tests.support.memory_provider.books import Books


async def collected() -> Samples:
    await in_thread(of_installation.collect)
    await in_thread(of_installation.collect_queues)
    return await scraped()


async def test_nothing_fires_while_all_is_well(
    shown: None, payment: Payment, books: Books, tmp_path: Path
) -> None:
    async with embedded.running(with_upkeep=False):
        before = await collected()
        await pay(payment, "approve")
        after = await collected()
    await close_brokers()
    assert alerts_of(before, after, tmp_path) == set()


async def test_rabbitmq_is_away(shown: None, books: Books, tmp_path: Path) -> None:
    async with embedded.running(with_upkeep=False):
        before = await collected()
        MemoryServer.at(conf.broker_url).stop()
        after = await collected()
        MemoryServer.at(conf.broker_url).resume()
    await close_brokers()
    assert "GatewayBrokerAway" in alerts_of(before, after, tmp_path)


async def test_a_service_has_stopped(shown: None, tmp_path: Path) -> None:
    broker = get_broker()
    await broker.wait_connected()
    await broker.declare(*(each.queue for each in expected_queues()))
    after = await collected()
    await close_brokers()
    assert alerts_of(after, after, tmp_path) == {"GatewayQueueUnread"}


async def test_no_relay_runs(shown: None, tmp_path: Path) -> None:
    def leave_a_message() -> None:
        row = enqueue(OutboxMessage, "risk", "risk.assess", {})
        OutboxMessage.objects.filter(message_id=row.message_id).update(available_at="2020-01-01T00:00:00Z")

    await in_thread(leave_a_message)
    after = await collected()
    await close_brokers()
    assert "GatewayOutboxLate" in alerts_of(after, after, tmp_path)


async def test_a_provider_refuses(shown: None, payment: Payment, books: Books, tmp_path: Path) -> None:
    async with embedded.running(with_upkeep=False):
        before = await collected()
        for number in (1, 2):
            await pay(payment, "refuse", attempt_number=number)
        after = await collected()
    await close_brokers()
    assert await in_thread(Attempt.objects.count) == 2
    assert "GatewayProviderDeclines" not in alerts_of(before, before, tmp_path)
    assert "GatewayProviderDeclines" in alerts_of(before, after, tmp_path)


async def test_webhooks_fail(shown: None, tmp_path: Path) -> None:
    made = await in_thread(actions.create_endpoint, "shop", f"http://127.0.0.1:{free_port()}/")
    await in_thread(actions.ping, "shop", made.endpoint.reference)
    client = Client(seconds=5)
    await Sender(client).send_due()
    await client.close()
    after = await collected()
    await close_brokers()
    assert "GatewayWebhooksFail" in alerts_of(after, after, tmp_path)


async def test_a_provider_is_away(shown: None, tmp_path: Path) -> None:
    before = await scraped()
    asked = HttpRequest(url=f"http://127.0.0.1:{free_port()}/", body=b"", headers={})
    transport = HttpTransport()
    with pytest.raises(ProviderUnavailable):
        await in_thread(transport.send, Verb.CAPTURE, asked)
    after = await scraped()
    await close_brokers()
    transport.close()
    assert "GatewayProviderAway" in alerts_of(before, after, tmp_path)
    assert "GatewayProviderAway" not in alerts_of(before, before, tmp_path)


async def test_a_message_is_given_up(shown: None, tmp_path: Path) -> None:
    async with embedded.running(with_upkeep=False):
        broker = get_broker()
        await broker.declare(*(each.queue for each in expected_queues()))
        malformed = Envelope(type="risk.assess", body=b'{"strange": 1}')
        await broker.publish(broker.topology.commands, "risk", malformed, timeout_seconds=5)
        await eventually(DeadLetter.objects.count, 1)
        after = await collected()
    await close_brokers()
    assert alerts_of(after, after, tmp_path) == {"GatewayDeadLetters"}


async def test_a_clock_is_wrong(shown: None, tmp_path: Path) -> None:
    before = await scraped()
    ClockWatch().look_at(Envelope(type="risk.assess", body=b"{}", timestamp=int(time.time()) + 60))
    after = await scraped()
    await close_brokers()
    assert "GatewayClockWrong" in alerts_of(before, after, tmp_path)
