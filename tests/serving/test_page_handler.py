"""Queues for work that needs a thread: few passwords are checked, and few pages rendered, at once."""

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django import db
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import signals
from django.db import OperationalError
from django.http import HttpResponse
from django.urls import include, path

from checkout.backoffice.log_in import known_networks
from checkout.backoffice.log_in.known_networks import KnownNetworks
from messaging.concurrency.database import in_thread
from payments_gateway.serving import page_handler
from payments_gateway.serving.page_handler import AdmissionQueue
from tests.support.asgi import AsgiClient

LOG_IN = "/admin/login/"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
PASSWORD, GUESSED = "correct horse battery staple", "guessed"


class SlowHasher(MD5PasswordHasher):
    """A hasher that takes as long as the test wants, and records the number of concurrent threads."""

    algorithm = "slow"
    is_over = threading.Event()
    has_begun = threading.Event()
    lock = threading.Lock()
    inside: set[int] = set()
    threads: list[int] = []
    most = 0

    def encode(self, password, salt):
        cls = type(self)
        with cls.lock:
            cls.inside.add(threading.get_ident())
            cls.threads.append(threading.get_ident())
            cls.most = max(cls.most, len(cls.inside))
        cls.has_begun.set()
        assert cls.is_over.wait(30)
        with cls.lock:
            cls.inside.discard(threading.get_ident())
        return super().encode(password, salt)


@pytest.fixture(autouse=True)
def hasher(transactional_db, settings, monkeypatch):
    for name in ("log_ins", "pages"):
        monkeypatch.setattr(page_handler, name, AdmissionQueue(name, getattr(page_handler, name).limits))
    monkeypatch.setattr(known_networks, "networks", KnownNetworks())
    settings.PASSWORD_HASHERS = [f"{__name__}.SlowHasher"]
    for name, value in (("threads", []), ("inside", set()), ("most", 0)):
        monkeypatch.setattr(SlowHasher, name, value)
    SlowHasher.is_over.set()
    get_user_model().objects.create_superuser("ada", password=PASSWORD)
    SlowHasher.threads.clear()
    SlowHasher.is_over.clear()
    SlowHasher.has_begun.clear()
    yield SlowHasher
    SlowHasher.is_over.set()


async def form(client: AsgiClient, name: str, password: str) -> dict[str, str]:
    page = await client.get(LOG_IN)
    return {"username": name, "password": password, "csrfmiddlewaretoken": TOKEN.findall(page.text)[0]}


async def guess(address: str, name: str = "ada", password: str = GUESSED) -> int:
    client = AsgiClient(address=address)
    return (await client.post(LOG_IN, await form(client, name, password))).status


async def until_answered(guesses: list[asyncio.Task[Any]], count: int) -> None:
    async with asyncio.timeout(30):
        while sum(each.done() for each in guesses) < count:  # noqa: ASYNC110  several tasks
            await asyncio.sleep(0.01)


async def test_guesses_from_one_address_are_looked_at_one_at_a_time(hasher, settings):
    settings.SERVING_MAX_LOG_INS_PER_ADDRESS = 5
    settings.AXES_FAILURE_LIMIT = 100  # so that no lock-out interferes
    guesses = [asyncio.create_task(guess("192.0.2.7", name=f"user-{number}")) for number in range(25)]
    await until_answered(guesses, 20)
    assert await asyncio.to_thread(hasher.has_begun.wait, 30)
    assert len(hasher.threads) == 1, "the other four wait, and hold no thread"
    hasher.is_over.set()
    assert sorted(await asyncio.gather(*guesses)) == [200] * 5 + [429] * 20
    assert (len(hasher.threads), hasher.most) == (5, 1)
    assert threading.get_ident() not in hasher.threads, "none was computed on the event loop"


async def test_guesses_from_many_addresses_are_bounded_together(hasher, settings):
    settings.SERVING_MAX_LOG_INS = 3
    settings.SERVING_PASSWORDS_AT_ONCE = 2
    guesses = [asyncio.create_task(guess(f"192.0.2.{number}")) for number in range(8)]
    await until_answered(guesses, 5)
    hasher.is_over.set()
    assert sorted(await asyncio.gather(*guesses)) == [200] * 3 + [503] * 5
    assert len(hasher.threads) == 3
    assert hasher.most <= 2


async def test_a_page_that_is_refused_needs_a_thread_for_its_line_in_the_log_at_most(settings, monkeypatch):
    settings.SERVING_MAX_PAGES_PER_ADDRESS = 0
    client = AsgiClient()
    await client.get(LOG_IN)  # learns which networks are known
    jobs: list[object] = []
    submit = ThreadPoolExecutor.submit

    def counting(pool: ThreadPoolExecutor, job: Any, *arguments: Any, **options: Any) -> Any:
        jobs.append(job)
        return submit(pool, job, *arguments, **options)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", counting)
    assert (await client.get(LOG_IN)).status == 429
    assert len(jobs) <= 1


async def test_staff_at_another_address_log_in_meanwhile(hasher, settings):
    settings.SERVING_MAX_LOG_INS_PER_ADDRESS = 2
    guesses = [asyncio.create_task(guess("192.0.2.7")) for _ in range(9)]
    await until_answered(guesses, 7)
    staff = asyncio.create_task(guess("198.51.100.1", password=PASSWORD))
    hasher.is_over.set()
    assert await staff == 302
    assert sorted(await asyncio.gather(*guesses)) == [200] * 2 + [429] * 7


async def test_a_client_that_is_turned_away_is_told_when_to_come_back_and_other_pages_go_on(hasher, settings):
    settings.SERVING_MAX_LOG_INS_PER_ADDRESS = 1
    waiting = asyncio.create_task(guess("192.0.2.7"))
    assert await asyncio.to_thread(hasher.has_begun.wait, 30)
    client = AsgiClient()
    refused = await client.post(LOG_IN, await form(client, "ada", PASSWORD))
    assert (refused.status, refused.headers["retry-after"]) == (429, "5")
    assert "content-security-policy" in refused.headers
    assert (await client.get("/admin/")).status == 302
    hasher.is_over.set()
    assert await waiting == 200
    assert await guess("192.0.2.7", password=PASSWORD) == 302, "whoever has left makes room"
    assert await in_thread(get_user_model().objects.count) == 1


async def in_line(count: int) -> None:
    """Wait until so many log-ins, of strangers and of staff, are running or queued."""
    async with asyncio.timeout(30):
        while page_handler.log_ins.length < count:  # noqa: ASYNC110  a number
            await asyncio.sleep(0.01)


async def test_twenty_log_ins_from_four_networks_keep_nobody_out_who_has_been_there_before(hasher):
    hasher.is_over.set()
    laptop = AsgiClient(address="198.51.100.1")
    assert (await laptop.post(LOG_IN, await form(laptop, "ada", PASSWORD))).status == 302
    hasher.is_over.clear()
    del laptop.cookies["sessionid"]
    laptop.address = "198.51.100.99"
    guesses = [
        asyncio.create_task(guess(f"192.0.2.{network}", name=f"user-{network}-{number}"))
        for network in range(4)
        for number in range(5)
    ]
    await in_line(20)
    assert await guess("192.0.2.7") == 503, "a stranger finds the line full"
    elsewhere = asyncio.create_task(laptop.post(LOG_IN, await form(laptop, "ada", PASSWORD)))
    office = asyncio.create_task(guess("198.51.100.1", password=PASSWORD))
    await in_line(22)
    hasher.is_over.set()
    assert ((await elsewhere).status, await office) == (302, 302)
    await asyncio.gather(*guesses)
    assert hasher.most == 1, "one password at a time, whoever's"


async def test_the_page_to_log_in_is_there_for_who_has_been_there_before(hasher, settings):
    settings.ROOT_URLCONF = __name__
    settings.SERVING_MAX_PAGES = 5
    settings.SERVING_PAGES_AT_ONCE = 6
    hasher.is_over.set()
    assert await guess("198.51.100.1", password=PASSWORD) == 302
    hasher.is_over.clear()
    floods = [asyncio.create_task(AsgiClient().get("/slow/")) for _ in range(6)]
    await until_answered(floods, 1)
    assert (await AsgiClient(address="192.0.2.9").get(LOG_IN)).status == 503
    assert (await AsgiClient(address="198.51.100.1").get(LOG_IN)).status == 200
    hasher.is_over.set()
    await asyncio.gather(*floods)


async def test_a_database_that_is_away_makes_strangers_of_all_and_fails_nobody(hasher, settings, monkeypatch):
    def away() -> frozenset[str]:
        raise OperationalError("the database system is starting up")

    monkeypatch.setattr(known_networks, "networks", KnownNetworks(read=away))
    hasher.is_over.set()
    assert await guess("198.51.100.1", password=PASSWORD) == 302


def slow(request):
    """Answer after a `SlowHasher`, which counts the concurrent calls."""
    return HttpResponse(SlowHasher().encode("any", "salt"))


connections: list[Any] = []


def looking(request):
    """Query the database, and record the connection."""
    assert get_user_model().objects.exists()
    connections.append(db.connections["default"])
    return HttpResponse()


urlpatterns = [
    path("slow/", slow),
    path("looking/", looking),
    path("", include("payments_gateway.urls")),
]


async def test_few_of_many_pages_at_once_have_a_thread_and_the_rest_of_one_address_is_refused(
    hasher, settings
):
    settings.ROOT_URLCONF = __name__
    settings.SERVING_PAGES_AT_ONCE = 3
    settings.SERVING_MAX_PAGES_PER_ADDRESS = 10
    asked = [asyncio.create_task(AsgiClient().get("/slow/")) for _ in range(25)]
    await until_answered(asked, 15)
    log_in = asyncio.create_task(guess("198.51.100.1"))
    hasher.is_over.set()
    statuses = sorted([answer.status for answer in await asyncio.gather(*asked)])
    assert statuses == [200] * 10 + [429] * 15
    assert await log_in == 200
    assert len(hasher.threads) == 11
    assert hasher.most <= 4, "three pages and one log-in"


async def test_a_page_s_connection_is_returned_before_its_response_is_sent(hasher, settings):
    settings.ROOT_URLCONF = __name__
    # Django itself would close the connection after the response was sent.
    signals.request_finished.disconnect(db.close_old_connections)
    try:
        assert (await AsgiClient().get("/looking/")).status == 200
    finally:
        signals.request_finished.connect(db.close_old_connections)
    assert connections.pop().connection is None
