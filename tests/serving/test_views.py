"""The look-up of a request's view runs on the event loop, so it is short; only our addresses are cached."""

import threading

import pytest
from django.urls import URLResolver

from payments_gateway.serving import views


@pytest.fixture
def looked_up(monkeypatch):
    """Return the lengths of the paths that the event loop has compared with the patterns."""
    lengths = []
    look_up = URLResolver.resolve
    loop = threading.get_ident()

    def counted(resolver, path):
        if threading.get_ident() == loop:
            lengths.append(len(str(path)))
        return look_up(resolver, path)

    monkeypatch.setattr(URLResolver, "resolve", counted)
    return lengths


@pytest.mark.parametrize(
    ("address", "status", "location"),
    [
        ("/nothing/%", 404, ""),
        ("/nothing/%/", 404, ""),
        ("/orders/%", 301, "/orders/%/"),
        ("/orders/%/", 404, ""),
        ("/notifications/%", 301, "/notifications/%/"),
        ("/notifications/a/b/%", 404, ""),
        ("/notifications/a/b/%/", 404, ""),
        ("/notifications/a/%/", 405, ""),
        ("/admin/%", 302, "/admin/login/?next=/admin/%"),
        ("/admin/orders/stockitem/%/change/", 302, "/admin/login/?next=/admin/orders/stockitem/%/change/"),
    ],
)
async def test_a_long_address_is_answered_like_a_short_one_without_a_long_look_up(
    shop, client, looked_up, address, status, location
):
    for length in (20, 700, 10_000):
        long = "a" * length
        answer = await client.get(address.replace("%", long))
        assert (answer.status, answer.headers.get("location", "")) == (status, location.replace("%", long))
    assert max(looked_up) <= views.LONGEST_PATH


@pytest.mark.parametrize(
    "address",
    [
        f"/notifications/{'a' * 300}%/",
        "/nothing/%/",
        "/notifications/a/b/%/",
        "/admin/nothing/%/",
        "/admin/orders/%",
    ],
)
async def test_addresses_that_somebody_invents_are_not_kept(shop, client, address):
    await client.get("/livez")
    kept = views._look_up_again.cache_info()
    for number in range(3):
        await client.post(address.replace("%", str(number)), data=b"<x/>")
    assert views._look_up_again.cache_info().currsize == kept.currsize
    await client.get("/livez")
    assert views._look_up_again.cache_info().hits == kept.hits + 1


async def test_an_address_of_ours_is_kept_without_the_patterns_that_it_did_not_match(shop, checkout):
    address = checkout.path("status.json")
    await checkout.get("status.json")
    match = views.look_up(address)
    assert match is views.look_up(address)
    assert match.view_name == "checkout:status_json"
    assert match.tried is None
