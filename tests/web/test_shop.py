"""The example shop, from the shelf to the checkout, and its state afterwards."""

import re

import pytest
from django.contrib.sessions.models import Session

from checkout.orders.models import StockItem
from checkout.payments.models import Merchant, Payment
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.web.paying import fields_of


@pytest.fixture
def shelf(shop, settings):
    """Return the example's merchant, with the one article of `shop` on the shelf."""
    Merchant.objects.update(code="example", return_origins=[settings.PUBLIC_URL])
    StockItem.objects.update(merchant_code="example")


async def buy(client, **changes):
    page = await client.get("/")
    form = {**fields_of(page), "sku": "tea", "email": "someone@example.com", **changes}
    return await client.post("/", form)


async def test_buying_creates_a_payment_and_leads_to_its_checkout(shelf, client):
    answer = await buy(client)
    payment = await in_thread(Payment.objects.get)
    assert (answer.status, answer.headers["location"]) == (303, f"/checkout/{payment.reference}/")
    assert (payment.amount_minor, payment.currency, payment.shopper_email) == (
        1250,
        "EUR",
        "someone@example.com",
    )
    assert payment.lines == [{"sku": "tea", "quantity": 1}]
    assert payment.return_url.endswith(f"/orders/{payment.order_reference}/")


async def test_the_shop_remembers_its_visitors_orders_and_nobody_elses(shelf, client):
    await buy(client)
    assert "Your orders" in (await client.get("/")).text
    client.cookies.clear()
    assert "Your orders" not in (await client.get("/")).text


async def test_the_return_page_shows_the_order_to_the_browser_that_made_it(shelf, client):
    await buy(client)
    payment = await in_thread(Payment.objects.get)
    answer = await client.get(f"/orders/{payment.order_reference}/")
    assert answer.status == 200
    assert "€12.50" in answer.text
    assert (await client.get("/orders/order-unknown/")).status == 404
    client.cookies.clear()
    assert (await client.get(f"/orders/{payment.order_reference}/")).status == 404


@pytest.mark.parametrize("state", list(PaymentState))
async def test_the_shop_says_in_a_buyers_words_what_became_of_the_payment(shelf, client, state):
    await buy(client)
    await in_thread(lambda: Payment.objects.update(state=state))
    shown = (await client.get("/")).text
    [word] = re.findall(r'<span class="state">([^<]+)</span>', shown)
    assert word[0].isupper()
    assert not re.search("void|charged? ?back|conflict|challenge|processing", word, re.IGNORECASE)


async def test_where_real_money_is_paid_there_is_no_shop(shelf, client, settings):
    await buy(client)
    payment = await in_thread(Payment.objects.get)
    settings.CHECKOUT_TRY_OUT = False
    for path in ("/", f"/orders/{payment.order_reference}/"):
        answer = await client.get(path)
        assert answer.status == 404
        assert "start page" not in answer.text


@pytest.mark.parametrize("changes", [{"sku": "nothing"}, {"sku": ""}, {"email": "not an address"}])
async def test_what_cannot_be_bought_is_400_and_creates_nothing(shelf, client, changes):
    answer = await buy(client, **changes)
    assert answer.status == 400
    assert "<h1>" in answer.text
    assert await in_thread(Payment.objects.count) == 0


async def test_what_is_sold_out_cannot_be_bought(shelf, client):
    await in_thread(lambda: StockItem.objects.update(quantity=0))
    assert "Sold out" in (await client.get("/")).text
    assert (await buy(client)).status == 400


async def test_an_empty_shop_says_how_to_fill_it(db, client):
    assert "load_example" in (await client.get("/")).text


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (PaymentState.AUTHORISED, "Reserved on your card"),
        (PaymentState.PARTIALLY_REFUNDED, "Paid, partly refunded"),
        (PaymentState.REFUNDED, "Refunded"),
    ],
)
async def test_an_order_says_where_its_money_is(shelf, client, state, word):
    await buy(client)
    payment = await in_thread(Payment.objects.get)
    await in_thread(Payment.objects.update, state=state)
    assert word in (await client.get(f"/orders/{payment.order_reference}/")).text


async def test_the_cookie_with_the_orders_is_signed_and_other_sites_and_scripts_do_not_get_it(shelf, client):
    answer = await buy(client)
    (cookie,) = [value for name, value in answer.raw_headers if value.startswith("orders=")]
    assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    payment = await in_thread(Payment.objects.get)
    client.cookies["orders"] = payment.order_reference
    assert (await client.get(f"/orders/{payment.order_reference}/")).status == 404


async def test_only_the_latest_orders_are_remembered(shelf, client):
    await in_thread(lambda: StockItem.objects.update(quantity=100))
    for _ in range(12):
        assert (await buy(client)).status == 303
    assert len(re.findall('<li><a href="/orders/', (await client.get("/")).text)) == 10


async def test_the_shop_uses_no_session(shelf, client):
    await buy(client)
    await client.get("/")
    assert not await in_thread(Session.objects.exists)
