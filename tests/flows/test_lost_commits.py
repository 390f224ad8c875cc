"""A purchase is made once although the answer to a COMMIT was lost, whichever it was."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from pytest_django import Settings

from checkout.ledger.models import LedgerEntry
from checkout.orders.models import StockItem
from checkout.payments.models import Payment
from checkout.receipts.models import Receipt
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.flows.shopping import eventually, saga_status, state_of
from tests.support.asgi import AsgiClient
from tests.support.database_link import connecting_anew, linked
from tests.support.memory_provider.books import Books
from tests.support.proxy import Proxy
from tests.web.paying import Checkout

pytestmark = [pytest.mark.postgresql, pytest.mark.long]

# The commits of web, services and timers after the shopper pays. A transaction of one statement has no COMMIT
# of its own.
COMMITS = 14
LONGEST_SECONDS = 40


@pytest.fixture
def anew(payment: Payment) -> Iterator[None]:
    with connecting_anew():
        yield


@pytest_asyncio.fixture
async def link(anew: None) -> AsyncIterator[Proxy]:
    async with linked() as link:
        yield link


@pytest.fixture
def soon(settings: Settings) -> None:
    """Shorten all pauses, and the time after which the provider's denial of a request is believed."""
    settings.CHECKOUT_SETTLING_SECONDS = 4
    settings.CHECKOUT_ORDER_LAG_SECONDS = settings.CHECKOUT_MODIFICATION_LAG_SECONDS = 0
    settings.CHECKOUT_INQUIRY_DELAYS = [0.2] * 100
    settings.CHECKOUT_RETRY_DELAYS = [0.2] * 100


async def made(payment: Payment) -> bool:
    """Wait until the payment's capture was accepted (True), or the payment may be tried again (False)."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while (state := PaymentState(await in_thread(state_of(payment)))) != PaymentState.CAPTURE_PENDING:
            if state.may_be_paid:
                return False
            await asyncio.sleep(0.05)
    await eventually(saga_status(payment), "completed")
    return True


@pytest.mark.parametrize("number", range(1, COMMITS + 1))
async def test_a_purchase_is_made_once_whichever_commit_was_not_answered(
    payment: Payment, soon: None, link: Proxy, back_end: None, books: Books, number: int
) -> None:
    checkout = Checkout(AsgiClient(), payment.reference)
    async with asyncio.timeout(LONGEST_SECONDS):
        while (await checkout.client.get("/readyz")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    form = await checkout.filled_form("approve")
    link.lose_answer_to(b"COMMIT", number=number)
    answer = await checkout.client.post(checkout.path("pay/"), form)
    assert answer.status == 303
    if not await made(payment):
        # The answer to the intent's COMMIT was lost, so the provider was not called, as its answer to the
        # inquiry confirmed.
        assert not books.orders
        await checkout.pay("approve")
        assert await made(payment)
    assert link.has_lost_answer
    [order] = books.orders.values()
    assert (order.amount.minor, order.captured.minor) == (1250, 1250)
    await eventually(Receipt.objects.count, 1)
    # No step waits for the ledger, so the ledger's entries may come last.
    await eventually(amounts_in_ledger, [-1250, 1250])
    assert await in_thread(lambda: StockItem.objects.get().quantity) == 2


def amounts_in_ledger() -> list[int]:
    return sorted(LedgerEntry.objects.values_list("amount_minor", flat=True))
