"""A notification reports a refund as failed: which answers of the provider confirm or deny that."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from checkout.conf import conf
from checkout.money import Money
from checkout.payments import service as payments
from checkout.payments.books.apply import fail_refund, make_after_all
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Fact, Operation, ProviderCall
from checkout.payments.providers.base import EventKind
from tests.payments.service.asking import authorise, inquire_operation, settle
from tests.payments.service.delivering import command, deliver
from tests.payments.service.doubting import is_said_to_have_failed, made, refund
from tests.support.memory_provider.books import Books, Order
from tests.support.memory_provider.scenarios import Scenarios

pytestmark = pytest.mark.django_db
CAPTURE = Operation.Kind.CAPTURE
State = Operation.State


@pytest.fixture
def captured(attempt: Attempt) -> Attempt:
    authorise(attempt, "approve")
    made(attempt, CAPTURE, 1250)
    return attempt


@pytest.fixture
def order(captured: Attempt, books: Books) -> Order:
    order = books.orders[captured.order_code]
    order.captured = order.amount
    return order


def test_a_failure_that_names_none_is_that_of_the_refund_in_doubt(captured, scenarios):
    is_said_to_have_failed(refund(captured, 529))
    refund(captured, 300)
    without_sums(scenarios, EventKind.REFUND_FAILED)
    body = CheckClaim(
        payment=captured.payment.reference, attempt=captured.order_code, claim="refund_failed", operation=""
    )
    assert deliver(payments.service, command(body)).result["outcome"] == "denied"


@pytest.mark.parametrize(
    ("shown", "outcome"), [(EventKind.REFUND_FAILED, "refused"), (EventKind.REFUNDED, "approved")]
)
@pytest.mark.parametrize("is_recent", [True, False])
def test_an_answer_decides_nothing_that_may_be_from_before_the_refund_s_end_or_its_failure(
    captured, scenarios, settings, shown, outcome, is_recent
):
    """Both notifications came just now in one case, and longer ago than the lag in the other."""
    settings.CHECKOUT_ORDER_LAG_SECONDS = 300
    then = timezone.now() - (0 if is_recent else 2) * conf.order_lag
    with time_machine.travel(then):
        operation = refund(captured, 529)
        is_said_to_have_failed(operation)
    # The time of the doubt is the database's.
    Operation.objects.filter(pk=operation.pk).update(doubted_at=then)
    without_sums(scenarios, shown)
    assert inquire_operation(operation) == ("unknown" if is_recent else outcome)
    operation.refresh_from_db()
    assert operation.state == (State.REFUSED if outcome == "refused" and not is_recent else State.DONE)


@pytest.mark.postgresql
def test_a_process_whose_clock_is_ahead_decides_nothing_by_an_answer_from_before_the_failure(
    captured, scenarios, settings
):
    settings.CHECKOUT_ORDER_LAG_SECONDS = 300
    operation = refund(captured, 529)
    is_said_to_have_failed(operation)
    without_sums(scenarios, EventKind.REFUNDED)
    with time_machine.travel(timezone.now() + 2 * conf.order_lag):
        assert inquire_operation(operation) == "unknown"


def test_an_answer_decides_nothing_that_may_be_from_before_the_refund_was_made_after_all(
    captured, scenarios, settings
):
    settings.CHECKOUT_ORDER_LAG_SECONDS = 300
    with time_machine.travel(timezone.now() - 2 * conf.order_lag):
        operation = refund(captured, 529)
        is_said_to_have_failed(operation)
    without_sums(scenarios, EventKind.REFUND_FAILED)
    is_said_to_have_failed(operation, event="REFUNDED")
    assert inquire_operation(operation) == "unknown"


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


def without_sums(scenarios: Scenarios, kind: EventKind) -> None:
    """Make the provider answer with this last event and no sums, as some do."""
    scenarios.tell("inquire", position=None, kind=kind)


def with_last_event(scenarios: Scenarios, kind: EventKind) -> None:
    scenarios.tell("inquire", kind=kind)


def meanwhile(scenarios: Scenarios, act: Callable[[], object]) -> None:
    """Call ``act`` once, after the provider has answered and before the answer is stored."""
    scenarios.meanwhile("inquire", act, times=1)


@pytest.mark.parametrize("state", [State.PENDING, State.UNKNOWN, State.DONE])
def test_sums_that_only_it_can_explain_deny_that_it_failed(captured, order, state):
    mine = refund(captured, 529, state)
    refund(captured, 300, State.PENDING)
    is_said_to_have_failed(mine)
    order.refunded = gbp(529)
    assert inquire_operation(mine) == "approved"
    assert mine.state == State.DONE


def test_sums_that_lack_a_refund_that_was_made_confirm_that_it_came_back(captured, order):
    mine = refund(captured, 529)
    refund(captured, 300)
    is_said_to_have_failed(mine)
    order.refunded = gbp(300)
    assert inquire_operation(mine) == "refused"
    assert (mine.state, mine.refusal_reason) == (State.REFUSED, "refund_failed")


@pytest.mark.parametrize("state", [State.PENDING, State.UNKNOWN])
def test_sums_that_lack_a_refund_that_was_never_seen_may_only_be_early(captured, order, state):
    mine = refund(captured, 529, state)
    is_said_to_have_failed(mine)
    assert inquire_operation(mine) == state
    assert mine.state == state


def test_sums_that_lack_more_than_it_leave_it_open(captured, order):
    mine = refund(captured, 529)
    refund(captured, 300)
    is_said_to_have_failed(mine)
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE


def test_sums_that_an_open_refund_explains_as_well_as_it_does_leave_it_open(captured, order):
    mine, _, pending = refund(captured, 500), refund(captured, 300), refund(captured, 200, State.PENDING)
    is_said_to_have_failed(mine)
    order.refunded = gbp(500)  # perhaps the second refund was returned without a notification
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE
    pending.state = State.REFUSED
    pending.save()
    order.refunded = gbp(300)
    assert inquire_operation(mine) == "refused"


def test_sums_that_lack_less_than_it_are_those_of_a_failure_that_nobody_has_told_yet(captured, order):
    mine, other = refund(captured, 529), refund(captured, 300)
    is_said_to_have_failed(mine)
    order.refunded = gbp(529)
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE
    is_said_to_have_failed(other)
    assert inquire_operation(mine) == "approved"
    assert inquire_operation(other) == "refused"


@pytest.mark.parametrize("state", [State.PENDING, State.UNKNOWN])
@pytest.mark.parametrize("sibling", [State.DONE, State.PENDING, State.REFUSED])
def test_sums_that_lack_it_confirm_that_it_failed_only_with_a_failure_that_can_be_no_other_s(
    captured, order, scenarios, state, sibling
):
    """With any other failure, the refund may still be booked, days later."""
    mine = refund(captured, 529, state)
    refund(captured, 300, sibling)
    is_said_to_have_failed(mine)
    order.refunded = gbp(300 if sibling == State.DONE else 0)
    for kind in (EventKind.REFUND_SENT, EventKind.REFUNDED, EventKind.CAPTURED):
        with_last_event(scenarios, kind)
        assert inquire_operation(mine) == state
    with_last_event(scenarios, EventKind.REFUND_FAILED)
    assert inquire_operation(mine) == (state if sibling == State.PENDING else "refused")


def test_a_refund_that_was_made_has_not_come_back_while_one_is_on_its_way(captured, order, scenarios):
    """The provider first reports that it sent a refund, and only later do its sums contain that refund."""
    mine = refund(captured, 529)
    is_said_to_have_failed(mine)
    with_last_event(scenarios, EventKind.REFUND_SENT)
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE


def test_a_refund_that_is_said_to_have_failed_has_arrived_and_is_not_sent_again(captured, order, scenarios):
    mine = refund(captured, 529, State.UNKNOWN)
    refund(captured, 300, State.PENDING)
    ProviderCall.objects.update(started_at=timezone.now() - timedelta(days=1))
    is_said_to_have_failed(mine)
    with_last_event(scenarios, EventKind.CAPTURED)
    assert inquire_operation(mine) == "unknown"


@pytest.mark.parametrize("state", [State.PENDING, State.UNKNOWN, State.DONE])
def test_a_failure_that_is_the_provider_s_last_word_of_the_only_refund_is_believed(
    captured, order, scenarios, state
):
    mine = refund(captured, 529, state)
    is_said_to_have_failed(mine)
    without_sums(scenarios, EventKind.REFUND_FAILED)
    assert inquire_operation(mine) == "refused"


@pytest.mark.parametrize("sibling", [State.DONE, State.PENDING, State.REFUSED])
def test_the_provider_s_last_word_may_be_about_another_refund(captured, order, scenarios, sibling):
    mine = refund(captured, 529)
    refund(captured, 300, sibling)
    is_said_to_have_failed(mine)
    without_sums(scenarios, EventKind.REFUND_FAILED)
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE


def test_the_failure_of_another_does_not_undo_one_that_the_sums_may_contain(captured, order, scenarios):
    mine = refund(captured, 300)
    refund(captured, 200, State.REFUSED)
    refund(captured, 400, State.PENDING)
    is_said_to_have_failed(mine)
    order.refunded = gbp(300)
    with_last_event(scenarios, EventKind.REFUND_FAILED)
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE


def test_the_failure_of_another_refund_does_not_confirm_it_against_the_sums(captured, order, scenarios):
    mine = refund(captured, 529)
    refund(captured, 300, State.REFUSED)
    is_said_to_have_failed(mine)
    order.refunded = gbp(529)
    with_last_event(scenarios, EventKind.REFUND_FAILED)
    assert inquire_operation(mine) == "approved"


def test_without_sums_the_only_refund_is_the_one_that_was_made(captured, order, scenarios):
    without_sums(scenarios, EventKind.REFUNDED)
    mine = refund(captured, 529)
    is_said_to_have_failed(mine)
    assert inquire_operation(mine) == "approved"


def test_without_sums_one_of_several_stays_what_it_was_and_open(captured, order, scenarios):
    without_sums(scenarios, EventKind.REFUNDED)
    mine = refund(captured, 529)
    refund(captured, 300)
    is_said_to_have_failed(mine)
    for _ in range(2):
        assert inquire_operation(mine) == "unknown"
        assert mine.state == State.DONE


def test_sums_that_another_open_refund_may_explain_decide_nothing_until_that_is_known(captured, order):
    mine, other = refund(captured, 300), refund(captured, 300, State.PENDING)
    is_said_to_have_failed(mine)
    order.refunded = gbp(300)
    assert inquire_operation(mine) == "unknown"
    settle(other, State.DONE)
    assert inquire_operation(mine) == "refused"


def test_two_that_came_back_at_once_are_both_found(captured, order):
    first, second, _ = refund(captured, 529), refund(captured, 300), refund(captured, 100)
    is_said_to_have_failed(first)
    is_said_to_have_failed(second)
    order.refunded = gbp(100)
    assert [inquire_operation(first), inquire_operation(second)] == ["refused", "refused"]


def test_a_refund_that_was_denied_is_certain_again_when_another_comes_back(captured, order):
    first, second = refund(captured, 300), refund(captured, 300)
    is_said_to_have_failed(first)
    order.refunded = gbp(600)
    assert inquire_operation(first) == "approved"
    is_said_to_have_failed(second)
    order.refunded = gbp(300)
    assert inquire_operation(second) == "refused"
    assert inquire_operation(first) == "approved"


def test_what_was_denied_may_come_back_later_all_the_same(captured, order):
    mine = refund(captured, 529)
    is_said_to_have_failed(mine)
    order.refunded = gbp(529)
    assert inquire_operation(mine) == "approved"
    order.refunded = gbp(0)
    assert inquire_operation(mine) == "approved", "nobody is asked about what is not in doubt"
    is_said_to_have_failed(mine)
    assert inquire_operation(mine) == "refused"


def test_sums_that_exceed_all_refunds_have_another_reason_and_leave_it_open(captured, order):
    mine = refund(captured, 529)
    is_said_to_have_failed(mine)
    order.refunded = gbp(1000)
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE


def test_a_failure_of_another_amount_puts_nothing_in_doubt(captured, order):
    mine = refund(captured, 529)
    assert is_said_to_have_failed(mine, minor=528).commands == []
    assert inquire_operation(mine) == "approved"
    assert not Fact.objects.filter(kind__startswith="inquire_refund").exists()


def test_a_provider_that_cannot_be_asked_leaves_it_open(captured, order, settings):
    mine = refund(captured, 529)
    is_said_to_have_failed(mine)
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE


def test_an_answer_that_is_older_than_the_refund_s_end_does_not_undo_it(captured, order, scenarios):
    mine = refund(captured, 529, State.PENDING)
    is_said_to_have_failed(mine)
    meanwhile(scenarios, lambda: Operation.objects.filter(pk=mine.pk).update(state=State.DONE))
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE


def test_an_answer_that_is_older_than_another_failure_does_not_deny_this_one(captured, order, scenarios):
    mine, other = refund(captured, 529), refund(captured, 300)
    is_said_to_have_failed(mine)
    order.refunded = gbp(300)
    meanwhile(scenarios, lambda: Operation.objects.filter(pk=other.pk).update(state=State.REFUSED))
    assert inquire_operation(mine) == "unknown"
    order.refunded = gbp(0)
    assert inquire_operation(mine) == "refused"


def test_an_answer_that_is_older_than_a_second_notification_does_not_deny_that(captured, order, scenarios):
    mine = refund(captured, 529)
    is_said_to_have_failed(mine)
    order.refunded = gbp(529)
    meanwhile(scenarios, lambda: is_said_to_have_failed(mine))
    assert inquire_operation(mine) == "unknown"
    order.refunded = gbp(0)
    assert inquire_operation(mine) == "refused"


def test_a_failure_that_is_older_than_its_making_after_all_does_not_undo_that(captured, order, scenarios):
    """The books look the same before and after: made, refused, made."""
    mine = refund(captured, 529)
    is_said_to_have_failed(mine)

    def failed_and_made_after_all() -> None:
        again = Operation.objects.get(pk=mine.pk)
        fail_refund(again.payment, again)
        make_after_all(again.payment, again)

    order.last_event = EventKind.REFUND_FAILED
    order.refunded = gbp(0)
    meanwhile(scenarios, failed_and_made_after_all)
    inquire_operation(mine)
    mine.refresh_from_db()
    assert mine.state == State.DONE
