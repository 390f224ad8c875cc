"""Customer sessions: the address to which a merchant leads a customer who may pay with saved cards."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.utils import timezone

from checkout.api.models import IdempotencyRecord
from checkout.payments.actions import cancel_payment
from messaging.concurrency.database import in_thread
from tests.api.calling import document, order
from tests.api.keeping import CUSTOMER
from tests.support.asgi import AsgiClient


async def created(api, **changes):
    return document(await api.post("/payments", order("A-1", **changes)))


async def test_a_session_leads_the_customer_to_the_payments_page(api):
    payment = await created(api, customer_reference=CUSTOMER)
    answer = await api.post(f"/payments/{payment['id']}/customer-session")
    session = document(answer)
    assert (answer.status, session["object"], session["payment"]) == (201, "customer_session", payment["id"])
    assert session["customer_reference"] == CUSTOMER
    left = datetime.fromisoformat(session["expires_at"]) - timezone.now()
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    led = await AsgiClient().get(urlsplit(session["url"]).path)
    assert (led.status, led.headers["location"]) == (303, urlsplit(payment["checkout_url"]).path)
    (cookie,) = led.set_cookies
    path = urlsplit(payment["checkout_url"]).path
    assert cookie.startswith("customer=")
    for attribute in ("HttpOnly", f"Path={path}", "SameSite=Lax", "Max-Age=1800"):
        assert attribute in cookie
    assert led.headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert led.headers["cache-control"] == "no-store"


async def test_each_request_makes_another_session_and_none_is_stored(api):
    payment = await created(api, customer_reference=CUSTOMER)
    records = await in_thread(IdempotencyRecord.objects.count)
    sessions = [document(await api.post(f"/payments/{payment['id']}/customer-session")) for _ in range(2)]
    assert sessions[0]["url"] != sessions[1]["url"]
    assert await in_thread(IdempotencyRecord.objects.count) == records


async def test_there_is_no_session_without_a_customer_or_for_a_payment_that_cannot_be_paid(api, shop):
    nobodys = await created(api)
    answer = await api.post(f"/payments/{nobodys['id']}/customer-session")
    assert (answer.status, document(answer)["code"]) == (409, "not_possible_now")
    assert "customer_reference" in document(answer)["detail"]
    payment = document(await api.post("/payments", order("A-2", customer_reference=CUSTOMER)))
    await in_thread(lambda: cancel_payment(payment["id"], by="ada", merchant=shop))
    answer = await api.post(f"/payments/{payment['id']}/customer-session")
    assert (answer.status, document(answer)["code"]) == (409, "not_possible_now")
