"""Notifications, proven or not, are acknowledged once they are stored; otherwise they are sent again."""

import json
from base64 import b64encode

import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import ProviderAccount, ProviderNotification
from checkout.payments.timers.unmatched import try_unmatched_again
from checkout.rates import RateLimit
from checkout.web import notifications as webhooks
from messaging.concurrency.database import in_thread
from messaging.memory.server import MemoryServer
from messaging.registry import close_brokers, get_broker
from tests.support.asgi import AsgiClient
from tests.support.brokers import Inbox
from tests.support.memory_provider.books import Books

PATH = "/notifications/memory/"
SECRET = "an-unguessable-last-segment"
PROVEN_PATH = f"{PATH}{SECRET}/"


@pytest.fixture(params=[True, False], ids=["debug", "production"], autouse=True)
def _debug(request, settings):
    settings.DEBUG = request.param


@pytest.fixture(autouse=True)
def _credentials(shop, settings):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {
        "memory": {
            "notification_secret": SECRET,
            "notification_user": "the-bank",
            "notification_password": "swordfish",
        },
        "without": {},
    }


@pytest.fixture(autouse=True)
def _nobody_has_sent_anything(monkeypatch):
    monkeypatch.setattr(webhooks, "hints_by_address", RateLimit("hints"))
    monkeypatch.setattr(webhooks, "hints_by_account", RateLimit("hints"))


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


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


async def commands_of_payments() -> Inbox:
    """Consume the queue of the payments service."""
    broker, inbox = get_broker(), Inbox()
    broker.open()
    queue = broker.topology.service_queue("payments")
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=10)
    return inbox


async def stored() -> int:
    return await in_thread(ProviderNotification.objects.count)


async def test_the_acknowledgement_is_the_one_the_provider_expects(books: Books, client, body):
    answer = await client.post(PATH, body)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"OK", "text/plain")
    assert answer.set_cookies == []
    assert await stored() == 1


async def test_the_command_to_apply_it_is_published_at_once_and_without_a_relay(books, client, body):
    inbox = await commands_of_payments()
    await client.post(PATH, body)
    sent = (await inbox.next()).envelope
    row = await in_thread(ProviderNotification.objects.get)
    assert (sent.type, json.loads(sent.body)) == ("payments.apply_notification", {"notification": row.pk})
    assert row.next_try_at is not None
    assert row.next_try_at > timezone.now()  # so that no timer takes it meanwhile
    await close_brokers()


async def test_a_notification_that_comes_while_the_broker_is_away_is_left_to_a_timer(books, client, body):
    MemoryServer.at(conf.broker_url).stop()
    assert (await client.post(PATH, body)).status == 200
    await in_thread(ProviderNotification.objects.update, next_try_at=timezone.now())
    assert await in_thread(try_unmatched_again) == 1


async def test_a_repeat_gets_the_same_and_counts_once(books, client, body):
    answers = [await client.post(PATH, body) for _ in range(2)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"OK")}
    assert await stored() == 1


@pytest.mark.parametrize(
    ("path", "method", "data", "status"),
    [
        ("/notifications/nobody/", "POST", b"<paymentService/>", 404),
        (f"/notifications/nobody/{SECRET}/", "POST", b"<paymentService/>", 404),
        (f"/notifications/without/{SECRET}/", "POST", b"{}", 404),
        (f"{PATH}a-wrong-secret/", "POST", b"{}", 404),
        (f"{PATH}{SECRET}x/", "POST", b"{}", 404),
        (f"{PATH}{SECRET}/more/", "POST", b"{}", 404),
        (f"{PATH}{SECRET}", "POST", b"{}", 404),
        (PATH, "POST", b"x" * 300_000, 413),
        (PATH, "GET", b"", 405),
        (PROVEN_PATH, "GET", b"", 405),
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


async def test_a_wrong_secret_is_answered_as_an_unknown_account_is(client):
    wrong = await client.post(f"{PATH}a-wrong-secret/", b"{}")
    unknown = await client.post("/notifications/nobody/", b"{}")
    assert (wrong.status, without_id(wrong)) == (unknown.status, without_id(unknown))


def without_id(answer):
    """Return a problem document without the id of its request."""
    return {**json.loads(answer.body), "request_id": ""}


@pytest.mark.parametrize(
    ("path", "headers", "is_proven"),
    [
        (PATH, {}, False),
        (PATH, basic("the-bank", "swordfish"), True),
        (PROVEN_PATH, {}, True),
        (PROVEN_PATH, basic("a proxy", "in front"), True),
    ],
    ids=["open", "basic", "secret", "secret behind a proxy with a password"],
)
async def test_only_what_comes_with_the_account_s_secret_or_password_is_proven(
    client, body, path, headers, is_proven
):
    assert (await client.post(path, body, headers=headers)).status == 200
    assert (await in_thread(ProviderNotification.objects.get)).is_proven is is_proven


@pytest.mark.parametrize(
    "header",
    [
        basic("the-bank", "wrong"),
        basic("wrong", "swordfish"),
        basic("", ""),
        {"Authorization": "Basic"},
        {"Authorization": "Basic \N{LATIN SMALL LETTER E WITH ACUTE}"},
        {"Authorization": f"Bearer {SECRET}"},
    ],
)
async def test_wrong_credentials_are_refused_and_asked_for_again(client, body, header):
    answer = await client.post(PATH, body, headers=header)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert json.loads(answer.text)["type"] == "http://localhost:8000/problems/notification_not_authentic"
    assert await stored() == 0


async def test_a_header_that_no_account_asked_for_proves_nothing_and_does_no_harm(client, body, settings):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"memory": {"notification_user": "without a password"}}
    assert (await client.post(PATH, body, headers=basic("without a password", ""))).status == 200
    assert not (await in_thread(ProviderNotification.objects.get)).is_proven


async def test_what_was_taken_as_a_hint_is_applied_anew_once_it_is_proven(books, client, body):
    inbox = await commands_of_payments()
    for path in (PATH, PATH, PROVEN_PATH, PROVEN_PATH, PATH):
        assert (await client.post(path, body)).status == 200
    row = await in_thread(ProviderNotification.objects.get)
    assert (row.is_proven, row.copies) == (True, 5)
    assert [(await inbox.next()).envelope.type for _ in range(2)] == ["payments.apply_notification"] * 2
    assert len(inbox) == 0, "it is applied once as a hint and once as proven"
    await close_brokers()


@pytest.mark.parametrize("path", [PATH, PROVEN_PATH])
@pytest.mark.parametrize("data", [b"<not json", b"", b"\xff\x00\xfe", b"x" * 65_537])
async def test_what_cannot_be_read_is_kept_for_staff_and_acknowledged(client, path, data):
    answers = [await client.post(path, data) for _ in range(2)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"OK")}
    row = await in_thread(ProviderNotification.objects.get)
    assert (row.state, row.copies) == (ProviderNotification.State.UNREADABLE, 2)
    assert row.reason
    assert len(row.body) <= 4096
    assert row.next_try_at is None, "nothing is to be applied"


async def test_no_log_line_and_no_answer_repeats_the_secret(client, body, caplog, monkeypatch):
    caplog.set_level("DEBUG")
    given = f"{SECRET[:-1]}X"

    async def broken(*_arguments: object, **_named: object) -> None:
        raise ZeroDivisionError

    exchanges = [
        await client.request(method, path, data=data)
        for path in (PROVEN_PATH, PROVEN_PATH[:-1], f"{PROVEN_PATH}x/", f"{PATH}{given}/")
        for method, data in (("POST", body), ("POST", b"<"), ("POST", b"x" * 300_000), ("GET", b""))
    ]
    monkeypatch.setattr(webhooks, "take", broken)
    exchanges.append(await client.post(PROVEN_PATH, body))
    assert {answer.status for answer in exchanges} >= {200, 404, 405, 413, 500}
    answered = "".join(answer.text + repr(answer.raw_headers) for answer in exchanges if answer.status != 301)
    for secret in (SECRET, given):
        assert secret not in answered
        assert secret not in caplog.text
    assert "[secret]" in caplog.text


async def test_hints_of_one_address_are_limited_and_what_is_proven_is_not(client, body, settings):
    settings.CHECKOUT_MAX_HINTS_PER_ADDRESS = 2
    answers = [await client.post(PATH, body + b" " * number) for number in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert json.loads(answers[2].text)["type"] == "http://localhost:8000/problems/too_many_notifications"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert await stored() == 2
    assert (await AsgiClient(address="192.0.2.8").post(PATH, body)).status == 200
    assert {(await client.post(PROVEN_PATH, body)).status for _ in range(5)} == {200}


async def test_hints_for_one_account_are_limited_wherever_they_come_from(client, body, settings):
    settings.CHECKOUT_MAX_HINTS_PER_ACCOUNT = 2
    statuses = [
        (await AsgiClient(address=f"192.0.2.{number}").post(PATH, body)).status for number in range(3)
    ]
    assert statuses == [200, 200, 429]
    assert (await client.post(PROVEN_PATH, body)).status == 200


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
