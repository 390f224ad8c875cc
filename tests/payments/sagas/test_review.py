"""A review of a conflicted payment, as a conversation, and its effect on the purchase."""

import pytest

from checkout.payments.sagas.asking import Asking, AskingData
from tests.payments.sagas.conversation import Conversation
from tests.payments.sagas.test_purchase import CAPTURE, an_accepted_purchase, an_authorised_purchase


def a_review() -> Conversation:
    saga = Conversation(Asking(), AskingData(payment="pay_1", attempt="pay_1-1"))
    return saga.asks("payments.review", payment="pay_1", attempt="pay_1-1")


@pytest.mark.parametrize(
    ("outcome", "event"), [("held", "conflict_resolved"), ("released", "conflict_released")]
)
def test_the_payment_follows_what_provider_and_operations_agree_on(outcome: str, event: str) -> None:
    saga = a_review().answered(outcome=outcome).answers_the_shopper().ended("completed")
    saga.signals(f"review_{outcome}")
    assert saga.events == [event]


@pytest.mark.parametrize("outcome", ["stands", "unknown"])
def test_nothing_changes_without_agreement(outcome: str) -> None:
    saga = a_review().answered(outcome=outcome).ended("completed").signals("")
    assert saga.events == []


def test_a_service_that_fails_changes_nothing_and_one_that_loses_the_question_is_asked_again() -> None:
    saga = a_review().ignores("authorised").waited_too_long().asks("payments.review")
    saga.answered_with_an_error().ended("completed")
    assert saga.events == []


def test_a_conflicted_purchase_goes_on_without_capturing() -> None:
    saga = an_accepted_purchase().answered(outcome="conflicted").ended("parked")
    saga.told("review_held").answers_the_shopper().asks("orders.confirm")
    assert saga.events == ["conflicted"]


def test_a_purchase_that_had_been_given_up_takes_its_order_up_again() -> None:
    saga = an_accepted_purchase().answered(outcome="refused").answered().ended("compensated")
    saga.told("review_held").asks("orders.confirm")


@pytest.mark.parametrize("step", ["conflicted", "capture"])
def test_a_purchase_of_which_nothing_is_held_gives_its_stock_back(step: str) -> None:
    saga = an_accepted_purchase().answered(outcome="conflicted" if step == "conflicted" else "approved")
    saga.told("review_released").asks("orders.release")
    assert "refused" not in saga.events


def test_an_order_that_was_confirmed_is_called_off_when_nothing_is_held() -> None:
    saga = an_authorised_purchase(capture_operation=CAPTURE, email="").told("capture_accepted").answered()
    saga.ended("completed").ignores("review_held").told("review_released").asks("orders.cancel")


def test_a_purchase_that_asks_again_in_an_hour_hears_of_the_contradiction_at_once() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").told("conflicted").after(0)
    saga.asks("payments.inquire").answered(outcome="conflicted").ended("parked")


def test_a_purchase_that_was_still_asking_captures_nothing_after_the_review() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").asks("payments.inquire")
    saga.told("review_held").asks("orders.confirm").answered().tells("notifications.send_receipt")


def test_a_purchase_that_was_still_asking_gives_its_stock_back_when_nothing_is_held() -> None:
    saga = an_accepted_purchase().answered(outcome="unknown").asks("payments.inquire")
    saga.told("review_released").asks("orders.release")


def test_a_purchase_whose_capture_never_ended_goes_on_when_the_money_is_found_to_be_taken() -> None:
    saga = an_accepted_purchase().answered(outcome="approved").told("capture_parked").ignores("review_held")
    saga.told("review_captured").answers_the_shopper().asks("orders.confirm")


def test_a_purchase_that_could_not_release_the_money_goes_on_when_it_is_found_to_be_taken() -> None:
    saga = an_accepted_purchase().answered(outcome="approved").told("capture_refused").told("void_refused")
    saga.ignores("review_held").told("review_captured").asks("orders.confirm")


def test_an_order_that_was_confirmed_stays_so_when_the_money_is_found_to_be_taken() -> None:
    saga = an_authorised_purchase(capture_operation=CAPTURE, email="").told("capture_accepted").answered()
    saga.ended("completed").told("review_captured").ignores("capture_refused")
    assert saga.decision.step == "finished"


def test_a_payment_that_staff_found_taken_stays_paid_whatever_becomes_of_its_own_capture() -> None:
    saga = an_accepted_purchase().answered(outcome="approved").told("capture_parked")
    saga.told("review_captured").answers_the_shopper().asks("orders.confirm")
    saga.ignores("capture_refused").answered().tells("notifications.send_receipt")
