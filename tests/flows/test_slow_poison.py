"""An attacker who forges notifications slowly or fast: the resulting inquiries are limited."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from checkout.payments.models import Fact, InboxMessage, OutboxMessage, Payment, ProviderNotification, Saga
from checkout.payments.sagas import hint_questions
from checkout.rates import Pace
from checkout.states import PaymentState
from checkout.web import notifications as webhooks
from messaging.concurrency.database import in_thread
from tests.flows.shopping import balances_at_rest, eventually, state_of
from tests.flows.test_notifications import forged, paid
from tests.support.memory_provider.books import Books


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.CHECKOUT_ORDER_LAG_SECONDS = 0
    monkeypatch.setattr(hint_questions, "pace", Pace())


def is_quiet() -> bool:
    """Return True if all due messages have been handled. Questions in the queue are not due."""
    soon = timezone.now() + timedelta(seconds=30)
    due = OutboxMessage.objects.filter(available_at__lt=soon, exchange__endswith=".commands")
    handled = InboxMessage.objects.filter(handled_at__isnull=False).values("message_id")
    is_answered = not Saga.objects.filter(
        kind="asking", status="running", awaiting__in=due.values("correlation_id")
    ).exists()
    is_applied = not ProviderNotification.objects.filter(state=ProviderNotification.State.RECEIVED).exists()
    return is_applied and is_answered and not due.exclude(message_id__in=handled).exists()


async def forge(payment: Payment, times: int, event: str = "EXPIRED") -> None:
    """Forge notifications one after another, each after all effects of the previous one."""
    for number in range(times):
        body = forged(payment, event=event, number=f"{event}-{number}")
        await webhooks.take("memory", body, is_proven=False)
        await eventually(is_quiet, True)


async def test_thirty_forged_expiries_of_a_paid_order_make_us_ask_once_and_then_later_and_later(
    back_end: None, payment: Payment, books: Books, settings: Settings
) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = [120, 600]
    await paid(payment, books)
    asked = books.scenarios.asked["inquire"]
    asked.clear()
    before = await balances_at_rest()
    await forge(payment, 30)
    assert asked == [f"{payment.reference}-1"]
    waiting = await in_thread(Saga.objects.filter(kind="asking", status="running").count)
    assert waiting == 1, "the second question waits for its turn, and all others are the same question"
    assert await in_thread(Fact.objects.filter(kind="hinted_expired").count) == 30
    assert await in_thread(ProviderNotification.objects.filter(is_proven=False).count) == 30
    assert await in_thread(state_of(payment)) == PaymentState.CAPTURED
    assert await balances_at_rest() == before
