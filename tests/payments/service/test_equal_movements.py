"""Two equal movements on one day, whose notifications are equal if the provider gives events no ids."""

import pytest
from django.utils import timezone

from checkout.money import Money
from checkout.payments.actions import record_notification
from checkout.payments.books.apply import end_doubt, fail_refund
from checkout.payments.models import (
    Attempt,
    Operation,
    Payment,
    PostponedComparison,
    ProviderAccount,
    ProviderNotification,
    Saga,
)
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.service import service as checkout
from checkout.states import PaymentState
from tests.payments.service.asking import operation_on, settle
from tests.payments.service.claiming import checked
from tests.payments.service.delivering import command, deliver
from tests.payments.service.test_notification import body, events, notify
from tests.support.memory_provider.scenarios import Scenarios

pytestmark = pytest.mark.django_db
CAPTURE, CHARGE_BACK = Operation.Kind.CAPTURE, Operation.Kind.CHARGE_BACK
State = Operation.State
CHARGED_BACK = EventKind.CHARGED_BACK


@pytest.fixture
def captured(authorised: Attempt) -> Attempt:
    """Return a fully captured attempt. The provider's ids of events are digests of their content."""
    settle(operation_on(authorised, CAPTURE, 1250), State.DONE)
    Payment.objects.update(state=PaymentState.CAPTURED)
    ProviderAccount.objects.update(options={"identifies_events": "no"})
    authorised.provider_account.refresh_from_db()
    authorised.payment.refresh_from_db()
    return authorised


def last_event_is(scenarios: Scenarios, kind: EventKind) -> None:
    """Let the provider answer with this last event, and no sums."""
    scenarios.tell("inquire", position=None, kind=kind, event=kind.upper())


def told(attempt: Attempt, event: str, minor: int, reference: str = "") -> list:
    """Let the provider send the same bytes as before, and apply them. Return the events for the sagas."""
    said = body(attempt, event, minor=minor, reference=reference)
    record_notification(attempt.provider_account.code, said.encode(), is_proven=True)
    row = ProviderNotification.objects.latest("pk")
    return events(notify(attempt, row))


def test_a_repeated_capture_or_refund_is_compared_with_the_provider_s_books_even_if_it_names_ours(captured):
    refund = operation_on(captured, Operation.Kind.REFUND, 300)
    settle(refund, State.PENDING)
    told(captured, "REFUNDED", 300, refund.reference)
    assert not PostponedComparison.objects.exists()
    told(captured, "REFUNDED", 300, refund.reference)
    assert PostponedComparison.objects.filter(payment=captured.payment).exists()
    assert Operation.objects.filter(kind="refund", state=State.DONE).count() == 1


def test_a_refund_that_fails_a_second_time_on_one_day_is_in_doubt_again(captured):
    """The refund was reported as failed, staff found that it had arrived, and then it failed."""
    refund = operation_on(captured, Operation.Kind.REFUND, 300)
    settle(refund, State.DONE)
    assert told(captured, "REFUND_FAILED", 300, refund.reference)
    refund.refresh_from_db()
    end_doubt(refund)
    assert [each.kind for each in told(captured, "REFUND_FAILED", 300, refund.reference)] == ["refund_failed"]
    refund.refresh_from_db()
    assert refund.doubt
    assert told(captured, "REFUND_FAILED", 300, refund.reference) == []


def test_a_refund_that_is_made_a_second_time_on_one_day_is_asked_about(captured):
    refund = operation_on(captured, Operation.Kind.REFUND, 300)
    settle(refund, State.PENDING)
    told(captured, "REFUNDED", 300, refund.reference)
    refund.refresh_from_db()
    fail_refund(captured.payment, refund)
    [again] = told(captured, "REFUNDED", 300, refund.reference)
    deliver(checkout, command(again))
    assert Saga.objects.get(kind="asking").data["operation"] == refund.reference
    refund.refresh_from_db()
    assert refund.state == State.REFUSED


def test_a_charge_back_that_is_told_again_is_asked_about_and_booked_if_the_sums_have_two(captured, books):
    books.orders[captured.order_code].charged_back = Money(300, "GBP")
    for each in told(captured, "CHARGED_BACK", 300):
        deliver(checkout, command(each))
    assert checked(captured, 300, CHARGED_BACK) == "booked"
    again = told(captured, "CHARGED_BACK", 300)
    assert [each.kind for each in again] == ["charged_back"]
    books.orders[captured.order_code].charged_back = Money(600, "GBP")
    deliver(checkout, command(again[0]))
    assert Saga.objects.filter(kind="asking").count() == 2
    assert checked(captured, 300, CHARGED_BACK) == "booked"
    assert [each.amount_minor for each in Operation.objects.filter(kind=CHARGE_BACK)] == [300, 300]


def test_without_sums_staff_say_if_a_charge_back_that_is_told_again_is_one_or_two(captured, scenarios):
    last_event_is(scenarios, EventKind.CHARGED_BACK)
    for _ in range(2):
        for each in told(captured, "CHARGED_BACK", 300):
            deliver(checkout, command(each))
    assert Saga.objects.filter(kind="asking").count() == 2
    assert checked(captured, 300, CHARGED_BACK) == "booked"
    assert checked(captured, 300, CHARGED_BACK) == "unclear"
    assert Operation.objects.filter(kind=CHARGE_BACK).count() == 1


def test_a_provider_that_names_its_events_only_repeats_itself(captured):
    ProviderAccount.objects.update(options={})
    assert told(captured, "CHARGED_BACK", 300)
    assert told(captured, "CHARGED_BACK", 300) == []
    assert not PostponedComparison.objects.filter(postponed_at__gt=timezone.now()).exists()
