"""Every object with another merchant's key: there is no such thing."""

import pytest

from checkout.payments.models import Event, Operation, Payment
from messaging.concurrency.database import in_thread
from tests.api.calling import document
from tests.flows.shopping import captured

ADDRESSES = [
    ("GET", "/payments/{payment}"),
    ("GET", "/payments/by-order?order_reference=order-2"),
    ("POST", "/payments/{payment}/cancel"),
    ("POST", "/payments/{payment}/capture"),
    ("POST", "/payments/{payment}/void"),
    ("POST", "/payments/{payment}/refund"),
    ("GET", "/payments/{payment}/operations"),
    ("GET", "/operations/{operation}"),
    ("GET", "/events/{event}"),
]


@pytest.fixture
async def theirs(manual, books, back_end):
    """Return the ids of the objects of a captured payment."""
    await captured(manual, books)

    def read():
        return {
            "payment": manual.reference,
            "operation": Operation.objects.get().reference,
            "event": Event.objects.first().reference,
        }

    return await in_thread(read)


async def test_every_object_is_found_by_its_own_merchant_and_by_no_other(api, stranger, theirs):
    before = await in_thread(lambda: Payment.objects.values().get())
    for method, address in ADDRESSES:
        path = address.format(**theirs)
        body: object = {} if method == "POST" else None
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
    assert await in_thread(lambda: Payment.objects.values().get()) == before
    assert await in_thread(Operation.objects.count) == 1


async def test_lists_and_cursors_do_not_cross_either(api, stranger, theirs):
    for path in ("/payments", "/events", f"/events?object_id={theirs['payment']}",
                 f"/events?object_id={theirs['operation']}", "/payments?cursor=OTk5"):  # fmt: skip
        assert document(await stranger.get(path))["data"] == []
    assert document(await api.get("/events"))["data"]
