"""The sagas of capture, void and refund, as conversations."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from checkout.conf import conf
from checkout.payments.sagas.operations.capture import Capture
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.sagas.operations.flow import OperationSaga
from checkout.payments.sagas.operations.refund import Refund
from checkout.payments.sagas.operations.void import Void
from checkout.payments.sagas.pauses import UNDECIDED_ANSWERS
from tests.payments.sagas.conversation import Conversation

DEFINITIONS: dict[str, Callable[[], OperationSaga]] = {
    "capture": Capture,
    "void": Void,
    "refund": Refund,
}
KINDS = pytest.mark.parametrize("kind", DEFINITIONS)
DATA: dict[str, Any] = {
    "payment": "pay_1",
    "attempt": "pay_1-1",
    "operation": "op_1",
    "minor": 500,
    "currency": "EUR",
}


def asked(kind: str) -> Conversation:
    saga = Conversation(DEFINITIONS[kind](), OperationData(**DATA))
    return saga.asks(f"payments.{kind}", attempt="pay_1-1", operation="op_1")


def accepted(kind: str) -> Conversation:
    """Return a saga whose request the provider has accepted and whose first posting is made."""
    saga = asked(kind).answered(outcome="pending").signals(f"{kind}_accepted")
    assert saga.decision.recalculate
    if kind == "capture":
        saga.asks("ledger.post", kind="capture_requested", reference="op_1", minor=500).answered()
    return saga.waits_for_a_signal()


def test_a_capture_is_booked_when_accepted_and_when_confirmed() -> None:
    saga = accepted("capture").told("done")
    saga.asks("ledger.post", kind="captured", reference="op_1", minor=500, currency="EUR")
    saga.answered().signals("capture_done").ended("completed")
    assert saga.decision.recalculate


def test_a_refund_is_booked_when_confirmed() -> None:
    saga = accepted("refund").told("done").asks("ledger.post", kind="refunded", reference="op_1", minor=500)
    saga.answered().signals("refund_done").ended("completed")


def test_a_void_moves_no_money_and_books_nothing() -> None:
    accepted("void").told("done").signals("void_done").ended("completed")


@KINDS
def test_what_the_provider_refuses_at_once_is_never_booked(kind: str) -> None:
    asked(kind).answered(outcome="refused").signals(f"{kind}_refused").ended("compensated")


def test_a_capture_that_is_refused_after_all_is_booked_back() -> None:
    saga = accepted("capture").told("refused").asks("ledger.post", kind="reversal", reference="op_1")
    saga.answered().signals("capture_refused").ended("compensated")


@pytest.mark.parametrize("is_malformed", [True, False])
@pytest.mark.parametrize(
    ("kind", "told", "posting"),
    [
        ("capture", ("done",), "captured"),
        ("capture", ("refused",), "reversal"),
        ("refund", ("done",), "refunded"),
    ],
)
def test_a_posting_is_asked_for_again_as_it_was(
    kind: str, told: tuple[str, ...], posting: str, is_malformed: bool
) -> None:
    """A reversal that is asked for again must not become the return of a capture that was never booked."""
    saga = accepted(kind)
    for signal in told:
        saga.told(signal)
    saga.asks("ledger.post", kind=posting)
    again = saga.answered_malformed() if is_malformed else saga.answered_with_an_error(retryable=True)
    again.asks("ledger.post", kind=posting, reference="op_1")


@KINDS
def test_an_accepted_operation_waits_for_the_notification_and_then_asks(kind: str) -> None:
    saga = accepted(kind)
    assert saga.decision.timeout == conf.notification_wait
    for delay in conf.inquiry_delays:
        saga.waited_too_long().asks("payments.inquire_operation", operation="op_1").after(delay)
    saga.answered(outcome="pending").ended("parked").signals(f"{kind}_parked")


@KINDS
def test_a_hint_makes_it_ask_at_once_and_another_starts_no_second_question(kind: str) -> None:
    saga = accepted(kind).told("hinted").asks("payments.inquire_operation", operation="op_1").after(0)
    saga.ignores("hinted").answered(outcome="pending").asks("payments.inquire_operation").after(5)
    saga.ignores("hinted")


@KINDS
def test_a_hint_means_nothing_where_an_answer_is_under_way_or_has_come(kind: str) -> None:
    saga = asked(kind).ignores("hinted").answered(outcome="approved")
    while saga.decision.ask is not None:
        saga.ignores("hinted").answered()
    saga.ended("completed").ignores("hinted")


@KINDS
@pytest.mark.parametrize("step", ["request", "await_provider", "inquire", "parked"])
def test_a_notification_ends_it_wherever_it_stands(kind: str, step: str) -> None:
    saga = asked(kind) if step == "request" else accepted(kind)
    if step in ("inquire", "parked"):
        saga.waited_too_long()
    if step == "parked":
        for _ in conf.inquiry_delays:
            saga.answered(outcome="unknown")
        saga.ended("parked")
    saga.told("done")
    while saga.decision.ask is not None:
        saga.asks("ledger.post").answered()
    saga.ended("completed")


def test_a_confirmation_that_overtakes_the_acceptance_is_booked_after_it() -> None:
    saga = asked("capture").answered(outcome="pending").asks("ledger.post", kind="capture_requested")
    saga.told("done").waits_for_a_signal().answered().asks("ledger.post", kind="captured")
    saga.answered().ended("completed")


@KINDS
def test_what_was_not_sent_is_sent_again_for_ever_and_reported(kind: str) -> None:
    saga = asked(kind)
    for delay in (*conf.retry_delays, conf.retry_delays[-1]):
        saga.answered(outcome="not_sent").asks(f"payments.{kind}", operation="op_1").after(delay)
        saga.signals(f"{kind}_delayed")
    assert saga.decision.is_overdue
    assert saga.events == []


@KINDS
def test_an_unknown_outcome_is_asked_about_and_nothing_is_repeated_meanwhile(kind: str) -> None:
    saga = asked(kind).answered(outcome="unknown").signals(f"{kind}_delayed")
    for delay in conf.inquiry_delays:
        saga.asks("payments.inquire_operation", operation="op_1").after(delay).answered(outcome="unknown")
    saga.ended("parked").resumed().asks("payments.inquire_operation").after(conf.inquiry_delays[0])


@KINDS
def test_only_what_the_provider_should_show_and_does_not_is_sent_again_as_the_same(kind: str) -> None:
    saga = asked(kind).answered(outcome="unknown").answered(outcome="not_shown")
    saga.asks(f"payments.{kind}", operation="op_1").answered(outcome="pending").signals(f"{kind}_accepted")


@KINDS
def test_what_the_provider_s_answers_leave_open_is_asked_a_few_times_more_and_then_for_staff(
    kind: str,
) -> None:
    saga = asked(kind).answered(outcome="unknown")
    for _ in range(UNDECIDED_ANSWERS - 1):
        saga.answered(outcome="undecided").asks("payments.inquire_operation", operation="op_1")
    saga.answered(outcome="undecided").ended("parked").signals(f"{kind}_parked")
    assert "look it up there" in saga.decision.why
    saga.resumed().asks("payments.inquire_operation", operation="op_1")


@KINDS
def test_what_was_accepted_is_never_sent_again(kind: str) -> None:
    saga = accepted(kind).waited_too_long().answered(outcome="not_shown")
    saga.asks("payments.inquire_operation").answered(outcome="not_sent").asks("payments.inquire_operation")


@KINDS
def test_a_lost_command_or_answer_is_asked_for_again_as_the_same(kind: str) -> None:
    saga = asked(kind)
    for _ in range(100):
        saga.waited_too_long().asks(f"payments.{kind}", operation="op_1")
    assert saga.decision.is_overdue


def test_a_lost_posting_is_posted_again() -> None:
    saga = asked("capture").answered(outcome="pending")
    saga.waited_too_long().asks("ledger.post", kind="capture_requested").answered()
    saga.told("done").waited_too_long().asks("ledger.post", kind="captured").answered().ended("completed")


@KINDS
def test_what_the_payments_service_rejects_gets_a_human_and_can_be_tried_again(kind: str) -> None:
    saga = asked(kind).answered_with_an_error().signals(f"{kind}_parked").ended("parked")
    assert "It did not work." in saga.decision.why
    saga.resumed().asks(f"payments.{kind}", operation="op_1")


@KINDS
def test_an_answer_about_something_else_is_for_staff(kind: str) -> None:
    saga = asked(kind).answered(outcome="conflicted").ended("parked")
    assert saga.events == ["conflicted"]
    saga.resumed().asks("payments.inquire_operation", operation="op_1")


def test_a_refund_that_comes_back_weeks_later_is_booked_back() -> None:
    saga = accepted("refund").told("done").answered().ended("completed").ignores("done")
    saga.told("refused").asks("ledger.post", kind="refund_returned", reference="op_1").answered()
    saga.signals("refund_refused").ended("compensated").ignores("refused")
    assert saga.decision.recalculate


def test_a_refund_that_comes_back_while_it_is_being_booked_is_booked_and_booked_back() -> None:
    saga = accepted("refund").told("done").asks("ledger.post", kind="refunded").told("refused")
    saga.waited_too_long().asks("ledger.post", kind="refunded").answered()
    saga.asks("ledger.post", kind="refund_returned").answered().ended("compensated")


def posted() -> Conversation:
    return accepted("refund").told("done").asks("ledger.post", kind="refunded").answered().ended("completed")


def test_a_finished_refund_that_is_said_to_have_failed_asks_at_once_and_waits_for_the_provider() -> None:
    saga = posted().told("doubted").asks("payments.inquire_operation", operation="op_1").after(0)
    saga.ignores("done")
    for delay in conf.inquiry_delays:
        saga.answered(outcome="unknown").asks("payments.inquire_operation").after(delay)
    saga.answered(outcome="unknown").ended("parked")
    saga.told("doubted").asks("payments.inquire_operation").after(0)


def test_what_the_provider_denies_is_finished_again_and_not_posted_again() -> None:
    saga = posted().told("doubted").answered(outcome="approved").signals("refund_done").ended("completed")
    saga.told("doubted").answered(outcome="approved").ended("completed")


def test_what_the_provider_confirms_is_booked_back() -> None:
    saga = posted().told("doubted").answered(outcome="refused")
    saga.asks("ledger.post", kind="refund_returned", reference="op_1").answered().ended("compensated")


def test_a_finished_refund_of_an_earlier_release_knows_that_it_is_booked() -> None:
    saga = posted()
    old = {name: getattr(saga.decision.data, name) for name in (*DATA, "is_accepted")}
    saga.decision = replace(saga.decision, data=OperationData(**old))
    saga.told("doubted").answered(outcome="approved").ended("completed")


def test_a_refund_that_failed_and_is_made_after_all_is_booked() -> None:
    saga = accepted("refund").told("refused").ended("compensated")
    saga.told("done").asks("ledger.post", kind="refunded", reference="op_1").answered().ended("completed")


def test_a_refund_that_came_back_and_is_made_once_more_is_booked_under_another_name() -> None:
    saga = posted().told("refused").asks("ledger.post", kind="refund_returned", reference="op_1").answered()
    saga.ended("compensated").told("done").asks("ledger.post", kind="refunded", reference="op_1/1").answered()
    saga.ended("completed").told("refused").asks("ledger.post", kind="refund_returned", reference="op_1/1")


def returning() -> Conversation:
    """Return the saga of a returned refund, while the return is being posted."""
    return posted().told("refused").asks("ledger.post", kind="refund_returned", reference="op_1")


def made_after_all_while_returning() -> Conversation:
    saga = returning().told("done").waits_for_a_signal()
    assert saga.decision.recalculate
    return saga


def test_a_refund_that_is_made_after_all_while_its_return_is_posted_is_booked_once_more() -> None:
    saga = made_after_all_while_returning().answered()
    saga.asks("ledger.post", kind="refunded", reference="op_1/1").answered()
    saga.signals("refund_done").ended("completed")


def test_the_return_of_a_refund_that_was_made_after_all_is_posted_again_under_its_name() -> None:
    saga = made_after_all_while_returning().waited_too_long()
    saga.asks("ledger.post", kind="refund_returned", reference="op_1").answered()
    saga.asks("ledger.post", kind="refunded", reference="op_1/1").answered().ended("completed")


def test_a_parked_return_remembers_that_the_refund_was_made_after_all() -> None:
    saga = returning().answered_with_an_error().ended("parked").told("done").waits_for_a_signal().resumed()
    saga.asks("ledger.post", kind="refund_returned", reference="op_1").answered()
    saga.asks("ledger.post", kind="refunded", reference="op_1/1").answered().ended("completed")


def test_a_refund_that_was_made_after_all_and_failed_again_stays_returned() -> None:
    saga = made_after_all_while_returning().told("refused").waits_for_a_signal().answered()
    saga.signals("refund_refused").ended("compensated")


def test_a_refund_that_was_made_after_all_may_be_doubted_before_it_is_booked_once_more() -> None:
    saga = made_after_all_while_returning().told("doubted").waits_for_a_signal().answered()
    saga.asks("ledger.post", kind="refunded", reference="op_1/1").answered()
    saga.asks("payments.inquire_operation").after(0).answered(outcome="refused")
    saga.asks("ledger.post", kind="refund_returned", reference="op_1/1").answered().ended("compensated")


def came_back_while_it_was_booked() -> Conversation:
    return accepted("refund").told("done").asks("ledger.post", kind="refunded").told("refused")


def test_a_return_is_posted_once_for_each_time_that_a_refund_came_back() -> None:
    saga = came_back_while_it_was_booked().answered()
    saga.asks("ledger.post", kind="refund_returned", reference="op_1").answered().ended("compensated")
    saga.told("done").asks("ledger.post", kind="refunded", reference="op_1/1").answered().ended("completed")


def test_a_refund_that_came_back_while_it_was_booked_and_is_made_after_all_stays_booked() -> None:
    saga = came_back_while_it_was_booked().told("done").waits_for_a_signal().answered()
    saga.signals("refund_done").ended("completed")


@pytest.mark.parametrize("before", ["await_provider", "inquire"])
def test_a_refund_that_is_waited_for_asks_at_once_and_an_older_answer_is_not_waited_for(before: str) -> None:
    saga = accepted("refund")
    if before == "inquire":
        saga.waited_too_long()
    saga.told("doubted").asks("payments.inquire_operation").after(0)
    saga.answered(outcome="pending").asks("payments.inquire_operation").after(conf.inquiry_delays[0])
    saga.answered(outcome="refused").ended("compensated")


@pytest.mark.parametrize("outcome", ["pending", "unknown"])
def test_a_failure_that_is_told_before_the_reply_is_asked_about_after_it(outcome: str) -> None:
    saga = asked("refund").told("doubted").waits_for_a_signal().waited_too_long().asks("payments.refund")
    saga.answered(outcome=outcome).asks("payments.inquire_operation").answered(outcome="refused")
    saga.ended("compensated")


def test_a_failure_that_is_told_before_the_posting_is_asked_about_after_it() -> None:
    saga = accepted("refund").told("done").asks("ledger.post", kind="refunded").told("doubted")
    saga.waits_for_a_signal().answered().asks("payments.inquire_operation").after(0)
    saga.answered(outcome="refused").asks("ledger.post", kind="refund_returned")


def test_a_confirmation_does_not_end_the_doubt_but_is_booked() -> None:
    saga = accepted("refund").told("doubted").told("done").asks("ledger.post", kind="refunded").answered()
    saga.asks("payments.inquire_operation").answered(outcome="approved").ended("completed")


def test_a_refused_refund_cannot_fail_once_more() -> None:
    asked("refund").answered(outcome="refused").ended("compensated").ignores("doubted")
    saga = posted().told("doubted").answered(outcome="refused").ignores("doubted").answered()
    saga.ended("compensated").ignores("doubted")


def test_a_refund_whose_answer_was_about_something_else_is_doubted_when_it_goes_on() -> None:
    saga = accepted("refund").waited_too_long().answered(outcome="conflicted").ended("parked")
    saga.told("doubted").waits_for_a_signal().resumed().asks("payments.inquire_operation")
    saga.told("done").answered().asks("payments.inquire_operation").answered(outcome="approved")
    saga.ended("completed")


@pytest.mark.parametrize("kind", ["capture", "void"])
def test_what_is_finished_stays_finished(kind: str) -> None:
    saga = accepted(kind).told("done")
    if kind == "capture":
        saga.answered()
    saga.ended("completed").ignores("refused").ignores("done")


@KINDS
def test_the_provider_s_other_news_mean_nothing_to_an_operation(kind: str) -> None:
    saga = accepted(kind)
    for signal in ("captured", "authorised", "cancelled", "conflicted"):
        saga.ignores(signal)
