"""Inquiries about a capture, void or refund whose outcome is unknown."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.models import Attempt, Fact, Operation, ProviderAccount, ProviderCall
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, Verb
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from checkout.payments.service import service
from tests.payments.providers.worldpay_messages import amount, balance, order_status, payment
from tests.payments.service.asking import (
    authorise,
    carry_out,
    inquire,
    inquire_operation,
    let_settle,
    operation_on,
    to_inquire_operation,
)
from tests.payments.service.delivering import deliver
from tests.support.memory_provider.books import OrderState
from tests.support.memory_provider.scenarios import Scenarios

pytestmark = pytest.mark.django_db
CAPTURE, VOID, REFUND = Operation.Kind.CAPTURE, Operation.Kind.VOID, Operation.Kind.REFUND
State = Operation.State


@pytest.fixture
def order(authorised, books):
    return books.orders[authorised.order_code]


def lost(attempt: Attempt, kind: str, minor: int = 1250) -> Operation:
    """Create an operation whose request was sent and got no answer."""
    operation = operation_on(attempt, kind, minor)
    operation.state = State.UNKNOWN
    operation.save()
    key = operation.reference
    ProviderCall.objects.create(attempt=attempt, key=key, recognised_key=key, verb=kind, was_alone=True)
    return operation


def made(attempt: Attempt, kind: str, minor: int = 1250, state: str = State.DONE) -> Operation:
    operation = operation_on(attempt, kind, minor)
    operation.state = state
    operation.save()
    return operation


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


def without_sums(scenarios: Scenarios) -> None:
    """Make the provider answer with the last event and no sums, as some do."""
    scenarios.tell("inquire", position=None)


def test_a_capture_that_the_provider_shows_is_done(authorised, order):
    operation = lost(authorised, CAPTURE)
    order.captured = gbp(1250)
    assert inquire_operation(operation) == "approved"
    assert operation.state == State.DONE
    fact = Fact.objects.get(kind="inquire_capture_approved")
    assert fact.data["reference"] == operation.reference


def test_a_pending_capture_that_is_not_booked_yet_stays_pending_however_old(authorised, order):
    operation = operation_on(authorised, CAPTURE)
    carry_out(operation)
    order.captured = gbp(0)
    let_settle(authorised)
    assert inquire_operation(operation) == "pending"
    assert operation.state == State.PENDING


@pytest.mark.parametrize("kind", [CAPTURE, VOID])
def test_what_is_not_shown_may_still_be_on_its_way(authorised, order, kind):
    operation = lost(authorised, kind)
    assert inquire_operation(operation) == "unknown"
    assert carry_out(operation) == "unknown"
    assert order.captured == gbp(0)
    assert order.state == OrderState.AUTHORISED


@pytest.mark.parametrize("kind", [CAPTURE, VOID])
def test_what_should_long_have_arrived_and_is_not_shown_is_sent_again_with_the_same_key(
    authorised, order, kind
):
    operation = lost(authorised, kind)
    let_settle(authorised)
    assert inquire_operation(operation) == "not_shown"
    assert operation.state == State.UNKNOWN
    assert carry_out(operation) == "pending"
    assert ProviderCall.objects.filter(attempt=authorised, verb=kind).get().key == operation.reference


def test_a_refund_that_is_not_shown_is_sent_again_once(authorised, order):
    made(authorised, CAPTURE)
    order.captured = gbp(1250)
    operation = lost(authorised, REFUND, 300)
    let_settle(authorised)
    assert inquire_operation(operation) == "not_shown"
    carry_out(operation)
    carry_out(operation)
    assert order.refunded == gbp(300)


def keys_are_off(attempt: Attempt) -> None:
    ProviderAccount.objects.filter(pk=attempt.provider_account_id).update(options={"remembers_keys": "no"})


def keys_were_off(attempt: Attempt) -> None:
    ProviderCall.objects.update(recognised_key="")


def keys_had_another_form(attempt: Attempt) -> None:
    ProviderCall.objects.update(recognised_key="another form of it")


def the_key_is_old(attempt: Attempt) -> None:
    """Let nearly a day pass: a copy that is sent now may arrive after it."""
    nearly_a_day = timedelta(days=1) - conf.settling_time
    ProviderCall.objects.update(started_at=timezone.now() - nearly_a_day)


UNSAFE = pytest.mark.parametrize(
    "is_unsafe", [keys_are_off, keys_were_off, keys_had_another_form, the_key_is_old]
)


@UNSAFE
@pytest.mark.parametrize("kind", [CAPTURE, REFUND])
def test_nothing_is_sent_again_that_could_be_carried_out_twice_later(authorised, order, kind, is_unsafe):
    if kind == REFUND:
        made(authorised, CAPTURE)
        order.captured = gbp(1250)
    operation = lost(authorised, kind, 300)
    let_settle(authorised)
    is_unsafe(authorised)
    assert inquire_operation(operation) == "undecided"
    assert carry_out(operation) == "unknown"
    assert (order.captured + order.refunded).minor == (1250 if kind == REFUND else 0)


@UNSAFE
def test_nothing_is_sent_any_more_once_it_has_become_unsafe(authorised, order, is_unsafe):
    operation = lost(authorised, CAPTURE, 300)
    let_settle(authorised)
    assert inquire_operation(operation) == "not_shown"
    is_unsafe(authorised)
    ProviderCall.objects.update(earlier_at=F("started_at"))
    assert carry_out(operation) == "unknown"
    assert order.captured == gbp(0)


def test_a_void_is_sent_again_without_any_key_as_a_second_one_changes_nothing(authorised, order):
    operation = lost(authorised, VOID)
    let_settle(authorised)
    keys_are_off(authorised)
    assert inquire_operation(operation) == "not_shown"
    assert carry_out(operation) == "pending"
    assert order.state == OrderState.CANCELLED


def test_the_refusal_of_a_repetition_may_be_because_the_first_one_arrived_after_all(
    authorised, order, scenarios
):
    made(authorised, CAPTURE)
    order.captured = gbp(1250)
    operation = lost(authorised, REFUND, 300)
    let_settle(authorised)
    assert inquire_operation(operation) == "not_shown"
    refusal = ProviderResult(outcome=Outcome.REFUSED, order_code=authorised.order_code, event="ERROR 5")
    scenarios.answer("refund", refusal)
    assert carry_out(operation) == "unknown"
    let_settle(authorised)
    assert inquire_operation(operation) == "undecided", "the first one may wait at the provider"
    order.refunded = gbp(300)
    assert inquire_operation(operation) == "approved"


@pytest.mark.parametrize("silence", ["unreachable", "unknown event"])
def test_a_provider_that_says_nothing_is_no_reason_to_send_anything_again(
    authorised, order, settings, scenarios, silence
):
    operation = lost(authorised, CAPTURE)
    let_settle(authorised)
    if silence == "unreachable":
        settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    else:
        nothing = ProviderResult(outcome=Outcome.UNKNOWN, kind=EventKind.OTHER, event="null")
        scenarios.answer("inquire", nothing)
    assert inquire_operation(operation) == "unknown"
    assert carry_out(operation) == "unknown"
    assert order.captured == gbp(0)


def test_partial_refunds_are_told_apart_by_sums_and_not_guessed(authorised, order):
    made(authorised, CAPTURE)
    order.captured = gbp(1250)
    first, second = lost(authorised, REFUND, 100), lost(authorised, REFUND, 200)
    order.refunded = gbp(100)
    assert {inquire_operation(first), inquire_operation(second)} == {"unknown"}
    order.refunded = gbp(300)
    assert {inquire_operation(first), inquire_operation(second)} == {"approved"}


def test_the_failure_of_an_earlier_refund_is_not_taken_for_that_of_a_later_one(authorised, order, scenarios):
    failed = ProviderResult(
        outcome=Outcome.APPROVED, order_code=authorised.order_code, kind=EventKind.REFUND_FAILED
    )
    scenarios.answer("inquire", failed)
    made(authorised, REFUND, 300, State.REFUSED)
    later = lost(authorised, REFUND, 300)
    assert inquire_operation(later) == "unknown"
    assert later.state == State.UNKNOWN


def test_the_failure_of_the_only_refund_is_its_own(authorised, order, scenarios):
    failed = ProviderResult(
        outcome=Outcome.APPROVED, order_code=authorised.order_code, kind=EventKind.REFUND_FAILED
    )
    scenarios.answer("inquire", failed)
    refund = lost(authorised, REFUND, 300)
    assert inquire_operation(refund) == "refused"
    assert refund.refusal_reason == "refund_failed", "it may be made after all"


def test_without_sums_an_event_that_another_operation_explains_proves_nothing(authorised, order, scenarios):
    without_sums(scenarios)
    made(authorised, CAPTURE)
    made(authorised, REFUND, 100)
    order.captured, order.refunded = gbp(1250), gbp(100)
    second = lost(authorised, REFUND, 200)
    assert inquire_operation(second) == "unknown"


def test_without_sums_the_only_operation_that_explains_the_event_is_done(authorised, order, scenarios):
    without_sums(scenarios)
    operation = lost(authorised, CAPTURE, 500)
    order.captured = gbp(500)
    assert inquire_operation(operation) == "approved"


def test_a_capture_that_was_followed_by_a_refund_is_still_seen(authorised, order):
    first, second = made(authorised, CAPTURE, 500), lost(authorised, CAPTURE, 750)
    made(authorised, REFUND, 100)
    order.captured, order.refunded = gbp(1250), gbp(100)
    assert inquire_operation(second) == "approved"
    assert first.state == State.DONE


@pytest.mark.parametrize("state", [OrderState.CANCELLED, OrderState.REFUSED])
def test_nothing_can_be_captured_any_more_of_what_was_released(authorised, order, state):
    operation = lost(authorised, CAPTURE)
    order.state = state
    assert inquire_operation(operation) == "refused"
    assert operation.state == State.REFUSED


def test_the_release_of_the_rest_says_nothing_of_a_capture_of_a_part(authorised, order):
    operation = lost(authorised, CAPTURE, 500)
    order.state = OrderState.CANCELLED
    assert inquire_operation(operation) == "unknown"


@pytest.mark.parametrize("state", [OrderState.CANCELLED, OrderState.REFUSED])
def test_a_void_is_done_when_nothing_is_held(authorised, order, state):
    operation = lost(authorised, VOID)
    order.state = state
    assert inquire_operation(operation) == "approved"


def test_a_void_of_what_was_captured_is_refused(authorised, order):
    operation = lost(authorised, VOID)
    order.captured = gbp(1250)
    assert inquire_operation(operation) == "refused"


def test_a_void_that_is_refused_because_nothing_is_held_has_reached_its_aim(authorised, order):
    order.state = OrderState.CANCELLED
    operation = operation_on(authorised, VOID)
    assert carry_out(operation) == "unknown"
    assert inquire_operation(operation) == "approved"
    assert operation.state == State.DONE


def test_a_void_that_is_refused_although_money_is_held_is_refused(authorised, order, scenarios):
    refusal = ProviderResult(outcome=Outcome.REFUSED, order_code=authorised.order_code, event="ERROR 5")
    scenarios.answer("void", refusal)
    operation = operation_on(authorised, VOID)
    assert carry_out(operation) == "unknown"
    assert inquire_operation(operation) == "refused"
    assert operation.state == State.REFUSED


def test_an_answer_about_other_money_is_conflicted_and_told(authorised, order):
    operation = lost(authorised, CAPTURE)
    order.amount = gbp(99_999)
    assert inquire_operation(operation) == "conflicted"
    authorised.refresh_from_db()
    assert authorised.state == Attempt.State.CONFLICTED
    assert operation.state == State.UNKNOWN


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(State.DONE, "approved"), (State.REFUSED, "refused"), (State.REQUESTED, "not_sent")],
)
def test_what_is_known_is_answered_without_asking(authorised, order, state, outcome):
    operation = made(authorised, CAPTURE, state=state)
    order.captured = gbp(1250)
    assert inquire_operation(operation) == outcome
    assert not Fact.objects.filter(kind__startswith="inquire_capture").exists()


def test_an_operation_of_another_attempt_is_an_error(authorised):
    operation = Operation(payment=authorised.payment, attempt=authorised, kind=CAPTURE, reference="none")
    assert deliver(service, to_inquire_operation(operation)).reply.error.code == "operation_not_found"


@pytest.mark.parametrize(("refunded", "state"), [(300, State.PENDING), (600, State.DONE)])
def test_the_sum_of_one_that_failed_and_was_made_after_all_is_not_taken_for_another_one(
    authorised, order, refunded, state
):
    made(authorised, CAPTURE)
    failed = made(authorised, REFUND, 300, State.REFUSED)
    Operation.objects.filter(pk=failed.pk).update(refusal_reason="refund_failed")
    later = made(authorised, REFUND, 300, State.PENDING)
    order.captured, order.refunded = gbp(1250), gbp(refunded)
    if refunded == 600:
        Operation.objects.filter(pk=failed.pk).update(state=State.DONE)  # its notification has come
    inquire_operation(later)
    later.refresh_from_db()
    assert later.state == state


@pytest.mark.parametrize(("kind", "outcome"), [(CAPTURE, "approved"), (VOID, "refused")])
def test_a_capture_that_only_the_balances_of_worldpay_show_is_done(authorised, scenarios, kind, outcome):
    operation = lost(authorised, kind)
    let_settle(authorised)
    answered_as_by_worldpay(authorised, scenarios)
    assert inquire_operation(operation) == outcome


def test_a_refund_is_not_sent_again_if_the_last_event_is_from_before_the_capture(authorised, scenarios):
    """Such an event does not rule out a later refund, and the balances may be from before the refund."""
    made(authorised, CAPTURE)
    operation = lost(authorised, REFUND, 300)
    let_settle(authorised)
    answered_as_by_worldpay(authorised, scenarios)
    assert (inquire_operation(operation), operation.state) == ("undecided", State.UNKNOWN)


def test_a_capture_that_only_the_balances_show_makes_no_authorisation_of_a_part(attempt, scenarios):
    authorise(attempt, "unknown")
    answered_as_by_worldpay(attempt, scenarios, minor=1000)
    assert inquire(attempt).result["outcome"] == "conflicted"


def answered_as_by_worldpay(attempt: Attempt, scenarios: Scenarios, minor: int = 1250) -> None:
    """Answer an inquiry with an order that was captured at once, whose last event is older."""
    taken = balance("IN_PROCESS_CAPTURED", minor)
    body = order_status(payment("AUTHORISED", taken, money=amount(minor)), order_code=attempt.order_code)
    answer = parse_reply(body, Verb.INQUIRE)
    scenarios.answer("inquire", answer)
