"""Purchases whose capture the provider makes with the authorisation, without a request of its own."""

import pytest

from checkout.payments.actions import create_payment
from checkout.payments.models import (
    Attempt,
    Merchant,
    Operation,
    OutboxMessage,
    Payment,
    ProviderAccount,
    ProviderCall,
    Saga,
)
from checkout.states import PaymentState
from checkout.web import held_tier, notifications as webhooks
from messaging.concurrency.database import in_thread
from tests.flows.shopping import (
    PATIENCE_SECONDS,
    authorise,
    balances_at_rest,
    euros,
    eventually,
    notify_all,
    operation_states,
    pay,
    returned,
    saga_status,
    state_of,
)
from tests.support.memory_provider.books import Books

pytestmark = pytest.mark.usefixtures("captures", "back_end")


@pytest.fixture
def captures(shop: Merchant) -> None:
    """Let the provider capture with the authorisation."""
    set_option("yes")


def set_option(value: str) -> None:
    ProviderAccount.objects.update(options={"captures_with_authorisation": value})


def calls() -> list[str]:
    return list(ProviderCall.objects.order_by("pk").values_list("verb", flat=True))


def captures_made() -> list[tuple[str, int]]:
    return list(Operation.objects.filter(kind="capture").values_list("state", "amount_minor"))


def verifications() -> int:
    return Saga.objects.filter(kind="asking").count()


def captured_at(books: Books, payment: Payment, number: int = 1) -> int:
    return books.orders[f"{payment.reference}-{number}"].captured.minor


async def is_captured_once(payment: Payment, books: Books) -> None:
    """Check that the payment is captured, in all books, and that no work is left."""
    await eventually(state_of(payment), PaymentState.CAPTURED)
    await eventually(saga_status(payment, "capture"), "completed")
    await eventually(saga_status(payment), "completed")
    assert captured_at(books, payment) == 1250
    assert await in_thread(captures_made) == [("done", 1250)]
    assert await in_thread(verifications) == 0
    assert await balances_at_rest() == {"merchant:payable": -1250, "provider:captured": 1250}


async def test_the_provider_is_called_once_and_the_shopper_told_when_it_has_authorised(
    payment: Payment, books: Books
) -> None:
    assert await pay(payment, "approve") == PaymentState.CAPTURE_PENDING
    await eventually(saga_status(payment), "completed")
    assert await in_thread(calls) == ["authorise"]
    assert not await in_thread(OutboxMessage.objects.filter(type="payments.capture").exists)
    await notify_all(books)
    await is_captured_once(payment, books)


async def test_after_a_challenge_it_is_the_same(payment: Payment, books: Books) -> None:
    assert await pay(payment, "challenge") == PaymentState.CHALLENGE_REQUIRED
    assert await in_thread(captures_made) == []
    answer = await held_tier.answer(await returned(payment), budget_seconds=PATIENCE_SECONDS)
    assert answer == PaymentState.CAPTURE_PENDING
    assert await in_thread(calls) == ["authorise", "complete_challenge"]
    await notify_all(books)
    await is_captured_once(payment, books)


async def test_a_refused_card_is_not_captured_and_the_next_one_is(payment: Payment, books: Books) -> None:
    assert await pay(payment, "refuse") == PaymentState.REFUSED
    assert await in_thread(captures_made) == []
    assert await pay(payment, "approve", attempt_number=2) == PaymentState.CAPTURE_PENDING
    assert captured_at(books, payment, 2) == 1250


async def test_an_unknown_authorisation_is_asked_for_and_its_capture_found(
    payment: Payment, books: Books
) -> None:
    assert await pay(payment, "unknown") == PaymentState.CONFIRMING
    await notify_all(books)
    await eventually(saga_status(payment), "completed")
    assert await in_thread(calls) == ["authorise"]
    long_ago = payment.created_at
    await in_thread(Saga.objects.filter(kind="capture").update, deadline_at=long_ago, look_at=long_ago)
    await is_captured_once(payment, books)


@pytest.mark.usefixtures("before_the_answer")
async def test_a_notification_of_it_before_the_providers_answer_is_no_strangers_capture(
    payment: Payment, books: Books
) -> None:
    assert await pay(payment, "approve") in (PaymentState.CAPTURE_PENDING, PaymentState.CAPTURED)
    await eventually(saga_status(payment), "completed")
    await is_captured_once(payment, books)


async def test_what_is_to_be_captured_on_request_is_only_authorised(shop: Merchant, books: Books) -> None:
    manual = await in_thread(
        create_payment,
        shop,
        order_reference="order-9",
        amount=euros(1250),
        lines=[{"sku": "tea", "quantity": 1}],
        description="Tea",
        captures_automatically=False,
    )
    await authorise(manual)
    assert captured_at(books, manual) == 0
    assert await in_thread(operation_states(manual)) == []


async def test_the_option_counts_as_it_was_when_the_shopper_paid(payment: Payment, books: Books) -> None:
    assert await pay(payment, "challenge") == PaymentState.CHALLENGE_REQUIRED
    await in_thread(set_option, "no")
    await held_tier.answer(await returned(payment), budget_seconds=PATIENCE_SECONDS)
    await notify_all(books)
    await is_captured_once(payment, books)
    attempt = await in_thread(Attempt.objects.get)
    assert attempt.capture_reference == (await in_thread(Operation.objects.get)).reference


async def test_a_forged_notification_of_it_takes_nothing(payment: Payment, books: Books) -> None:
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    for body in books.notifications():
        await webhooks.take("memory", body.replace(b"1250", b"9"), is_proven=False)
    assert await in_thread(captures_made) == [("pending", 1250)]
