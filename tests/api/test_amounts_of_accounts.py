"""Amounts that an account with a provider cannot send are refused when they are requested."""

import pytest

from checkout.money import Money
from checkout.payments.actions import create_payment
from checkout.payments.models import Operation, Payment, ProviderAccount
from messaging.concurrency.database import in_thread
from tests.api.calling import document
from tests.flows.shopping import authorise, eventually, notify_all, saga_status

WANTED = {"order_reference": "H-1", "currency": "HUF", "description": "Tea"}


@pytest.fixture
def without_decimals(shop):
    """Let the shop's account send amounts in HUF without decimals."""
    ProviderAccount.objects.update(options={"exponents": "HUF=0"})


@pytest.fixture
def in_forints(shop, without_decimals) -> Payment:
    return create_payment(
        shop,
        order_reference="order-3",
        amount=Money(12500, "HUF"),
        description="Tea",
        captures_automatically=False,
    )


@pytest.mark.parametrize("path", ["/payments", "/payment-links"])
async def test_what_no_shopper_could_pay_is_not_created(api, without_decimals, path):
    refused = await api.post(path, {**WANTED, "amount": 1255})
    assert refused.status == 422
    [fault] = document(refused)["errors"]
    assert fault["pointer"] == "/amount"
    assert "12.55 HUF" in fault["detail"]
    assert (await api.post(path, {**WANTED, "amount": 1200})).status == 201
    in_euros = {**WANTED, "order_reference": "E-1", "amount": 1255, "currency": "EUR"}
    assert (await api.post(path, in_euros)).status == 201


async def test_captures_and_refunds_that_cannot_be_sent_are_refused_at_once(api, in_forints, books, back_end):
    await authorise(in_forints)
    path = f"/payments/{in_forints.reference}"
    await refuse(api, f"{path}/capture")
    assert (await api.post(f"{path}/capture", {"amount": 10000})).status == 201
    await notify_all(books)
    await eventually(saga_status(in_forints, "capture"), "completed")
    await refuse(api, f"{path}/refund")
    assert await in_thread(Operation.objects.count) == 1


async def refuse(api, path):
    refused = await api.post(path, {"amount": 5050})
    assert refused.status == 422
    [fault] = document(refused)["errors"]
    assert fault["pointer"] == "/amount"
    assert "50.50 HUF" in fault["detail"]
