"""A program gets 503 because the answer to a COMMIT was lost, and repeats its request with its key."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from checkout.payments.models import Payment
from messaging.concurrency.database import in_thread
from tests.api.calling import Caller, document, header, order
from tests.support.database_link import connecting_anew, linked
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]


@pytest.fixture
def anew(api: Caller) -> Iterator[None]:
    with connecting_anew():
        yield


@pytest_asyncio.fixture
async def link(anew: None) -> AsyncIterator[Proxy]:
    async with linked() as link:
        yield link


# The first COMMIT is that of the key's count of requests, the second that of the payment.
@pytest.mark.parametrize("number", [1, 2])
async def test_a_payment_whose_commit_was_not_answered_is_found_by_its_key(
    api: Caller, link: Proxy, number: int
) -> None:
    link.lose_answer_to(b"COMMIT", number=number)
    unknown = await api.post("/payments", order(), idempotency_key="one")
    assert link.has_lost_answer
    assert (unknown.status, header(unknown, "Retry-After")) == (503, "5")
    assert "failed" not in unknown.text
    again = await api.post("/payments", order(), idempotency_key="one")
    assert (again.status, header(again, "Idempotent-Replayed")) == (201, "true" if number == 2 else "")
    payment = await in_thread(Payment.objects.get)
    assert document(again)["id"] == payment.reference
