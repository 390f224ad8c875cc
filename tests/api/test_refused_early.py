"""Requests that the server refuses before the API sees them get problems like all others."""

import re

import pytest

from checkout.api.urls import urlpatterns
from tests.api.calling import document, header

pytestmark = pytest.mark.django_db(transaction=True)

_PREFIXES = {
    "payment_id": "pay",
    "operation_id": "op",
    "link_id": "lnk",
    "saved_card_id": "card",
    "event_id": "evt",
    "endpoint_id": "whk",
    "delivery_id": "dlv",
}


def addresses_with(id_of):
    """Return the path of each route with an id. `id_of` returns the id for a prefix."""
    routes = [str(each.pattern) for each in urlpatterns if "<" in str(each.pattern)]
    return ["/" + re.sub(r"<(\w+):\w+>", lambda found: id_of(_PREFIXES[found[1]]), each) for each in routes]


ADDRESSES = [
    *addresses_with(lambda prefix: f"{prefix}_{32 * '0'}"),
    *addresses_with(lambda prefix: "malformed"),
]


def assert_problem(answer, status, code):
    assert (answer.status, document(answer)["code"]) == (status, code)
    assert document(answer)["request_id"] == header(answer, "Request-Id") != ""


@pytest.mark.parametrize("path", ADDRESSES)
async def test_a_body_that_is_too_large_is_refused_as_that(api, path):
    answer = await api.call("POST", path, b'{"a": "' + 300_000 * b"x" + b'"}')
    assert_problem(answer, 413, "too_large")


@pytest.mark.parametrize("path", ADDRESSES)
async def test_a_gateway_that_is_full_says_when_to_try_again(api, settings, path):
    settings.SERVING_MAX_HELD = 0
    answer = await api.get(path)
    assert_problem(answer, 503, "full")
    assert header(answer, "Retry-After") == "5"
