"""Objects of another merchant: with the wrong key, they do not exist."""

import re
from typing import Any

import pytest
from django.utils import timezone

from checkout.money import Money
from checkout.payments.actions.links import create_link
from checkout.payments.models import Event, Fact, Operation, Payment, PaymentLink, SavedCard
from checkout.webhooks.actions import create_endpoint
from checkout.webhooks.models import Delivery, SigningSecret, WebhookEndpoint
from messaging.concurrency.database import in_thread
from scripts import openapi
from tests.api.calling import ROOT, document
from tests.api.keeping import kept_card
from tests.flows.shopping import captured

ADDRESSES = [
    ("GET", "/payments/{payment}"),
    ("GET", "/payments/by-order?order_reference=order-2"),
    ("PATCH", "/payments/{payment}"),
    ("POST", "/payments/{payment}/cancel"),
    ("POST", "/payments/{payment}/customer-session"),
    ("POST", "/payments/{payment}/receipt"),
    ("POST", "/payments/{payment}/advance-clock"),
    ("POST", "/payments/{payment}/capture"),
    ("POST", "/payments/{payment}/void"),
    ("POST", "/payments/{payment}/refund"),
    ("GET", "/payments/{payment}/attempts"),
    ("GET", "/payments/{payment}/operations"),
    ("GET", "/operations/{operation}"),
    ("GET", "/payment-links/{link}"),
    ("POST", "/payment-links/{link}/disable"),
    ("GET", "/saved-cards/{card}"),
    ("DELETE", "/saved-cards/{card}"),
    ("GET", "/disputes/{payment}"),
    ("POST", "/disputes/{payment}/evidence"),
    ("GET", "/events/{event}"),
    ("GET", "/events/{event}/deliveries"),
    ("GET", "/webhook-endpoints/{endpoint}"),
    ("PATCH", "/webhook-endpoints/{endpoint}"),
    ("POST", "/webhook-endpoints/{endpoint}/ping"),
    ("POST", "/webhook-endpoints/{endpoint}/enable"),
    ("POST", "/webhook-endpoints/{endpoint}/disable"),
    ("POST", "/webhook-endpoints/{endpoint}/rotate-secret"),
    ("GET", "/webhook-endpoints/{endpoint}/deliveries"),
    ("POST", "/webhook-endpoints/{endpoint}/resend"),
    ("DELETE", "/webhook-endpoints/{endpoint}"),
    ("GET", "/deliveries/{delivery}"),
    ("POST", "/deliveries/{delivery}/resend"),
]
# The requests whose body is not {}.
BODIES = {
    "/disputes/{payment}/evidence": {"name": "a.pdf", "content": "JVBERi0xLjcgJSVFT0Y="},
    "/webhook-endpoints/{endpoint}/resend": {"since": f"{timezone.now():%Y-%m-%dT%H:%M:%SZ}"},
    "/payments/{payment}": {"metadata": {}},
    "/payments/{payment}/advance-clock": {"seconds": 1},
}
LINK: Any = {"order_reference": "L-1", "amount": Money(100, "EUR"), "description": "Tea"}
# These requests have no object in their address, and are tested elsewhere.
LISTS = {
    "/disputes",
    "/payments",
    "/operations",
    "/payment-links",
    "/saved-cards",
    "/events",
    "/webhook-endpoints",
}


@pytest.fixture
async def theirs(manual, books, back_end):
    """Return the ids of the objects of a captured payment, and of the endpoint that receives its events."""
    await captured(manual, books)
    endpoint = (await in_thread(create_endpoint, manual.merchant.code, "https://shop.example/")).endpoint

    def read():
        event = Event.objects.first().reference
        asked = {"source": "provider", "kind": "notified_other", "data": {"event": "INFORMATION_REQUESTED"}}
        Fact.objects.create(payment=manual, attempt=manual.attempts.get(), **asked)
        delivery = Delivery.objects.create(endpoint=endpoint, event=event, event_type="payment.captured")
        return {
            "endpoint": endpoint.reference,
            "link": create_link(manual.merchant, **LINK).reference,
            "delivery": delivery.reference,
            "card": kept_card(manual).reference,
            "payment": manual.reference,
            "operation": Operation.objects.get().reference,
            "event": event,
        }

    return await in_thread(read)


def everything():
    models = (Payment, Operation, PaymentLink, SavedCard, WebhookEndpoint, SigningSecret, Delivery)
    return [list(model.objects.order_by("pk").values()) for model in models]


async def test_every_object_is_found_by_its_own_merchant_and_by_no_other(api, stranger, theirs):
    before = await in_thread(everything)
    for method, address in ADDRESSES:
        path = address.format(**theirs)
        body = BODIES.get(address, {}) if method in ("POST", "PATCH") else None
        theirs_answer = await stranger.call(method, path, body, idempotency_key="k")
        assert theirs_answer.status == 404, path
        invented = address.format(**{name: f"{value[:-32]}{32 * '0'}" for name, value in theirs.items()})
        if "{" in address:
            same = document(await stranger.call(method, invented, body, idempotency_key="k"))
            other = document(theirs_answer)
            assert {**same, "request_id": ""} == {**other, "request_id": ""}, (
                "it must not tell that it exists"
            )
        if method == "GET":
            assert (await api.call(method, path)).status == 200, path
    assert await in_thread(everything) == before


def test_the_matrix_has_every_address():
    listed = {(method, re.sub(r"{\w+}", "{}", path).partition("?")[0]) for method, path in ADDRESSES}
    for path, item in openapi.document()["paths"].items():
        address = re.sub(r"{\w+}", "{}", path.removeprefix(ROOT))
        for method in item.keys() - {"parameters"}:
            assert (method.upper(), address) in listed or address in LISTS


async def test_lists_and_cursors_do_not_cross_either(api, stranger, theirs):
    for path in ("/payments", "/events", f"/events?object_id={theirs['payment']}",
                 f"/events?object_id={theirs['operation']}",
                 "/events?delivered=false", "/events?delivered=true", "/webhook-endpoints", "/payment-links",
                 "/disputes", "/saved-cards?customer_reference=customer-7"):  # fmt: skip
        assert document(await stranger.get(path))["data"] == []
    cursor = document(await api.get("/events?limit=1"))["next_cursor"]
    for path in ("/events", "/payments", "/webhook-endpoints"):
        refused = await stranger.get(f"{path}?cursor={cursor}")
        assert (refused.status, document(refused)["code"]) == (422, "invalid_request")
    assert document(await api.get("/events?delivered=false"))["data"]
