"""Steps of whole flows in this process: a shopper's, the provider's notifications, and a clerk's."""

import asyncio
from collections.abc import Callable
from typing import Any

from checkout.ledger.messages import PostEntries
from checkout.ledger.models import LedgerEntry
from checkout.money import Money
from checkout.payments.actions import Pending, request_capture, return_from_challenge, submit_payment
from checkout.payments.challenge_token import token_for
from checkout.payments.models import Attempt, OutboxMessage, Payment, ProviderNotification, Saga
from checkout.payments.postings import unposted
from checkout.payments.providers.base import Browser
from checkout.states import PaymentState
from checkout.web import held_tier, notifications as webhooks
from messaging.concurrency.database import in_thread
from tests.support.memory_provider.books import Books

BROWSER = Browser(accept_header="text/html", user_agent="Test", ip_address="127.0.0.1")
PATIENCE_SECONDS = 60


def submit(
    reference: str, *, attempt_number: int = 1, saves_card: bool = False, message_id: str = ""
) -> Pending:
    return submit_payment(
        reference,
        attempt_number=attempt_number,
        browser=BROWSER,
        device_data_reference="device-1",
        saves_card=saves_card,
        message_id=message_id,
    )


async def pay(
    payment: Payment, card: str, *, attempt_number: int = 1, saves_card: bool = False
) -> PaymentState | None:
    pending = await in_thread(submit, payment.reference, attempt_number=attempt_number, saves_card=saves_card)
    return await held_tier.answer(pending, sealed_card=card, budget_seconds=PATIENCE_SECONDS)


async def returned(payment: Payment) -> Pending:
    attempt = await in_thread(lambda: Attempt.objects.select_related("payment").get(payment=payment))
    return await in_thread(
        return_from_challenge,
        payment.reference,
        token_for(attempt),
        transaction_id=(attempt.challenge or {}).get("transaction_id", ""),
        merchant_data=attempt.order_code,
    )


async def eventually(read: Callable[[], Any], expected: Any) -> None:
    """Wait until ``read``, which queries rows that other tasks write, returns ``expected``."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await in_thread(read) != expected:  # noqa: ASYNC110  the writer has no event to wait on
            await asyncio.sleep(0.03)


def euros(minor: int) -> Money:
    return Money(minor, "EUR")


def operation_states(payment: Payment) -> Callable[[], list[str]]:
    return lambda: list(payment.operations.order_by("pk").values_list("state", flat=True))


def saga_status(payment: Payment, kind: str = "purchase") -> Callable[[], str]:
    sagas = Saga.objects.filter(payment=payment, kind=kind).order_by("-pk")
    return lambda: str(sagas.values_list("status", flat=True).first())


def state_of(payment: Payment) -> Callable[[], str]:
    return lambda: str(Payment.objects.get(pk=payment.pk).state)


async def authorise(payment: Payment) -> None:
    assert await pay(payment, "approve") == PaymentState.AUTHORISED
    await eventually(saga_status(payment), "completed")


async def notify_all(books: Books) -> None:
    """Deliver all notifications of the provider. Repeated ones count once."""
    for body in books.notifications():
        await webhooks.take("memory", body, is_proven=True)


def nothing_is_left_to_apply() -> bool:
    return not ProviderNotification.objects.filter(state=ProviderNotification.State.RECEIVED).exists()


async def captured(payment: Payment, books: Books) -> None:
    """Authorise the whole amount and capture it manually."""
    await authorise(payment)
    await in_thread(request_capture, payment.reference, by="ada")
    await eventually(operation_states(payment), ["pending"])
    await notify_all(books)
    await eventually(saga_status(payment, "capture"), "completed")


async def balances_at_rest() -> dict[str, int]:
    """Return the balances after the ledger has made all of its postings."""
    told = OutboxMessage.objects.filter(type=PostEntries.to)
    await eventually(lambda: unposted(told.all()), [])
    return await in_thread(balances)


def balances() -> dict[str, int]:
    """Return the ledger's balances by account, without empty accounts."""
    sums: dict[str, int] = {}
    for account, minor in LedgerEntry.objects.values_list("account", "amount_minor"):
        sums[account] = sums.get(account, 0) + minor
    return {account: minor for account, minor in sums.items() if minor}
