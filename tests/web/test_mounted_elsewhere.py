"""The whole application below a prefix: how a request is handled depends on its view, not on its path."""

import json
import re

import pytest
from django.contrib import admin
from django.urls import URLResolver, include, path, re_path

from checkout.checks import providers_can_prove_their_notifications
from checkout.payments.models import Payment, ProviderNotification
from checkout.web.views import errors
from messaging.concurrency.database import in_thread
from payments_gateway.asgi import application
from payments_gateway.serving.clients import ClientCounter
from payments_gateway.urls import handler400, handler403, handler404, handler500
from tests.support.asgi import receive
from tests.support.sockets import Socket
from tests.web.paying import Checkout

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

CARD = "4444333322221111"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("shop/", include("checkout.web.urls")),
    re_path(r"", errors.no_such_page),
]


@pytest.fixture(autouse=True)
def _mounted(settings, monkeypatch):
    settings.ROOT_URLCONF = __name__
    monkeypatch.setattr(application, "requests", ClientCounter("held_requests"))


@pytest.fixture
def checkout(client, payment):
    return Checkout(client, payment.reference, mounted_at="/shop/")


async def test_a_shopper_pays_through_a_challenge(back_end, books, checkout):
    answer = await checkout.pay("challenge")
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("challenge/"))
    back = await checkout.return_path()
    assert back.startswith(checkout.path("challenge/return/"))
    returned = {"TransactionId": "transaction", "Response": "", "MD": "merchant data"}
    answer = await checkout.client.post(back, returned, cross_site=True)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
    assert "Payment complete" in (await checkout.get("result/")).text
    document = json.loads((await checkout.get("status.json")).body)
    assert (document["is_paid"], document["next"]) == (True, checkout.path("result/"))
    assert application.requests.total == 0


async def test_requests_of_its_held_views_are_counted_and_no_others(shop, checkout, settings):
    settings.SERVING_MAX_HELD = 0
    refused = await checkout.get("status/")
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert f'href="{checkout.path()}"' in refused.text
    for address in ("/shop/livez", "/admin/login/", "/static/checkout/pay.js"):
        assert (await checkout.client.get(address)).status == 200, address
    assert (await checkout.client.post("/shop/notifications/memory/", b"{}")).status != 503


async def test_a_card_number_is_refused(shop, checkout):
    refused = await checkout.client.post(checkout.path("pay/"), {"device_data_reference": CARD})
    assert refused.status == 400
    assert "card number" in refused.text.lower()


async def test_a_notification_with_a_card_number_is_stored_without_it(shop, checkout):
    answer = await checkout.client.post("/shop/notifications/memory/", f'{{"card": "{CARD}"}}'.encode())
    assert answer.status == 200
    stored = await in_thread(ProviderNotification.objects.get)
    assert CARD not in str(vars(stored))


@pytest.mark.parametrize(
    ("address", "status"),
    [("notifications/nobody/", 404), ("notifications/a/b/c/d/", 404), ("livez", 403), ("readyz", 403)],
)
async def test_programs_are_answered_in_json(shop, client, address, status):
    answer = await client.post(f"/shop/{address}", b"x")
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize(
    "address", ["/shop/nothing/", "/shop/static/checkout/pay.js", "/livez", "/checkout/"]
)
async def test_what_is_not_below_the_prefix_is_not_there(shop, client, address):
    answer = await client.get(address)
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_a_check_names_the_address_of_notifications_below_the_prefix(settings):
    settings.PUBLIC_URL = "https://pay.example"
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"acme": {}}
    [error] = providers_can_prove_their_notifications()
    assert "https://pay.example/shop/notifications/acme/<notification_secret>/, or to " in str(error.hint)
    assert "https://pay.example/shop/notifications/acme/ with " in str(error.hint)


@pytest.mark.parametrize("prefix", ["", "/pay"])
async def test_the_socket_of_a_page_is_below_the_prefix_that_the_server_adds(shop, checkout, prefix):
    await in_thread(lambda: Payment.objects.update(state="processing"))
    notes = {"root_path": prefix}
    with checkout.client.started("GET", prefix + checkout.path("status/"), notes=notes) as exchange:
        page = await receive(exchange)
    [address] = re.findall(r'data-socket="([^"]+)"', page.text)
    assert address.startswith(f"{prefix}/ws/checkout/{checkout.reference}/?")
    socket = Socket(address, origin="http://localhost:8000", root_path=prefix)
    assert await socket.connect()
    await socket.disconnect()


async def test_a_prefix_that_the_server_adds_is_no_part_of_the_address(shop, checkout, settings):
    async def get(address):
        with checkout.client.started("GET", f"/pay{address}", notes={"root_path": "/pay"}) as exchange:
            return await receive(exchange)

    answer = await get(checkout.path("status/"))
    assert (answer.status, answer.headers["location"]) == (303, f"/pay{checkout.path()}")
    settings.SERVING_MAX_HELD = 0
    assert (await get(checkout.path("status/"))).status == 503
    assert (await get("/static/checkout/pay.js")).status == 200


@pytest.mark.parametrize(
    ("address", "times"), [("/admin/login/", 1), ("/shop/", 1), ("/shop/livez", 1), ("/static/nothing.js", 0)]
)
async def test_an_address_is_looked_up_once_and_then_known(shop, client, monkeypatch, address, times):
    looked_up = []
    look_up = URLResolver.resolve

    def counted(resolver, path):
        looked_up.append(path)
        return look_up(resolver, path)

    monkeypatch.setattr(URLResolver, "resolve", counted)
    for _ in range(2):
        await client.get(address)
    assert looked_up.count(address) == times
