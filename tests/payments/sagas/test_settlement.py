"""The sagas of capture, void and refund after staff have settled the operation."""

from typing import Any

import pytest

from checkout.conf import conf
from tests.payments.sagas.conversation import Conversation
from tests.payments.sagas.test_operations import KINDS, accepted, asked, posted

PARKED_AT = pytest.mark.parametrize("step", ["request", "inquire", "conflicted"])


def parked(kind: str, step: str) -> Conversation:
    if step == "request":
        return asked(kind).answered_with_an_error().ended("parked")
    if step == "conflicted":
        return asked(kind).answered(outcome="conflicted").ended("parked")
    return until_parked(asked(kind).answered(outcome="unknown"))


def until_parked(saga: Conversation, **answer: Any) -> Conversation:
    for _ in conf.inquiry_delays:
        saga.asks("payments.inquire_operation").answered(**(answer or {"outcome": "unknown"}))
    return saga.ended("parked")


def accepted_and_parked(kind: str) -> Conversation:
    return until_parked(accepted(kind).waited_too_long(), outcome="pending")


def finished(saga: Conversation) -> Conversation:
    while saga.decision.ask is not None:
        saga.asks("ledger.post").answered()
    return saga


@KINDS
@PARKED_AT
def test_what_arrived_is_booked_and_done_wherever_it_is_parked(kind: str, step: str) -> None:
    finished(parked(kind, step).told("arrived")).signals(f"{kind}_done").ended("completed")


@KINDS
@PARKED_AT
def test_what_did_not_arrive_is_sent_again_as_the_same_with_all_its_patience(kind: str, step: str) -> None:
    saga = parked(kind, step).told("resend").asks(f"payments.{kind}", operation="op_1").after(0)
    saga.answered(outcome="unknown").asks("payments.inquire_operation").after(conf.inquiry_delays[0])


@KINDS
def test_what_is_sent_again_and_refused_has_ended(kind: str) -> None:
    parked(kind, "inquire").told("resend").answered(outcome="refused").ended("compensated")


@KINDS
def test_what_was_accepted_sent_again_and_accepted_again_waits_for_the_provider(kind: str) -> None:
    saga = accepted_and_parked(kind).told("resend").asks(f"payments.{kind}", operation="op_1")
    saga.answered(outcome="pending").waits_for_a_signal().tells_nothing()
    assert saga.decision.timeout == conf.notification_wait
    assert saga.decision.notify_parent is None, "its purchase has gone on with the first acceptance"
    finished(saga.told("done")).ended("completed")


def test_a_capture_that_was_booked_as_asked_for_sent_again_and_refused_is_booked_back() -> None:
    saga = accepted_and_parked("capture").told("resend").answered(outcome="refused")
    saga.tells("ledger.post", kind="reversal", reference="op_1").ended("compensated")


@KINDS
@pytest.mark.parametrize(("news", "end"), [("done", "completed"), ("refused", "compensated")])
def test_a_notification_settles_what_waits_with_an_answer_about_something_else(
    kind: str, news: str, end: str
) -> None:
    finished(parked(kind, "conflicted").told(news)).ended(end)


@KINDS
def test_what_has_ended_is_not_sent_again(kind: str) -> None:
    finished(accepted(kind).told("done")).ended("completed").ignores("resend").ignores("arrived")
    asked(kind).answered(outcome="refused").ended("compensated").ignores("resend").ignores("arrived")


def test_staff_s_word_that_a_refund_arrived_ends_the_doubt_too() -> None:
    saga = until_parked(accepted("refund").told("doubted").answered(outcome="unknown"))
    saga.told("arrived").tells("ledger.post", kind="refunded").ended("completed")


def test_a_refund_that_is_said_to_have_failed_is_not_sent_again() -> None:
    until_parked(accepted("refund").told("doubted").answered(outcome="unknown")).ignores("resend")


def test_a_refund_in_doubt_that_was_booked_is_not_sent_again_either() -> None:
    until_parked(posted().told("doubted").answered(outcome="unknown")).ignores("resend")


def test_staff_s_word_on_a_booked_refund_in_doubt_keeps_it_or_books_it_back() -> None:
    saga = until_parked(posted().told("doubted").answered(outcome="unknown"))
    saga.told("refused").tells("ledger.post", kind="refund_returned").ended("compensated")
    until_parked(posted().told("doubted").answered(outcome="unknown")).told("arrived").ended("completed")


@pytest.mark.parametrize(
    ("kind", "posting"), [("capture", "capture_returned"), ("refund", "refund_returned")]
)
def test_what_the_provider_turns_out_not_to_have_is_booked_back(kind: str, posting: str) -> None:
    saga = accepted(kind).told("done").ended("completed").told("undone")
    saga.tells("ledger.post", kind=posting, reference="op_1", minor=500)
    saga.signals(f"{kind}_refused").ended("compensated").ignores("undone")


def test_a_void_that_turns_out_to_have_released_nothing_has_nothing_to_book_back() -> None:
    accepted("void").told("done").ended("completed").told("undone").ended("compensated").ignores("undone")
