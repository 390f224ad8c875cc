"""A capture or refund is sent again only if the provider's answer shows that it never arrived."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.errors import OutcomeUnknown
from checkout.money import Money
from checkout.payments.models import Attempt, Operation, ProviderCall
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, WholePosition
from tests.payments.service.asking import (
    authorise,
    carry_out,
    inquire_operation,
    let_settle,
    operation_on,
    settle,
)
from tests.support.memory_provider.books import Books, Manners, Order
from tests.support.memory_provider.scenarios import Scenarios

pytestmark = pytest.mark.django_db
CAPTURE, VOID, REFUND = Operation.Kind.CAPTURE, Operation.Kind.VOID, Operation.Kind.REFUND
State = Operation.State

Answer = Callable[..., None]


@pytest.fixture
def authorised(attempt: Attempt, books: Books) -> Attempt:
    """Return an authorised attempt at a bank that carries out every request, even repeated ones."""
    books.manners_for = lambda _code: Manners(deduplicates=False, tells_position=False, checks_amounts=False)
    authorise(attempt, "approve")
    return attempt


@pytest.fixture
def order(authorised: Attempt, books: Books) -> Order:
    return books.orders[authorised.order_code]


@pytest.fixture
def answers(authorised: Attempt, scenarios: Scenarios) -> Answer:
    """Return a function that makes the provider answer inquiries with a last event and perhaps sums."""

    def answer(kind: EventKind, *, captured: int | None = None, refunded: int = 0, **told: object) -> None:
        position = None
        if captured is not None:
            position = WholePosition(authorised=gbp(1250), captured=gbp(captured), refunded=gbp(refunded))
        result = ProviderResult(
            outcome=Outcome.APPROVED,
            order_code=authorised.order_code,
            kind=kind,
            event=kind.upper(),
            position=position,
            **told,  # type: ignore[arg-type]
        )
        scenarios.answer("inquire", result)

    return answer


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


def done(attempt: Attempt, kind: str, minor: int) -> Operation:
    operation = operation_on(attempt, kind, minor)
    settle(operation, State.DONE)
    ProviderCall.objects.create(
        attempt=attempt, key=operation.reference, verb=kind, was_alone=True, outcome="approved"
    )
    return operation


def answer_lost(attempt: Attempt, kind: str, minor: int, scenarios: Scenarios) -> Operation:
    """Create an operation whose request is carried out and whose answer is lost."""
    operation = operation_on(attempt, kind, minor)
    carry_out_as_lost(operation, scenarios, arrives=True)
    return operation


def request_lost(attempt: Attempt, kind: str, minor: int, scenarios: Scenarios) -> Operation:
    operation = operation_on(attempt, kind, minor)
    carry_out_as_lost(operation, scenarios, arrives=False)
    return operation


def carry_out_as_lost(operation: Operation, scenarios: Scenarios, *, arrives: bool) -> None:
    lost = OutcomeUnknown("no answer")
    course = scenarios.lose_answer(operation.kind) if arrives else scenarios.answer(operation.kind, lost)
    with course:
        assert carry_out(operation) == "unknown"
    let_settle(operation.attempt)


def test_a_second_refund_changes_no_last_event_and_is_not_sent_again(authorised, order, scenarios):
    done(authorised, CAPTURE, 1250)
    done(authorised, REFUND, 300)
    order.captured, order.refunded = gbp(1250), gbp(300)
    lost = answer_lost(authorised, REFUND, 300, scenarios)
    assert inquire_operation(lost) == "undecided"
    assert carry_out(lost) == "unknown"
    assert order.refunded == gbp(600)


def test_a_second_capture_changes_no_last_event_and_is_not_sent_again(authorised, order, scenarios):
    done(authorised, CAPTURE, 500)
    order.captured = gbp(500)
    lost = answer_lost(authorised, CAPTURE, 300, scenarios)
    assert inquire_operation(lost) == "undecided"
    assert carry_out(lost) == "unknown"
    assert order.captured == gbp(800)


def test_a_refund_of_a_settled_order_is_not_sent_again_as_the_settlement_may_have_come_later(
    authorised, answers, scenarios
):
    done(authorised, CAPTURE, 1250)
    lost = request_lost(authorised, REFUND, 300, scenarios)
    answers(EventKind.SETTLED)
    assert inquire_operation(lost) == "undecided"


@pytest.mark.parametrize("kind", [CAPTURE, REFUND])
def test_the_first_of_its_kind_is_sent_again_when_the_last_event_is_the_one_before_it(
    authorised, order, scenarios, kind
):
    if kind == REFUND:
        done(authorised, CAPTURE, 1250)
        order.captured = gbp(1250)
    lost = request_lost(authorised, kind, 300, scenarios)
    assert inquire_operation(lost) == "not_shown"
    assert carry_out(lost) == "pending"
    moved = order.captured if kind == CAPTURE else order.refunded
    assert moved == gbp(300)


def test_a_refund_of_a_part_that_was_captured_may_be_hidden_by_a_later_capture(authorised, order, scenarios):
    done(authorised, CAPTURE, 500)
    order.captured = gbp(500)
    lost = request_lost(authorised, REFUND, 300, scenarios)
    assert inquire_operation(lost) == "undecided"


def test_sums_that_lack_exactly_it_show_that_a_refund_never_arrived(authorised, answers, scenarios):
    done(authorised, CAPTURE, 500)
    done(authorised, REFUND, 300)
    done(authorised, CAPTURE, 750)
    lost = request_lost(authorised, REFUND, 400, scenarios)
    answers(EventKind.CAPTURED, captured=1250, refunded=300)
    assert inquire_operation(lost) == "not_shown"


def test_sums_that_lack_exactly_it_show_that_a_capture_never_arrived(authorised, answers, scenarios):
    done(authorised, CAPTURE, 500)
    lost = request_lost(authorised, CAPTURE, 400, scenarios)
    answers(EventKind.CAPTURED, captured=500)
    assert inquire_operation(lost) == "not_shown"


@pytest.mark.parametrize("event", [EventKind.REFUNDED, EventKind.REFUND_FAILED])
def test_sums_beside_a_refund_may_be_from_before_the_one_that_is_asked_about(
    authorised, answers, scenarios, event
):
    done(authorised, CAPTURE, 1250)
    done(authorised, REFUND, 300)
    lost = request_lost(authorised, REFUND, 300, scenarios)
    answers(event, captured=1250, refunded=300)
    assert inquire_operation(lost) == "undecided"


def test_captures_are_not_booked_by_sums_that_leave_out_what_is_still_held(authorised, answers, scenarios):
    """Without the sum that is still held, 3.00 captured looks like 12.50 captured and 9.50 refunded."""
    done(authorised, CAPTURE, 300)
    lost = request_lost(authorised, CAPTURE, 950, scenarios)
    answers(EventKind.CAPTURED, captured=1250, refunded=950)
    assert inquire_operation(lost) == "undecided"


@pytest.mark.parametrize("outcome", ["", "not_sent"])
def test_a_capture_that_is_sent_meanwhile_hides_a_refund(authorised, answers, scenarios, outcome):
    done(authorised, CAPTURE, 500)
    capture = operation_on(authorised, CAPTURE, 750)
    call = ProviderCall.objects.create(
        attempt=authorised, key=capture.reference, verb=CAPTURE, was_alone=True, outcome=outcome
    )
    lost = request_lost(authorised, REFUND, 300, scenarios)
    if outcome == "not_sent":
        # The first sending of the capture failed. It is sent again after the refund.
        ProviderCall.objects.filter(pk=call.pk).update(outcome="", started_at=timezone.now())
    ProviderCall.objects.filter(pk=call.pk).update(outcome="approved")
    settle(capture, State.DONE)
    answers(EventKind.CAPTURED)
    assert inquire_operation(lost) == "undecided"


def test_a_refund_that_failed_and_is_made_after_all_is_not_taken_for_a_later_one(
    authorised, answers, scenarios
):
    done(authorised, CAPTURE, 1250)
    settle(operation_on(authorised, REFUND, 300), State.REFUSED)
    lost = request_lost(authorised, REFUND, 300, scenarios)
    answers(EventKind.REFUNDED)
    assert inquire_operation(lost) == "undecided"


@pytest.mark.parametrize(
    ("event", "captured", "refunded"),
    [
        (EventKind.REFUND_SENT, 1250, 300),  # the refund may be in flight
        (EventKind.SETTLED, 1250, 300),  # this event may have replaced REFUND_SENT
        (EventKind.REFUNDED, 1250, 350),  # the merchant may refund elsewhere as well
        (EventKind.REFUNDED, 1100, 300),  # the captures are not ours, so the refunds may not be either
    ],
)
def test_sums_that_do_not_fit_exactly_leave_it_open(
    authorised, answers, scenarios, event, captured, refunded
):
    done(authorised, CAPTURE, 1250)
    done(authorised, REFUND, 300)
    lost = request_lost(authorised, REFUND, 400, scenarios)
    answers(event, captured=captured, refunded=refunded)
    assert inquire_operation(lost) == "undecided"


@pytest.mark.parametrize("other", [State.PENDING, State.UNKNOWN])
def test_while_another_one_is_open_the_sums_of_both_are_not_told_apart(authorised, answers, scenarios, other):
    done(authorised, CAPTURE, 1250)
    settle(operation_on(authorised, REFUND, 300), other)
    lost = request_lost(authorised, REFUND, 400, scenarios)
    answers(EventKind.CAPTURED, captured=1250)
    assert inquire_operation(lost) == "undecided"


def test_what_was_sent_beside_another_one_is_hidden_by_it_even_when_that_is_done(
    authorised, answers, scenarios
):
    done(authorised, CAPTURE, 1250)
    first = operation_on(authorised, REFUND, 300)
    settle(first, State.PENDING)
    lost = request_lost(authorised, REFUND, 400, scenarios)
    settle(first, State.DONE)
    answers(EventKind.REFUNDED, captured=1250, refunded=300)
    assert inquire_operation(lost) == "undecided"


def test_what_was_sent_after_it_hides_it(authorised, answers, scenarios):
    done(authorised, CAPTURE, 1250)
    lost = request_lost(authorised, REFUND, 400, scenarios)
    done(authorised, REFUND, 300)
    answers(EventKind.REFUNDED, captured=1250, refunded=300)
    assert inquire_operation(lost) == "undecided"


def test_the_only_refund_is_pending_when_the_provider_has_sent_it_on(authorised, answers, scenarios):
    done(authorised, CAPTURE, 1250)
    lost = request_lost(authorised, REFUND, 400, scenarios)
    answers(EventKind.REFUND_SENT)
    assert inquire_operation(lost) == "pending"


def test_an_answer_that_names_it_shows_that_it_arrived(authorised, answers, scenarios):
    done(authorised, CAPTURE, 1250)
    done(authorised, REFUND, 300)
    lost = request_lost(authorised, REFUND, 400, scenarios)
    answers(EventKind.REFUND_SENT, references=("other", lost.reference))
    assert inquire_operation(lost) == "pending"
    answers(EventKind.REFUNDED, references=(lost.reference,))
    assert inquire_operation(lost) == "approved"


def test_refunds_are_not_booked_by_sums_whose_captures_are_not_ours(authorised, answers, scenarios):
    """Without the sum that is still held, 5.00 captured looks like 12.50 captured and 7.50 refunded."""
    done(authorised, CAPTURE, 500)
    done(authorised, REFUND, 350)
    lost = request_lost(authorised, REFUND, 400, scenarios)
    answers(EventKind.REFUNDED, captured=1250, refunded=750)
    assert inquire_operation(lost) == "undecided"


def test_the_refusal_of_a_repetition_is_believed_only_if_no_earlier_copy_can_have_arrived(
    authorised, answers, scenarios
):
    done(authorised, CAPTURE, 500)
    done(authorised, REFUND, 300)
    done(authorised, CAPTURE, 750)
    repeated = request_lost(authorised, REFUND, 400, scenarios)
    ProviderCall.objects.filter(key=repeated.reference).update(outcome="refused")
    answers(EventKind.CAPTURED)
    assert inquire_operation(repeated) == "undecided"
    answers(EventKind.CAPTURED, captured=1250, refunded=300)
    assert inquire_operation(repeated) == "refused"


def test_a_late_refusal_of_an_earlier_copy_does_not_refuse_the_one_that_was_accepted(authorised, answers):
    """The provider only later shows the copy that it has accepted."""
    capture = operation_on(authorised, CAPTURE, 1250)
    assert carry_out(capture) == "pending"
    let_settle(authorised)
    ProviderCall.objects.filter(key=capture.reference).update(outcome="refused")
    answers(EventKind.AUTHORISED)
    assert inquire_operation(capture) == "pending"


@pytest.mark.parametrize(
    ("late", "state"),
    [
        (Outcome.REFUSED, State.UNKNOWN),
        (Outcome.NOT_SENT, State.UNKNOWN),
        (Outcome.NOT_FOUND, State.UNKNOWN),
        (Outcome.NOT_ABLE, State.UNKNOWN),
        (Outcome.PENDING, State.PENDING),
        (Outcome.APPROVED, State.DONE),
    ],
)
def test_a_late_answer_to_an_earlier_copy_says_nothing_of_the_one_that_is_under_way(
    authorised, scenarios, late, state
):
    """If the earlier copy was carried out, however, that is final."""
    capture = operation_on(authorised, CAPTURE, 1250)
    calls = ProviderCall.objects.filter(key=capture.reference)

    def another_copy_is_sent() -> None:
        """Let staff have the operation sent again, so that another process waits for the answer."""
        calls.update(started_at=timezone.now() + timedelta(minutes=3), outcome="")

    scenarios.answer("capture", ProviderResult(outcome=late, event="ERROR"))
    scenarios.before("capture", another_copy_is_sent)
    carry_out(capture)
    assert (calls.get().outcome, capture.state) == ("", state)


@pytest.mark.parametrize(
    ("kept", "outcome"), [(1250, "approved"), (1000, "approved"), (999, "undecided"), (625, "undecided")]
)
def test_a_capture_is_not_done_if_less_of_it_is_kept_than_refunds_explain(
    authorised, answers, scenarios, kept, outcome
):
    """The provider may have captured only a part. Otherwise more would be given back than was captured."""
    done(authorised, REFUND, 250)
    capture = answer_lost(authorised, CAPTURE, 1250, scenarios)
    answers(EventKind.CAPTURED, kept=gbp(kept), amount=gbp(1250))
    assert inquire_operation(capture) == outcome
