"""The limit on a key's requests."""

import asyncio
from threading import Event, Semaphore

import pytest

from checkout.api.access.held_requests import held_requests, under_way
from checkout.api.access.keys import make_key, revoke_key
from checkout.api.access.rate_limit import KeyLimit
from checkout.api.access.scopes import Scope
from checkout.api.access.unknown_keys import MOST_ADDRESSES, MOST_REQUESTS, UnknownKeys
from checkout.api.models import RateLease
from checkout.api.resources.payments import Payments
from checkout.payments.models import Payment
from messaging.concurrency.database import in_thread
from tests.api.calling import ROOT, Caller, document, end_waits, header, order
from tests.payments.service.at_once import behind
from tests.support.asgi import AsgiClient


@pytest.fixture
def key(shop):
    return make_key(shop, name="shop", by="ada")[0]


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def test_processes_share_one_quota_and_ask_the_database_seldom(settings, key, django_assert_max_num_queries):
    settings.CHECKOUT_API_REQUESTS = 100
    settings.CHECKOUT_API_WINDOW_SECONDS = 10
    clock = Clock()
    first, second = KeyLimit(clock=clock), KeyLimit(clock=clock)
    with django_assert_max_num_queries(20 * 8 + 16):
        spent = [limit.spend(key.pk) for _ in range(60) for limit in (first, second)]
    assert sum(not each.is_exceeded for each in spent) == 100
    assert spent[-1].headers()["Retry-After"] == "10"
    with django_assert_max_num_queries(0):
        assert first.spend(key.pk).is_exceeded

    clock.now += 10
    assert not first.spend(key.pk).is_exceeded
    assert RateLease.objects.get().taken == 5


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_processes_that_take_requests_at_once_take_different_ones(settings, key):
    settings.CHECKOUT_API_REQUESTS = 100
    first, second = KeyLimit(clock=Clock()), KeyLimit(clock=Clock())
    for _ in range(5):
        first.spend(key.pk)
    behind(lambda: first.spend(key.pk), lambda: second.spend(key.pk))
    assert RateLease.objects.get().taken == 15


def test_a_process_whose_clock_was_ahead_locks_nobody_out(settings, key):
    settings.CHECKOUT_API_REQUESTS = 1
    settings.CHECKOUT_API_WINDOW_SECONDS = 10
    right, ahead = Clock(), Clock()
    ahead.now += 3600
    assert not KeyLimit(clock=ahead).spend(key.pk).is_exceeded
    limit = KeyLimit(clock=right)
    assert [limit.spend(key.pk).is_exceeded for _ in range(2)] == [False, True]
    right.now += 10
    assert not limit.spend(key.pk).is_exceeded


def test_a_process_that_is_a_little_ahead_shares_the_quota(settings, key):
    settings.CHECKOUT_API_REQUESTS = 1
    settings.CHECKOUT_API_WINDOW_SECONDS = 10
    behind, ahead = Clock(), Clock()
    ahead.now += 10
    assert not KeyLimit(clock=ahead).spend(key.pk).is_exceeded
    assert KeyLimit(clock=behind).spend(key.pk).is_exceeded


def test_longer_windows_begin_at_once(settings, key):
    settings.CHECKOUT_API_REQUESTS = 1
    settings.CHECKOUT_API_WINDOW_SECONDS = 10
    assert not KeyLimit(clock=Clock()).spend(key.pk).is_exceeded
    settings.CHECKOUT_API_WINDOW_SECONDS = 60
    assert not KeyLimit(clock=Clock()).spend(key.pk).is_exceeded


def test_a_key_with_one_request_a_window_has_one(settings, key):
    settings.CHECKOUT_API_REQUESTS = 1
    limit = KeyLimit(clock=Clock())
    assert [limit.spend(key.pk).is_exceeded for _ in range(3)] == [False, True, True]


async def test_answers_say_what_is_left_and_a_request_too_many_changes_nothing(settings, api):
    settings.CHECKOUT_API_REQUESTS = 2
    settings.CHECKOUT_API_WINDOW_SECONDS = 3600
    answer = await api.get("/payments")
    assert header(answer, "RateLimit-Policy") == '"default";q=2;w=3600'
    assert header(answer, "RateLimit").startswith('"default";r=1;t=')
    await api.get("/payments")
    refused = await api.get("/payments")
    assert (refused.status, document(refused)["code"]) == (429, "quota_exceeded")
    assert 0 < int(header(refused, "Retry-After")) <= 3600
    assert header(refused, "RateLimit").startswith('"default";r=0;t=')


async def test_requests_without_the_permission_count_as_well(settings, shop):
    settings.CHECKOUT_API_REQUESTS = 2
    settings.CHECKOUT_API_WINDOW_SECONDS = 3600
    secret = await in_thread(lambda: make_key(shop, name="k", scopes=[Scope.EVENTS_READ], by="ada")[1])
    assert [(await Caller(secret).get("/payments")).status for _ in range(3)] == [403, 403, 429]


async def test_one_key_does_not_take_all_places_from_however_many_addresses(api, stranger, settings, silence):
    settings.CHECKOUT_API_AT_ONCE_PER_KEY = 2
    made = document(await api.post("/payments", order(), prefer="respond-async"))
    await in_thread(lambda: Payment.objects.update(state="processing"))
    programs = [Caller(api.secret, AsgiClient(address=f"192.0.2.{number}")) for number in range(3)]
    path = f"/payments/{made['id']}"
    waiting = [asyncio.ensure_future(each.get(path, prefer="wait=60")) for each in programs[:2]]
    async with asyncio.timeout(20):
        while sum(held_requests._count.values()) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    refused = await programs[2].get(path)
    assert (refused.status, document(refused)["code"]) == (429, "too_many_requests")
    assert "of this API key" in document(refused)["detail"]
    # The same key in another form of the header.
    again = await programs[2].get(path, authorization=f"bearer  {api.secret}")
    assert again.status == 429
    assert (await stranger.get("/payments")).status == 200
    await end_waits(2)
    assert [each.status for each in await asyncio.gather(*waiting)] == [200, 200]
    assert (await programs[2].get(path)).status == 200


async def test_a_client_that_leaves_counts_until_its_work_has_ended(api, settings, monkeypatch):
    """A program that connects and leaves again and again could otherwise take all threads of the database."""
    settings.CHECKOUT_API_AT_ONCE_PER_KEY = 2
    begun, may_end, read = Semaphore(0), Event(), Payments.get

    def slow(*arguments):
        begun.release()
        assert may_end.wait(20)
        return read(*arguments)

    monkeypatch.setattr(Payments, "get", slow)
    headers = {"accept": "*/*", "authorization": f"Bearer {api.secret}"}
    try:
        for _ in range(2):
            with api.client.started("GET", f"{ROOT}/payments", headers=headers) as exchange:
                assert await asyncio.to_thread(begun.acquire, timeout=20)
                await exchange.send_input({"type": "http.disconnect"})
                async with asyncio.timeout(20):
                    await asyncio.wait([exchange.future])
        refused = await api.get("/payments")
        assert (refused.status, document(refused)["code"]) == (429, "too_many_requests")
    finally:
        may_end.set()
    async with asyncio.timeout(20):
        while under_way._counter.total:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await api.get("/payments")).status == 200


async def test_an_address_with_many_unknown_keys_waits_and_its_valid_key_does_not(api, shop):
    assert (await api.get("/payments")).status == 200
    unknown = Caller(f"sk_test_{32 * 'a'}")
    statuses = [(await unknown.get("/payments")).status for _ in range(MOST_REQUESTS)]
    assert set(statuses) == {401}
    refused = await unknown.get("/payments")
    assert (refused.status, document(refused)["code"]) == (429, "too_many_unknown_keys")
    assert 0 < int(header(refused, "Retry-After")) <= 60
    assert (await api.get("/payments")).status == 200
    unknown.client.address = "192.0.2.8"
    assert (await unknown.get("/payments")).status == 401


async def test_a_key_that_is_no_longer_valid_counts_like_an_unknown_one(api, shop):
    key, secret = await in_thread(make_key, shop, name="leaked", scopes=[Scope.PAYMENTS_READ], by="ada")
    leaked = Caller(secret)
    assert [(await caller.get("/payments")).status for caller in (leaked, api)] == [200, 200]
    await in_thread(revoke_key, key.pk)
    statuses = [(await leaked.get("/payments")).status for _ in range(MOST_REQUESTS)]
    assert set(statuses) == {401}
    assert (await leaked.get("/payments")).status == 429
    assert (await api.get("/payments")).status == 200


def test_addresses_are_counted_by_network_in_bounded_memory():
    clock = Clock()
    keys = UnknownKeys(clock=clock)
    for number in range(MOST_REQUESTS):
        keys.count(f"2001:db8::{number:x}")
    assert keys.seconds_to_wait("2001:db8::ffff", "h") > 0
    assert keys.seconds_to_wait("2001:db8:0:1::1", "h") == 0
    for number in range(MOST_ADDRESSES):
        keys.count(f"10.0.{number // 256}.{number % 256}")
    assert keys.seconds_to_wait("2001:db8::1", "h") == 0
    assert len(keys._counts) == MOST_ADDRESSES
    clock.now += 60
    for _ in range(MOST_REQUESTS):
        keys.count("10.0.0.1")
    clock.now += 60
    assert keys.seconds_to_wait("10.0.0.1", "h") == 0
