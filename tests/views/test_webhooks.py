"""Notifications: acknowledged exactly, once they are stored, and otherwise sent again."""

import json

import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.database import in_thread
from checkout.messaging.broker import close_brokers, get_broker
from checkout.messaging.memory_server import MemoryServer
from checkout.models import OutboxMessage, ProviderAccount, ProviderNotification
from checkout.providers.memory_books import Books
from tests.support.brokers import Inbox

PATH = "/notifications/memory/"


@pytest.fixture(params=[True, False], ids=["debug", "production"], autouse=True)
def _debug(request, settings):
    settings.DEBUG = request.param


@pytest.fixture
def body(payment) -> bytes:
    told = {
        "merchant_code": "SHOP",
        "order_code": f"{payment.reference}-1",
        "event": "CAPTURED",
        "minor": 1250,
        "currency": "EUR",
        "reference": "",
        "number": 1,
    }
    return json.dumps(told).encode()


async def stored() -> int:
    return await in_thread(ProviderNotification.objects.count)


async def test_the_acknowledgement_is_the_one_the_provider_expects(books: Books, client, body):
    answer = await client.post(PATH, body)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"OK", "text/plain")
    assert answer.set_cookies == []
    assert await stored() == 1
    assert await in_thread(OutboxMessage.objects.count) == 1


async def test_the_command_to_apply_it_is_published_at_once_and_without_a_relay(books, client, body):
    broker, inbox = get_broker(), Inbox()
    await broker.start()
    queue = broker.topology.service_queue("payments")
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    await client.post(PATH, body)
    delivery = await inbox.next()
    owed = await in_thread(OutboxMessage.objects.get)
    assert delivery.envelope == owed.envelope()
    assert owed.available_at > timezone.now()  # so that no relay has it meanwhile
    await close_brokers()


async def test_one_that_comes_while_the_broker_is_away_is_left_to_the_relay(books, client, body):
    MemoryServer.at(conf.broker_url).stop()
    assert (await client.post(PATH, body)).status == 200
    assert await in_thread(OutboxMessage.objects.filter(published_at=None).count) == 1


async def test_a_repeat_gets_the_same_and_counts_once(books, client, body):
    answers = [await client.post(PATH, body) for _ in range(2)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"OK")}
    assert await stored() == 1


@pytest.mark.parametrize(
    ("path", "method", "data", "status"),
    [
        ("/notifications/nobody/", "POST", b"<paymentService/>", 404),
        (PATH, "POST", b"<not json", 400),
        (PATH, "POST", b"", 400),
        (PATH, "POST", b"x" * 65_537, 413),
        (PATH, "POST", b"x" * 300_000, 413),
        (PATH, "GET", b"", 405),
    ],
)
async def test_what_cannot_be_taken_is_a_problem_document_and_changes_nothing(
    shop, client, path, method, data, status
):
    answer = await client.request(method, path, data=data)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.text)["status"] == status
    assert await stored() == 0


async def test_a_notification_that_could_not_be_stored_will_be_sent_again(shop, client, body, lose_queries):
    lose_queries(ProviderAccount)
    answer = await client.post(PATH, body)
    assert answer.status == 503
    assert answer.headers["retry-after"]


async def test_a_card_number_in_a_notification_does_not_stop_it(books, client, body):
    card = "4444333322221111"
    answer = await client.post(PATH, body.replace(b'"reference": ""', f'"reference": "{card}"'.encode()))
    assert answer.status == 200
    assert card not in await in_thread(lambda: ProviderNotification.objects.get().body)
