"""Purchases that the provider authorises although 3-D Secure has failed, with the real Worldpay adapter."""

import pytest
from pytest_django import Settings

from checkout.backoffice.attention.page import reasons
from checkout.orders.models import Reservation
from checkout.payments.actions import accept_unauthenticated, payment_view
from checkout.payments.models import Attempt, Event, Merchant, Operation, Payment, ProviderAccount
from checkout.payments.providers.base import Challenge
from checkout.payments.providers.registry import get_provider
from checkout.states import PaymentState
from checkout.web import notifications as webhooks
from checkout.web.views.wording import ending_of
from messaging.concurrency.database import in_thread
from tests.flows.shopping import (
    balances_at_rest,
    eventually,
    operation_states,
    pay,
    returned,
    saga_status,
    state_of,
)
from tests.payments.providers.sandbox_shop import Sandbox, SandboxShop, account, sandbox

__all__ = ["sandbox"]

FAILING, CHALLENGED, GOOD = "4000000000002925", "4000000000002503", "4444333322221111"
HOLDER = "AUTHORISES_UNAUTHENTICATED"


@pytest.fixture
def worldpay(shop: Merchant, sandbox: Sandbox, settings: Settings) -> SandboxShop:
    """Make the shop's account one at the sandbox, which requests each capture by itself."""
    opened = account(sandbox.url)
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"memory": dict(opened.credentials)}
    ProviderAccount.objects.update(
        provider=opened.provider,
        merchant_code=opened.merchant_code,
        endpoint=opened.endpoint,
        options={**opened.options, "captures_with_authorisation": "no"},
    )
    return SandboxShop(sandbox)


@pytest.fixture
def refusing(worldpay: SandboxShop) -> SandboxShop:
    """Let the account refuse orders that were authorised without authentication."""
    row = ProviderAccount.objects.get()
    row.options["refuses_failed_authentication"] = "yes"
    row.save()
    return worldpay


async def told_of(sandbox: Sandbox, *kinds: str) -> None:
    """Wait for the provider's notifications of these kinds, and process all of them."""

    def are_there() -> bool:
        return all(any(kind.encode() in body for body in sandbox.inbox.bodies) for kind in kinds)

    await eventually(are_there, True)
    for body in list(sandbox.inbox.bodies):
        await webhooks.take("memory", body, is_proven=True)


def attempt_of(payment: Payment, number: int = 1) -> Attempt:
    return Attempt.objects.select_related("payment").get(payment=payment, number=number)


def reasons_of(payment: Payment) -> list[str]:
    return reasons(Payment.objects.get(pk=payment.pk))


def shown_to_shopper(payment: Payment) -> str:
    ending = ending_of(payment_view(payment.reference))
    return f"{ending.title}. {ending.text}"


def types_of(payment: Payment) -> list[str]:
    return list(Event.objects.filter(payment=payment).order_by("sequence").values_list("type", flat=True))


async def test_an_account_that_refuses_it_releases_the_money_before_it_says_so(
    refusing: SandboxShop, sandbox: Sandbox, payment: Payment, back_end: None
) -> None:
    sealed = await in_thread(refusing.seal, HOLDER, FAILING)
    assert await pay(payment, sealed) == PaymentState.VOID_PENDING
    assert "is being released" in await in_thread(shown_to_shopper, payment)
    assert (await in_thread(attempt_of, payment)).state == "authorised"
    await told_of(sandbox, "CANCELLED")
    await eventually(state_of(payment), PaymentState.REFUSED)
    await eventually(saga_status(payment), "compensated")
    attempt = await in_thread(attempt_of, payment)
    assert (attempt.state, attempt.refusal_reason) == ("refused", "authentication_failed")
    assert "Nothing was charged." in await in_thread(shown_to_shopper, payment)
    assert await in_thread(lambda: Reservation.objects.get().state) == "released"
    held = await in_thread(
        lambda: get_provider(attempt.provider_account.opened()).inquire(attempt.order_code)
    )
    assert held.event == "CANCELLED"
    assert [kind for kind in await in_thread(types_of, payment) if kind.startswith("payment.")] == [
        "payment.created",
        "payment.processing",
        "payment.void_pending",
        "payment.declined",
    ]
    await pays_with_another_card(refusing, sandbox, payment)


async def pays_with_another_card(provider: SandboxShop, sandbox: Sandbox, payment: Payment) -> None:
    """Check that the void of the first attempt does not count for the second."""
    sealed = await in_thread(provider.seal, "A. Shopper", GOOD)
    assert await pay(payment, sealed, attempt_number=2) == PaymentState.CAPTURE_PENDING
    await told_of(sandbox, "CAPTURED")
    await eventually(state_of(payment), PaymentState.CAPTURED)
    assert await balances_at_rest() == {"provider:captured": 1250, "merchant:payable": -1250}
    assert await in_thread(reasons_of, payment) == []


async def test_it_is_refused_after_a_challenge_as_well(
    refusing: SandboxShop, sandbox: Sandbox, manual: Payment, back_end: None
) -> None:
    sealed = await in_thread(refusing.seal, HOLDER, CHALLENGED)
    assert await pay(manual, sealed) == PaymentState.CHALLENGE_REQUIRED
    await in_thread(fail_challenge, refusing, manual)
    await returned(manual)
    await eventually(state_of(manual), PaymentState.VOID_PENDING)
    await told_of(sandbox, "CANCELLED")
    await eventually(state_of(manual), PaymentState.REFUSED)
    await eventually(saga_status(manual), "compensated")
    assert await in_thread(operation_states(manual)) == ["done"]


def fail_challenge(provider: SandboxShop, payment: Payment) -> None:
    told = attempt_of(payment).challenge or {}
    names = Challenge.__dataclass_fields__
    challenge = Challenge(**{name: value for name, value in told.items() if name in names})
    provider.answer(challenge, "fail")


async def test_another_account_takes_the_money_and_staff_see_it_until_they_accept_it(
    worldpay: SandboxShop, sandbox: Sandbox, payment: Payment, back_end: None
) -> None:
    sealed = await in_thread(worldpay.seal, HOLDER, FAILING)
    assert await pay(payment, sealed) == PaymentState.CAPTURE_PENDING
    await told_of(sandbox, "CAPTURED")
    await eventually(state_of(payment), PaymentState.CAPTURED)
    assert await in_thread(reasons_of, payment) == ["unauthenticated"]
    why = "The shopper was called"
    await in_thread(accept_unauthenticated, payment.reference, by="ada", reason=why)
    assert await in_thread(reasons_of, payment) == []
    assert await in_thread(lambda: Operation.objects.filter(kind="void").exists()) is False
