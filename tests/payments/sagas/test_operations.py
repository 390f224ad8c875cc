"""The sagas of capture, void and refund, as conversations."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from checkout.conf import conf
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.sagas.operations.flow import OperationSaga
from checkout.payments.sagas.operations.kinds import Capture, Refund, Void
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
    """Return a saga whose request the provider has accepted."""
    saga = asked(kind).answered(outcome="pending").signals(f"{kind}_accepted")
    assert saga.decision.recalculate
    if kind == "capture":
        saga.tells("ledger.post", kind="capture_requested", reference="op_1", minor=500)
    return saga.waits_for_a_signal()


def test_a_capture_is_booked_when_accepted_and_when_confirmed() -> None:
    saga = accepted("capture").told("done")
    saga.tells("ledger.post", kind="captured", reference="op_1", minor=500, currency="EUR")
    saga.signals("capture_done").ended("completed")
    assert saga.decision.recalculate
    assert saga.postings == ["capture_requested:op_1", "captured:op_1"]


@pytest.mark.parametrize("step", ["request", "inquire"])
def test_a_capture_whose_acceptance_was_not_noticed_is_booked_as_requested_too(step: str) -> None:
    saga = asked("capture") if step == "request" else asked("capture").answered(outcome="unknown")
    saga.answered(outcome="approved").signals("capture_done").ended("completed")
    assert saga.postings == ["capture_requested:op_1", "captured:op_1"]


def included() -> Conversation:
    return Conversation(Capture(), OperationData(**DATA, is_included=True))


def test_a_capture_that_the_authorisation_includes_is_accepted_from_the_start() -> None:
    saga = included().signals("capture_accepted").waits_for_a_signal()
    assert saga.decision.recalculate
    saga.told("done").signals("capture_done").ended("completed")
    assert saga.postings == ["capture_requested:op_1", "captured:op_1"]


def test_the_provider_is_asked_for_it_if_no_notification_comes_and_it_is_not_sent_again() -> None:
    saga = included().waited_too_long().asks("payments.inquire_operation")
    saga.answered(outcome="not_shown").asks("payments.inquire_operation")
    saga.answered(outcome="approved").signals("capture_done").ended("completed")


def test_staff_may_have_it_sent_if_the_provider_never_made_it() -> None:
    saga = included().waited_too_long().told("resend").asks("payments.capture", operation="op_1")
    saga.answered(outcome="pending").waits_for_a_signal().told("done").ended("completed")
    assert saga.postings == ["capture_requested:op_1", "captured:op_1"]


def test_a_refund_is_booked_when_confirmed() -> None:
    saga = accepted("refund").tells_nothing().told("done")
    saga.tells("ledger.post", kind="refunded", reference="op_1", minor=500)
    saga.tells("notifications.send_refund_receipt", payment="pay_1", operation="op_1", minor=500)
    saga.signals("refund_done").ended("completed")


def test_a_shopper_is_told_of_a_refund_that_was_booked_while_it_was_in_doubt_once_it_is_confirmed() -> None:
    saga = accepted("refund").told("doubted").asks("payments.inquire_operation").told("done")
    assert saga.postings == ["refunded:op_1"]
    assert "notifications.send_refund_receipt" not in [each.to for each in saga.owed]
    saga.answered(outcome="approved").ended("completed")
    saga.tells("notifications.send_refund_receipt", operation="op_1", minor=500)
    assert saga.postings == ["refunded:op_1"]


def test_a_void_moves_no_money_and_books_nothing() -> None:
    saga = accepted("void").told("done").signals("void_done").ended("completed")
    assert saga.owed == []


@KINDS
def test_what_the_provider_refuses_at_once_is_never_booked(kind: str) -> None:
    saga = asked(kind).answered(outcome="refused").signals(f"{kind}_refused").ended("compensated")
    assert saga.owed == []


def test_a_capture_that_is_refused_after_all_is_booked_back() -> None:
    saga = accepted("capture").told("refused").signals("capture_refused").ended("compensated")
    assert saga.postings == ["capture_requested:op_1", "reversal:op_1"]


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
    asked(kind).ignores("hinted").answered(outcome="approved").ended("completed").ignores("hinted")


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
    saga.told("done").ended("completed")
    booked = {"capture": ["capture_requested:op_1", "captured:op_1"], "void": [], "refund": ["refunded:op_1"]}
    assert saga.postings == booked[kind]


@KINDS
def test_an_operation_that_is_inquired_about_again_is_accepted_once(kind: str) -> None:
    saga = accepted(kind).waited_too_long()
    before = saga.postings
    saga.answered(outcome="pending").asks("payments.inquire_operation").tells_nothing()
    assert saga.postings == before


@KINDS
def test_what_was_not_sent_is_sent_again_and_reported(kind: str) -> None:
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


def posted() -> Conversation:
    saga = accepted("refund").told("done").ended("completed")
    assert saga.postings == ["refunded:op_1"]
    return saga


def test_a_refund_that_comes_back_weeks_later_is_booked_back() -> None:
    saga = posted().ignores("done").told("refused").signals("refund_refused").ended("compensated")
    assert saga.decision.recalculate
    saga.ignores("refused")
    assert saga.postings == ["refunded:op_1", "refund_returned:op_1"]


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
    assert saga.postings == ["refunded:op_1"]


def test_what_the_provider_confirms_is_booked_back() -> None:
    saga = posted().told("doubted").answered(outcome="refused").ended("compensated")
    assert saga.postings == ["refunded:op_1", "refund_returned:op_1"]


def test_a_finished_refund_of_an_earlier_release_knows_that_it_is_booked() -> None:
    saga = posted()
    old = {name: getattr(saga.decision.data, name) for name in (*DATA, "is_accepted")}
    saga.decision = replace(saga.decision, data=OperationData(**old))
    saga.told("doubted").answered(outcome="approved").ended("completed")
    assert saga.postings == ["refunded:op_1"]


def test_a_refund_that_failed_and_is_made_after_all_is_booked() -> None:
    saga = accepted("refund").told("refused").ended("compensated").told("done").ended("completed")
    assert saga.postings == ["refunded:op_1"]


def test_a_refund_that_came_back_and_is_made_once_more_is_booked_under_another_name() -> None:
    """The ledger makes a posting of one name once, however often the refund comes back."""
    saga = posted()
    for _ in range(2):
        saga.told("refused").ended("compensated").told("done").signals("refund_done").ended("completed")
    saga.told("refused")
    assert saga.postings == [
        f"{kind}:op_1{suffix}" for suffix in ("", "/1", "/2") for kind in ("refunded", "refund_returned")
    ]


def test_a_refund_that_was_made_after_all_may_be_doubted_again() -> None:
    saga = posted().told("refused").told("done").told("doubted")
    saga.asks("payments.inquire_operation").after(0).answered(outcome="refused").ended("compensated")
    assert saga.postings[-2:] == ["refunded:op_1/1", "refund_returned:op_1/1"]


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


def test_a_confirmation_does_not_end_the_doubt_but_is_booked() -> None:
    saga = accepted("refund").told("doubted").told("done").tells("ledger.post", kind="refunded")
    saga.asks("payments.inquire_operation").answered(outcome="approved").ended("completed")
    assert saga.postings == ["refunded:op_1"]


def test_a_refused_refund_cannot_fail_once_more() -> None:
    asked("refund").answered(outcome="refused").ended("compensated").ignores("doubted")
    posted().told("doubted").answered(outcome="refused").ended("compensated").ignores("doubted")


def test_a_refund_whose_answer_was_about_something_else_is_doubted_when_it_goes_on() -> None:
    saga = accepted("refund").waited_too_long().answered(outcome="conflicted").ended("parked")
    saga.told("doubted").waits_for_a_signal().resumed().asks("payments.inquire_operation")
    saga.told("done").asks("payments.inquire_operation").answered(outcome="approved")
    saga.ended("completed")


@pytest.mark.parametrize("kind", ["capture", "void"])
def test_what_is_finished_stays_finished(kind: str) -> None:
    accepted(kind).told("done").ended("completed").ignores("refused").ignores("done")


@KINDS
def test_the_provider_s_other_news_mean_nothing_to_an_operation(kind: str) -> None:
    saga = accepted(kind)
    for signal in ("captured", "authorised", "cancelled", "conflicted"):
        saga.ignores(signal)
