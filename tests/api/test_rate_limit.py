"""The limit on a key's requests."""

import pytest

from checkout.api.access.keys import make_key
from checkout.api.access.rate_limit import KeyLimit
from checkout.api.models import RateLease
from tests.api.calling import document, header


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
