"""Payments are counted by the hour, and an hour is counted again when one of its payments changes."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from checkout.payments.models import Attempt, Event, HourlyFigure, Operation, Payment
from checkout.payments.models.figures import REFUSED_BECAUSE, TOOK, TOOK_WITH_CHALLENGE, Figure
from checkout.payments.timers import figures as timer
from checkout.payments.timers.figures import count_changed_hours
from checkout.states import PaymentState
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 30, 14, 20, tzinfo=UTC)
HOUR = AT.replace(minute=0)


def changed(payment, at=None, **key):
    """Write an event of the payment, as each of its changes does."""
    Event.objects.create(
        merchant=payment.merchant,
        payment=payment,
        type="payment.captured",
        sequence=payment.events.count() + 1,
        data={"object": {}},
        created_at=at or timezone.now(),
        **key,
    )


def made(order, at=AT, **fields):
    payment = rows.captured(order, **fields)
    Payment.objects.filter(pk=payment.pk).update(created_at=at)
    changed(payment)
    return payment


def counted(hour=HOUR, currency="GBP"):
    found = HourlyFigure.objects.filter(hour=hour, currency=currency)
    return dict(found.values_list("name", "value"))


def test_an_hour_has_the_sums_of_its_payments():
    for order, minor in (("A-1", 1000), ("A-2", 250)):
        made(order, amount_minor=minor)
    lost = made("A-3")
    Payment.objects.filter(pk=lost.pk).update(state=PaymentState.REFUSED)
    lost.attempts.update(state="refused", refusal_reason="insufficient_funds", challenge_count=1)
    made("A-4", at=AT + timedelta(hours=1))
    count_changed_hours()
    figures = counted()
    assert figures[Figure.CREATED] == figures[Figure.TRIED] == 3
    assert (figures[Figure.PAID], figures[Figure.PAID_MINOR]) == (2, 1250)
    assert (figures[Figure.APPROVED], figures[Figure.REFUSED]) == (2, 1)
    assert figures[f"{REFUSED_BECAUSE}insufficient_funds"] == 1
    assert (figures[Figure.CHALLENGED], figures[Figure.CHALLENGE_FAILED]) == (1, 1)
    assert Figure.CHALLENGE_PASSED not in figures, "zeros take no room"
    assert counted(HOUR + timedelta(hours=1))[Figure.CREATED] == 1


def test_merchants_and_currencies_are_counted_apart():
    made("A-1", owner=rows.merchant())
    made("B-1", owner=rows.merchant("other"))
    made("B-2", owner=rows.merchant("other"), currency="EUR")
    count_changed_hours()
    paid = HourlyFigure.objects.filter(name=Figure.PAID).values_list("merchant__code", "currency", "value")
    assert {*paid} == {("example", "GBP", 1), ("other", "GBP", 1), ("other", "EUR", 1)}


def test_a_payment_that_ends_later_corrects_its_hour():
    payment = made("A-1")
    Payment.objects.filter(pk=payment.pk).update(state=PaymentState.PROCESSING)
    count_changed_hours()
    assert Figure.PAID not in counted()
    Payment.objects.filter(pk=payment.pk).update(state=PaymentState.CAPTURED)
    changed(payment)
    count_changed_hours()
    assert counted()[Figure.PAID] == 1


def test_counting_again_changes_nothing():
    made("A-1")
    count_changed_hours()
    before = counted()
    count_changed_hours()
    assert before
    assert counted() == before


def test_money_that_goes_back_is_counted_in_the_hour_of_the_refund():
    payment = made("A-1")
    refund = rows.operation(payment, "refund", 300, state="done")
    later = HOUR + timedelta(days=3)
    Operation.objects.filter(pk=refund.pk).update(created_at=later + timedelta(minutes=5))
    dispute = rows.operation(payment, "charge_back", 200, state="done")
    Operation.objects.filter(pk=dispute.pk).update(created_at=later)
    rows.operation(payment, "refund", 100, state="refused")
    count_changed_hours()
    assert counted(later) == {
        Figure.REFUNDS: 1, Figure.REFUNDED_MINOR: 300, Figure.DISPUTES: 1, Figure.DISPUTED_MINOR: 200,
    }  # fmt: skip


@pytest.mark.parametrize(("challenges", "prefix"), [(0, TOOK), (1, TOOK_WITH_CHALLENGE)])
@pytest.mark.parametrize(("seconds", "limit"), [(0.2, "250"), (0.25, "500"), (4, "5000"), (301, "longer")])
def test_the_time_from_pay_to_the_approval_is_counted(challenges, prefix, seconds, limit):
    payment = made("A-1")
    begun = AT + timedelta(minutes=1)
    Attempt.objects.filter(payment=payment).update(created_at=begun, challenge_count=challenges)
    Payment.objects.filter(pk=payment.pk).update(held_since=begun + timedelta(seconds=seconds))
    count_changed_hours()
    took = {name: value for name, value in counted().items() if TOOK in name}
    assert took == {f"{prefix}{limit}": 1}


def test_tiers_of_answers_are_counted():
    for number, tier in enumerate(("held", "held", "pushed", "polled", "")):
        payment = made(f"A-{number}")
        Payment.objects.filter(pk=payment.pk).update(answer_tier=tier)
    count_changed_hours()
    figures = counted()
    assert (figures[Figure.HELD], figures[Figure.PUSHED], figures[Figure.POLLED]) == (2, 1, 1)


def test_an_event_that_is_committed_late_is_not_missed():
    """A transaction may take a smaller key than others and commit after them."""
    late, other = rows.captured("A-1"), rows.captured("A-2")
    Payment.objects.filter(pk=late.pk).update(created_at=AT)
    changed(other, pk=1_000_002)
    count_changed_hours()
    assert counted() == {}
    changed(late, pk=1_000_001)
    count_changed_hours()
    assert counted()[Figure.PAID] == 1


def test_a_long_log_is_read_in_batches(monkeypatch):
    monkeypatch.setattr(timer, "ROWS", 2)
    long_ago = timezone.now() - timedelta(hours=1)
    for number in range(5):
        payment = rows.captured(f"A-{number}")
        Payment.objects.filter(pk=payment.pk).update(created_at=AT)
        changed(payment, long_ago)
    assert [count_changed_hours().has_more for _ in range(4)] == [True, True, False, False]
    assert counted()[Figure.CREATED] == 5
