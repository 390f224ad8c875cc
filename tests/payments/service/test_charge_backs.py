"""Charge-backs and reversals in notifications, which are booked when the provider confirms them."""

from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage, Payment, Saga
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas import service as checkout
from checkout.payments.service import service
from checkout.states import PaymentState
from tests.payments.service.asking import authorise, booked_earlier, operation_on, settle
from tests.payments.service.claiming import carried_out, claimed, said
from tests.payments.service.contradicting import books_with, conflicted, settled
from tests.payments.service.delivering import command, deliver
from tests.support.memory_provider.books import Manners, Order

pytestmark = pytest.mark.django_db
Kind, State = Operation.Kind, Operation.State
CHARGED_BACK, REVERSED = "charged_back", "charge_back_reversed"


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


@pytest.fixture
def captured(attempt: Attempt) -> Attempt:
    """Return an attempt with 10.00 of its 12.50 GBP captured."""
    authorise(attempt, "approve")
    settle(operation_on(attempt, Kind.CAPTURE, 1000), State.DONE)
    return attempt


@pytest.fixture
def order(captured: Attempt, books) -> Order:
    """Return the same order in the provider's books, which report all sums."""
    found = books.orders[captured.order_code]
    found.captured = gbp(1000)
    return found


@pytest.fixture
def says(order: Order, scenarios) -> Callable[[EventKind], None]:
    """Return a function that makes the provider answer with this last event and no sums."""
    order.manners = Manners(tells_position=False)

    def tell(kind: EventKind) -> None:
        scenarios.tell("inquire", kind=kind)

    return tell


def checked(attempt: Attempt, claim: str, minor: int | None = 300, **told: Any) -> str:
    body = CheckClaim(
        payment=attempt.payment.reference,
        attempt=attempt.order_code,
        claim=claim,
        minor=minor,
        **{"currency": "GBP", "event_id": "e-1", **told},
    )
    return str(deliver(service, command(body)).result["outcome"])


@pytest.mark.parametrize(("booked", "shown", "claim"), [(300, 0, REVERSED), (0, 300, CHARGED_BACK)])
def test_an_answer_that_may_be_from_before_the_last_booking_moves_nothing(
    captured, order, settings, booked, shown, claim
):
    """A charge-back and, in the second case, its reversal, were booked a moment ago."""
    settle(operation_on(captured, Kind.CHARGE_BACK, 300), State.DONE)
    if not booked:
        settle(operation_on(captured, Kind.CHARGE_BACK_REVERSAL, 300), State.DONE)
    order.charged_back = gbp(shown)
    settings.CHECKOUT_ORDER_LAG_SECONDS = 300
    assert checked(captured, claim) == "unknown"
    booked_earlier(conf.order_lag)
    assert checked(captured, claim) == "booked"


@pytest.mark.postgresql
def test_a_process_whose_clock_is_ahead_books_nothing_by_an_answer_from_before_the_last_booking(
    captured, order, settings
):
    settle(operation_on(captured, Kind.CHARGE_BACK, 300), State.DONE)
    order.charged_back = gbp(0)
    settings.CHECKOUT_ORDER_LAG_SECONDS = 300
    with time_machine.travel(timezone.now() + 2 * conf.order_lag, tick=True):
        assert checked(captured, "charge_back_reversed") == "unknown"


def booked() -> list[tuple[str, int]]:
    by_issuers = Operation.objects.exclude(kind=Kind.CAPTURE).exclude(kind=Kind.REFUND).order_by("pk")
    assert set(by_issuers.values_list("state", flat=True)) <= {State.DONE}
    return list(by_issuers.values_list("kind", "amount_minor"))


def why() -> str:
    return str(Fact.objects.filter(kind="claim_unclear").latest("pk").data["why"])


def test_what_the_provider_s_sums_confirm_is_an_operation_that_is_done_and_will_be_posted(captured, order):
    order.charged_back = gbp(300)
    assert checked(captured, CHARGED_BACK) == "booked"
    operation = Operation.objects.get(kind=Kind.CHARGE_BACK)
    assert (operation.amount, operation.state, operation.requested_by) == (gbp(300), State.DONE, "provider")
    assert operation.reference in OutboxMessage.objects.get(type="checkout.start_operation").body
    fact = Fact.objects.get(kind="claim_booked")
    assert fact.data["reference"] == operation.reference
    assert fact.data["amount"] == str(operation.amount)


@pytest.mark.parametrize(
    "told", [{"minor": 1000}, {"minor": None}, {"currency": "USD"}, {"is_proven": False}]
)
def test_the_provider_s_sum_decides_whatever_the_notification_says(captured, order, told):
    order.charged_back = gbp(300)
    assert checked(captured, CHARGED_BACK, **told) == "booked"
    assert booked() == [("charge_back", 300)]


def test_a_lie_is_denied_by_the_provider_s_sum(captured, order):
    assert checked(captured, CHARGED_BACK) == "denied"
    assert checked(captured, REVERSED) == "denied"
    assert booked() == []


def test_two_charge_backs_of_the_same_amount_are_both_booked_when_the_sum_has_both(captured, order):
    order.charged_back = gbp(300)
    assert checked(captured, CHARGED_BACK, event_id="e-1") == "booked"
    assert checked(captured, CHARGED_BACK, event_id="e-2") == "denied", "one of them is a copy"
    order.charged_back = gbp(600)
    assert checked(captured, CHARGED_BACK, event_id="e-3") == "booked"
    assert booked() == [("charge_back", 300), ("charge_back", 300)]


def test_a_reversal_is_what_is_missing_of_the_charge_backs(captured, order):
    order.charged_back = gbp(300)
    checked(captured, CHARGED_BACK)
    order.charged_back = gbp(100)
    assert checked(captured, REVERSED, event_id="e-2") == "booked"
    assert checked(captured, REVERSED, event_id="e-3") == "denied"
    assert booked() == [("charge_back", 300), ("charge_back_reversal", 200)]


def test_a_sum_of_more_than_we_have_taken_is_for_staff(captured, order):
    settle(operation_on(captured, Kind.REFUND, 800), State.DONE)
    order.charged_back = gbp(300)
    assert checked(captured, CHARGED_BACK) == "unclear"
    assert "more than is taken and not given back" in why()
    assert booked() == []


def test_a_sum_in_another_currency_is_for_staff(captured, order):
    order.charged_back = Money(300, "USD")
    assert checked(captured, CHARGED_BACK) == "unclear"
    assert "payment is in GBP" in why()


def test_a_charge_back_of_what_is_just_being_captured_is_asked_about_again(captured, order):
    capture = operation_on(captured, Kind.CAPTURE, 250)
    order.charged_back = gbp(1250)
    assert checked(captured, CHARGED_BACK) == "unknown"
    settle(capture, State.DONE)
    assert checked(captured, CHARGED_BACK) == "booked"


def test_without_sums_a_proven_amount_that_the_last_event_confirms_is_booked_once(captured, says):
    says(EventKind.CHARGED_BACK)
    assert checked(captured, CHARGED_BACK) == "booked"
    assert checked(captured, CHARGED_BACK) == "booked", "the answer got lost, and it is asked again"
    assert booked() == [("charge_back", 300)]
    says(EventKind.CHARGE_BACK_REVERSED)
    assert checked(captured, REVERSED, event_id="e-2") == "booked"
    assert booked() == [("charge_back", 300), ("charge_back_reversal", 300)]


def test_without_sums_a_later_event_does_not_deny_what_is_proven(captured, says):
    says(EventKind.SETTLED)
    assert checked(captured, CHARGED_BACK) == "undecided"
    assert checked(captured, CHARGED_BACK, is_proven=False) == "denied"
    says(EventKind.AUTHORISED)
    assert checked(captured, CHARGED_BACK) == "denied"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"minor": None}, "neither does the notification"),
        ({"is_proven": False}, "anybody may have sent"),
        ({"currency": "USD"}, "not in GBP"),
        ({"minor": 1001}, "more than is taken"),
        ({"minor": 0}, "A charge-back of 0.00 GBP"),
    ],
)
def test_without_sums_an_amount_that_cannot_be_believed_is_for_staff(captured, says, told, reason):
    says(EventKind.CHARGED_BACK)
    assert checked(captured, CHARGED_BACK, **told) == "unclear"
    assert reason in why()
    assert booked() == []


def test_without_sums_the_same_amount_under_another_name_is_for_staff(captured, says):
    says(EventKind.CHARGED_BACK)
    checked(captured, CHARGED_BACK, event_id="e-1")
    assert checked(captured, CHARGED_BACK, event_id="e-2") == "unclear"
    assert "may be this or another one" in why()
    assert checked(captured, CHARGED_BACK, minor=301, event_id="e-3") == "booked"
    assert booked() == [("charge_back", 300), ("charge_back", 301)]


def test_more_cannot_be_returned_than_was_charged_back(captured, says):
    says(EventKind.CHARGE_BACK_REVERSED)
    assert checked(captured, REVERSED) == "unclear"
    assert "more than is charged back" in why()
    operation_on(captured, Kind.CAPTURE, 250)
    assert checked(captured, REVERSED, minor=250) == "unclear", "no capture under way will make it right"


def test_a_name_that_anybody_may_have_used_does_not_hide_a_charge_back_that_is_proven(captured, order):
    order.charged_back = gbp(300)
    assert checked(captured, CHARGED_BACK, event_id="e-1", is_proven=False) == "booked"
    order.charged_back = gbp(500)
    assert checked(captured, CHARGED_BACK, minor=200, event_id="e-1") == "booked"
    assert booked() == [("charge_back", 300), ("charge_back", 200)]


def test_an_answer_that_is_older_than_what_we_know_books_nothing(captured, order, scenarios):
    order.charged_back = gbp(300)
    scenarios.meanwhile("inquire", lambda: settle(operation_on(captured, Kind.CHARGE_BACK, 300), State.DONE))
    assert checked(captured, CHARGED_BACK) == "unknown"
    assert booked() == [("charge_back", 300)]


def test_a_provider_that_cannot_be_asked_leaves_it_open(captured, settings):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert checked(captured, CHARGED_BACK) == "unknown"


@pytest.mark.parametrize(("left", "outcome"), [(1000, "booked"), (299, "unclear")])
def test_a_charge_back_of_a_conflicted_attempt_is_booked_if_there_is_room_for_it(
    captured, order, left, outcome
):
    Attempt.objects.update(state=Attempt.State.CONFLICTED)
    Operation.objects.update(amount_minor=left)
    order.charged_back = gbp(300)
    told = ApplyProviderEvent(
        payment=captured.payment.reference, attempt=captured.order_code, kind=CHARGED_BACK
    )
    [question] = deliver(checkout.service, command(told)).commands
    deliver(service, question)
    assert Fact.objects.filter(kind=f"claim_{outcome}").exists()
    assert booked() == ([("charge_back", 300)] if outcome == "booked" else [])


def test_what_is_booked_leaves_the_payment_s_state_to_its_sums(captured, order):
    before = Payment.objects.get().state
    order.charged_back = gbp(300)
    checked(captured, CHARGED_BACK)
    assert Payment.objects.get().state == before


@pytest.mark.parametrize(("ours", "shown", "claim"), [(300, 700, REVERSED), (700, 300, CHARGED_BACK)])
def test_a_sum_that_moved_the_other_way_does_not_confirm_a_claim(captured, order, ours, shown, claim):
    settle(operation_on(captured, Kind.CHARGE_BACK, ours), State.DONE)
    order.charged_back = gbp(shown)
    assert checked(captured, claim) == "denied"
    assert booked() == [("charge_back", ours)]


def test_two_charge_backs_that_are_told_at_once_are_asked_about_each(captured):
    Payment.objects.update(state="captured")
    for event_id in ("e-1", "e-2", "e-2"):
        event = ApplyProviderEvent(
            payment=captured.payment.reference,
            attempt=captured.order_code,
            kind=CHARGED_BACK,
            minor=300,
            currency="GBP",
            event_id=event_id,
        )
        deliver(checkout.service, command(event))
    asked = Saga.objects.filter(kind="asking").order_by("pk")
    assert [saga.data["event_id"] for saga in asked] == ["e-1", "e-2"]


@pytest.mark.parametrize(
    ("last", "entered", "told"),
    [(CHARGED_BACK, 500, 300), (CHARGED_BACK, 300, 500), (REVERSED, 300, 200)],
)
def test_a_charge_back_that_staff_may_have_entered_among_the_figures_is_not_booked_again(
    captured, order, says, last, entered, told
):
    """Staff enter one sum: that of two charge-backs, or of one less the amount that was returned."""
    settled(conflicted(captured, Attempt.State.AUTHORISED), books_with(1000, charged_back=entered))
    says(EventKind(last))
    assert checked(captured, last, told) == "unclear"
    assert "Staff have entered" in why()
    assert booked() == [(Kind.CHARGE_BACK, entered)]


def test_a_charge_back_that_staff_may_have_included_in_another_claim_is_not_booked_again(
    captured, order, says
):
    """Staff are asked for the whole sum that our books lack, so another charge-back may be included."""
    conflicted(captured, Attempt.State.AUTHORISED)
    Payment.objects.update(state=PaymentState.PARTIALLY_CAPTURED)
    saga = claimed(captured, minor=None)
    carried_out(said(saga, is_true=True, amount=gbp(500)), saga)
    says(EventKind.CHARGED_BACK)
    assert checked(captured, CHARGED_BACK, 300, event_id="e-2") == "unclear"
    says(EventKind.CHARGE_BACK_REVERSED)
    assert checked(captured, REVERSED, 300, event_id="e-3") == "booked"
