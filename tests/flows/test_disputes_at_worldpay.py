"""Refunds of money that may be gone already, with the Worldpay adapter and the sandbox as its own process."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from pytest_django import Settings

from checkout.errors import PaymentDisputed
from checkout.payments.actions import available, request_capture, request_refund, review_payment
from checkout.payments.models import Merchant, Operation, Payment, ProviderAccount, SagaStep
from checkout.states import PaymentState
from checkout.web import notifications as webhooks
from messaging.concurrency.database import in_thread
from tests.flows.shopping import (
    PATIENCE_SECONDS,
    balances_at_rest,
    euros,
    eventually,
    operation_states,
    pay,
    saga_status,
    state_of,
)
from tests.payments.providers.sandbox_shop import Sandbox, account, sandbox
from tests.sandbox.merchant import Merchant as Shop, turn
from tests.support.settling import settle_operation

__all__ = ["sandbox"]

NOWHERE = "http://127.0.0.1:9/"
ACCOUNT = "sandbox"


@pytest.fixture(autouse=True)
def at_worldpay(shop: Merchant, sandbox: Sandbox, settings: Settings) -> None:
    """Have the shop's payments made with Worldpay. Queries of the sandbox show everything at once."""
    opened = account(sandbox.url)
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {ACCOUNT: dict(opened.credentials)}
    settings.CHECKOUT_RETRY_DELAYS = [0.2]
    settings.CHECKOUT_INQUIRY_DELAYS = [0.2] * 100
    settings.CHECKOUT_ORDER_LAG_SECONDS = 0
    ProviderAccount.objects.filter(merchant=shop).update(
        code=ACCOUNT,
        provider=opened.provider,
        merchant_code=opened.merchant_code,
        endpoint=opened.endpoint,
        options=dict(opened.options),
    )


async def captured(payment: Payment, sandbox: Sandbox) -> str:
    """Pay and capture. Return the order code."""
    card = Shop(sandbox.url).seal("AUTHORISED", "4444333322221111")
    assert await pay(payment, card) == PaymentState.AUTHORISED
    await eventually(saga_status(payment), "completed")
    await in_thread(request_capture, payment.reference, by="ada")
    await heard(payment, sandbox, operation_states(payment), ["done"])
    await eventually(saga_status(payment, "capture"), "completed")
    return f"{payment.reference}-1"


def letters(payment: Payment, sandbox: Sandbox, event: str = "") -> list[bytes]:
    """Return the sandbox's notifications about the payment so far."""
    about = (payment.reference.encode(), event.encode())
    return [body for body in sandbox.inbox.bodies if all(each in body for each in about)]


# The numbers of processed notifications, by payment. A dispute that is notified again may be a second one.
TAKEN: Counter[str] = Counter()


async def heard(payment: Payment, sandbox: Sandbox, read: Callable[[], object], expected: object) -> None:
    """Process each of the sandbox's notifications about the payment until ``read`` returns ``expected``."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await in_thread(read) != expected:
            for body in letters(payment, sandbox)[TAKEN[payment.reference] :]:
                await webhooks.take(ACCOUNT, body, is_proven=True)
                TAKEN[payment.reference] += 1
            await asyncio.sleep(0.03)


def refundable(payment: Payment) -> Callable[[], int]:
    return lambda: available(payment.reference).refundable.minor


def is_tried_in_vain(payment: Payment) -> Callable[[], bool]:
    """Return a function that returns True if a refund could not be sent."""
    tries = SagaStep.objects.filter(saga__payment=payment, command="payments.refund", outcome="not_sent")
    return tries.exists


async def cut_off() -> str:
    """Make the provider unreachable. Return its address."""
    account = await in_thread(ProviderAccount.objects.get)
    await connect(NOWHERE)
    return str(account.endpoint)


async def connect(endpoint: str) -> None:
    await in_thread(lambda: ProviderAccount.objects.update(endpoint=endpoint))


async def test_a_refund_that_could_not_be_sent_is_refused_once_its_money_is_charged_back(
    back_end: None, manual: Payment, sandbox: Sandbox
) -> None:
    order = await captured(manual, sandbox)
    endpoint = await cut_off()
    await in_thread(request_refund, manual.reference, amount=euros(1000), by="ada")
    await eventually(is_tried_in_vain(manual), True)

    turn(sandbox.url, dispute={"order": order, "event": "CHARGED_BACK", "amount": 300})
    refund = Operation.objects.filter(kind="refund")
    refused = ("refused", "payment_disputed")
    await heard(manual, sandbox, lambda: refund.values_list("state", "refusal_reason").get(), refused)
    await connect(endpoint)

    await eventually(state_of(manual), PaymentState.CHARGED_BACK)
    await eventually(refundable(manual), 950)
    assert await in_thread(lambda: Payment.objects.get(pk=manual.pk).at_risk_minor) == 0
    await eventually(saga_status(manual, "charge_back"), "completed")
    balances = await balances_at_rest()
    assert balances["provider:captured"] == 950
    await in_thread(request_refund, manual.reference, by="ada")
    await heard(manual, sandbox, lambda: sorted(refund.values_list("state", flat=True)), ["done", "refused"])
    await eventually(saga_status(manual, "refund"), "completed")
    assert await balances_at_rest() == {}


async def test_a_hint_of_a_charge_back_prevents_a_refund_while_worldpay_is_asked_about_it(
    back_end: None, manual: Payment, sandbox: Sandbox, settings: Settings
) -> None:
    settings.CHECKOUT_ORDER_LAG_SECONDS = 3600
    order = await captured(manual, sandbox)
    turn(sandbox.url, dispute={"order": order, "event": "CHARGED_BACK", "amount": 300})
    await eventually(lambda: len(letters(manual, sandbox, "CHARGED_BACK")), 1)
    await webhooks.take(ACCOUNT, letters(manual, sandbox, "CHARGED_BACK")[0], is_proven=False)
    await eventually(refundable(manual), 950)
    with pytest.raises(PaymentDisputed):
        await in_thread(request_refund, manual.reference, amount=euros(1250), by="ada")


async def test_a_refund_that_could_not_be_sent_waits_for_staff_once_one_like_it_was_made_in_the_portal(
    back_end: None, manual: Payment, sandbox: Sandbox
) -> None:
    order = await captured(manual, sandbox)
    endpoint = await cut_off()
    asked = await in_thread(request_refund, manual.reference, amount=euros(500), by="ada")
    await eventually(is_tried_in_vain(manual), True)

    turn(sandbox.url, portal={"order": order, "do": "refund", "amount": 500})
    await heard(manual, sandbox, saga_status(manual, "refund"), "parked")
    await connect(endpoint)
    await eventually(state_of(manual), PaymentState.CONFLICTED)
    ours = Operation.objects.filter(reference=asked.reference)
    assert await in_thread(lambda: ours.get().state) == "requested"

    why = "Ben has made it in the portal."
    await in_thread(settle_operation, asked.reference, arrived=False, gives_up=True, by="ada", reason=why)
    await eventually(lambda: ours.get().state, "refused")
    await in_thread(review_payment, manual.reference, by="ada", reason=why)
    await eventually(state_of(manual), PaymentState.PARTIALLY_REFUNDED)
    await eventually(saga_status(manual, "refund"), "completed")
    adopted = Operation.objects.filter(payment=manual, kind="refund", state="done")
    assert await in_thread(lambda: [each.amount for each in adopted]) == [euros(500)]
    assert (await balances_at_rest())["provider:captured"] == 750
