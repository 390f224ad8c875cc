"""Flows in which Worldpay's answers and our books differ, through the real adapter and the whole back end."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from checkout.payments.actions import available, request_capture, request_refund, request_void, resume_saga
from checkout.payments.models import Operation, Payment, Saga
from checkout.states import PaymentState
from checkout.web import notifications as webhooks
from messaging.concurrency.database import in_thread
from tests.flows.scripted_worldpay import ACCOUNT, CREDENTIALS, ScriptedWorldpay, account_of, running
from tests.flows.shopping import (
    balances_at_rest,
    euros,
    eventually,
    operation_states,
    pay,
    saga_status,
    state_of,
)
from tests.payments.providers.worldpay_messages import credit, debit, error, journal, named
from tests.payments.service.asking import carry_out
from tests.support.settling import settle_operation

HELD, TAKEN = "IN_PROCESS_AUTHORISED", "IN_PROCESS_CAPTURED"
REQUESTS = {"capture": request_capture, "void": request_void, "refund": request_refund}
ASKED = {"capture": "capture", "void": "cancel", "refund": "refund"}
KINDS = pytest.mark.parametrize("kind", REQUESTS)


@pytest.fixture
def worldpay(payment: Payment, settings: Settings) -> Iterator[ScriptedWorldpay]:
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {ACCOUNT: CREDENTIALS}
    settings.CHECKOUT_INQUIRY_DELAYS = [0.05] * 8
    settings.CHECKOUT_ORDER_LAG_SECONDS = 0
    settings.CHECKOUT_MODIFICATION_LAG_SECONDS = 0
    with running() as provider:
        account_of(payment.merchant, provider)
        yield provider


async def told(payment: Payment, provider: ScriptedWorldpay, event: str, minor: int, about: str = "") -> None:
    """Deliver a proven notification, whose journal names the operation whose reference is ``about``."""
    entries = debit(HELD, minor, "EUR") + credit(TAKEN, minor, "EUR")
    if event == "CHARGED_BACK":
        entries = debit(TAKEN, minor, "EUR")
    content = journal(event, entries, named(capture=about) if about else "")
    body = provider.tells(f"{payment.reference}-1", event, minor, content)
    await webhooks.take(ACCOUNT, body, is_proven=True)


async def reference_of(payment: Payment, kind: str) -> str:
    return str(await in_thread(lambda: payment.operations.get(kind=kind).reference))


async def test_a_capture_of_another_amount_is_never_booked_as_ours(
    back_end: None, payment: Payment, worldpay: ScriptedWorldpay
) -> None:
    await pay(payment, "a sealed card")
    await eventually(operation_states(payment), ["pending"])
    worldpay.last_event = "CAPTURED"
    worldpay.has(held=250, captured=1000)
    await told(payment, worldpay, "CAPTURED", 1000, await reference_of(payment, "capture"))
    await eventually(saga_status(payment, "capture"), "parked")
    assert await in_thread(state_of(payment)) == PaymentState.CONFLICTED
    assert await in_thread(operation_states(payment)) == ["pending"]
    assert "provider:captured" not in await balances_at_rest()


@pytest.mark.parametrize("event", ["CAPTURED", "SETTLED"])
async def test_an_authorisation_of_another_amount_is_a_contradiction(
    back_end: None, payment: Payment, worldpay: ScriptedWorldpay, event: str
) -> None:
    worldpay.authorised_as, worldpay.minor = event, 1000
    await pay(payment, "a sealed card")
    await eventually(state_of(payment), PaymentState.CONFLICTED)
    assert "capture" not in worldpay.asked


async def test_after_the_rest_was_released_nothing_more_can_be_captured(
    back_end: None, manual: Payment, payment: Payment, worldpay: ScriptedWorldpay
) -> None:
    await pay(manual, "a sealed card")
    await in_thread(request_capture, manual.reference, amount=euros(800), by="ada")
    await eventually(operation_states(manual), ["pending"])
    await told(manual, worldpay, "CAPTURED", 800, await reference_of(manual, "capture"))
    await eventually(state_of(manual), PaymentState.PARTIALLY_CAPTURED)
    assert (await in_thread(available, manual.reference)).capturable == euros(450)
    await webhooks.take(ACCOUNT, worldpay.tells(f"{manual.reference}-1", "CANCELLED", 450), is_proven=True)
    await eventually(lambda: available(manual.reference).capturable, euros(0))
    assert await in_thread(state_of(manual)) == PaymentState.PARTIALLY_CAPTURED


async def test_a_charge_back_that_is_told_twice_in_the_same_words_is_left_to_staff(
    back_end: None, payment: Payment, worldpay: ScriptedWorldpay
) -> None:
    await pay(payment, "a sealed card")
    await eventually(operation_states(payment), ["pending"])
    await told(payment, worldpay, "CAPTURED", 1250, await reference_of(payment, "capture"))
    await eventually(saga_status(payment, "capture"), "completed")
    worldpay.last_event = "CHARGED_BACK"
    await told(payment, worldpay, "CHARGED_BACK", 300)
    await eventually(saga_status(payment, "charge_back"), "completed")
    await told(payment, worldpay, "CHARGED_BACK", 300)
    claims = Saga.objects.filter(payment=payment, kind="asking").order_by("pk")
    await eventually(lambda: list(claims.values_list("status", flat=True)), ["completed", "parked"])
    assert await in_thread(Operation.objects.filter(kind="charge_back").count) == 1


@pytest.fixture
def impatient(settings: Settings) -> None:
    settings.CHECKOUT_RETRY_DELAYS = [0.05]


async def requested(payment: Payment, provider: ScriptedWorldpay, kind: str, denies: bytes) -> Operation:
    """Pay, and capture before a refund. Return an operation of this kind, which Worldpay denies."""
    await pay(payment, "a sealed card")
    if kind == "refund":
        await in_thread(request_capture, payment.reference, by="ada")
        await eventually(operation_states(payment), ["pending"])
        await told(payment, provider, "CAPTURED", 1250, await reference_of(payment, "capture"))
        await eventually(saga_status(payment, "capture"), "completed")
    provider.denies = denies
    await in_thread(REQUESTS[kind], payment.reference, by="ada")
    return await in_thread(payment.operations.get, kind=kind)


def left_to(kind: str, payment: Payment) -> int:
    """Return the amount that can be requested, in minor units. A void takes all that is held, or nothing."""
    now = available(payment.reference)
    voidable = 1250 if now.can_be_voided else 0
    return {"capture": now.capturable.minor, "void": voidable, "refund": now.refundable.minor}[kind]


def reason_of(operation: Operation) -> str:
    return Operation.objects.get(pk=operation.pk).parked_reason


@KINDS
@pytest.mark.parametrize(
    ("denies", "reason"),
    [
        (error(5, "Could not find payment for order"), "The provider has no such order."),
        (error(4, "Security violation"), "Security violation"),
    ],
)
async def test_what_worldpay_does_not_carry_out_waits_for_staff_with_its_money_free(
    back_end: None,
    manual: Payment,
    payment: Payment,
    worldpay: ScriptedWorldpay,
    impatient: None,
    kind: str,
    denies: bytes,
    reason: str,
) -> None:
    operation = await requested(manual, worldpay, kind, denies)
    await eventually(saga_status(manual, kind), "parked")
    assert worldpay.asked.count(ASKED[kind]) == 10
    assert reason in await in_thread(reason_of, operation)
    assert await in_thread(left_to, kind, manual) == 1250

    worldpay.denies = b""
    saga = await in_thread(Saga.objects.get, key=operation.reference)
    await in_thread(resume_saga, saga.pk, by="ada")
    await eventually(lambda: operation_states(manual)()[-1], "pending")
    assert await in_thread(reason_of, operation) == ""
    assert await in_thread(left_to, kind, manual) == 0


@KINDS
@pytest.mark.parametrize("situation", ["at work", "parked"])
async def test_what_is_withdrawn_never_reaches_worldpay_again(
    back_end: None,
    manual: Payment,
    payment: Payment,
    worldpay: ScriptedWorldpay,
    settings: Settings,
    kind: str,
    situation: str,
) -> None:
    settings.CHECKOUT_RETRY_DELAYS = [0.05] if situation == "parked" else [0.05, 0.05, 3600]
    operation = await requested(manual, worldpay, kind, error(4, "Security violation"))
    tries = 10 if situation == "parked" else 3
    await eventually(Saga.objects.filter(key=operation.reference, data__denials=tries).exists, True)
    await in_thread(
        settle_operation, operation.reference, arrived=False, gives_up=True, by="ada", reason="Not needed"
    )
    await eventually(saga_status(manual, kind), "compensated")
    operation = await in_thread(manual.operations.get, kind=kind)
    assert (operation.state, operation.refusal_reason) == ("refused", "withdrawn")

    worldpay.denies = b""
    await in_thread(carry_out, operation)
    assert worldpay.asked.count(ASKED[kind]) == tries
    await in_thread(REQUESTS[kind], manual.reference, by="ada")
    await eventually(lambda: operation_states(manual)()[-1], "pending")
    assert worldpay.asked.count(ASKED[kind]) == tries + 1
