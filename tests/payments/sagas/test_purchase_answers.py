"""Rare answers and signals in a purchase."""

import pytest

from checkout.conf import conf
from tests.payments.sagas.conversation import Conversation
from tests.payments.sagas.test_purchase import CAPTURE, an_accepted_purchase, an_authorised_purchase


@pytest.mark.parametrize("has_challenge", [False, True])
def test_a_payment_that_was_not_sent_is_refused_at_once_so_that_the_shopper_may_try_again(
    has_challenge: bool,
) -> None:
    saga = an_accepted_purchase()
    if has_challenge:
        saga.answered(outcome="challenge_required").told("challenge_returned")
    saga.answered(outcome="not_sent", refusal_reason="provider_error").answers_the_shopper()
    assert saga.decision.transitions == ("refused",)
    assert saga.decision.refusal_reason == "provider_error"
    saga.asks("orders.release").answered().ended("compensated")


def test_a_refusal_without_a_reason_has_one_for_the_shopper() -> None:
    assert an_accepted_purchase().answered(outcome="refused").decision.refusal_reason == "provider_error"


FAILED = {"outcome": "approved", "refusal_reason": "authentication_failed"}


@pytest.mark.parametrize("has_challenge", [False, True])
def test_an_authorisation_that_the_account_refuses_is_released_before_the_payment_is_refused(
    has_challenge: bool,
) -> None:
    saga = an_accepted_purchase()
    if has_challenge:
        saga.answered(outcome="challenge_required").told("challenge_returned")
    saga.answered(**FAILED).starts("void", operation=f"{CAPTURE}-void")
    assert "refused" not in saga.events
    saga.told("void_accepted").answers_the_shopper()
    assert saga.decision.transitions == ("void_requested",)
    saga.told("void_done").asks("orders.release").answers_the_shopper()
    assert (saga.decision.transitions, saga.decision.attempt_transitions) == (("refused",), ("released",))
    assert saga.decision.refusal_reason == "authentication_failed"
    saga.answered().ended("compensated")


def test_an_authorisation_that_cannot_be_released_is_unknown_and_waits_for_staff() -> None:
    saga = (
        an_accepted_purchase().answered(**FAILED).told("void_refused").answers_the_shopper().ended("parked")
    )
    assert saga.decision.transitions == ("outcome_unknown",)
    assert saga.decision.why == "The authentication failed, and the authorisation could not be released."
    assert "refused" not in saga.events


@pytest.mark.parametrize("has_challenge", [False, True])
def test_an_attempt_whose_answer_is_lost_is_unknown_too(has_challenge: bool) -> None:
    saga = an_accepted_purchase()
    if has_challenge:
        saga.answered(outcome="challenge_required").told("challenge_returned")
    saga.waited_too_long().asks("payments.inquire")
    assert saga.decision.transitions == saga.decision.attempt_transitions == ("outcome_unknown",)


def test_a_challenge_ends_only_after_the_last_moment_at_which_its_shopper_may_return() -> None:
    saga = an_accepted_purchase().answered(outcome="challenge_required")
    assert saga.decision.timeout is not None
    assert saga.decision.timeout > conf.challenge_lifetime
    saga.waited_too_long().asks("payments.inquire").answers_the_shopper()
    assert (saga.decision.transitions, saga.decision.attempt_transitions) == ((), ()), (
        "it may yet be completed"
    )


def an_abandoned_challenge() -> Conversation:
    saga = an_accepted_purchase().answered(outcome="challenge_required").waited_too_long()
    return saga.answered(outcome="not_sent").asks("payments.abandon")


def test_a_late_challenge_of_which_the_provider_has_no_order_expires() -> None:
    saga = an_abandoned_challenge().answered(outcome="not_sent")
    assert saga.decision.transitions == saga.decision.attempt_transitions == ("expired",)
    saga.asks("orders.release").answered().ended("compensated")


def test_a_late_challenge_whose_cancellation_finds_a_contradiction_waits_for_staff() -> None:
    saga = an_abandoned_challenge().answered(outcome="conflicted").answers_the_shopper().ended("parked")
    assert (saga.decision.step, saga.decision.transitions) == ("conflicted", ("conflicted",))


def test_a_late_challenge_whose_end_nobody_can_tell_is_unknown_and_waits_for_staff() -> None:
    saga = an_abandoned_challenge()
    for _ in conf.inquiry_delays:
        saga.answered(outcome="unknown").asks("payments.inquire")
        saga.answered(outcome="unknown").asks("payments.abandon")
    saga.answered(outcome="unknown").answers_the_shopper().ended("parked")
    assert saga.decision.transitions == ("outcome_unknown",), "the shopper is no longer asked to complete it"
    assert "expired" not in saga.events


def test_a_capture_that_is_done_before_it_was_said_to_be_accepted_confirms_the_order() -> None:
    saga = an_authorised_purchase().told("capture_done").answers_the_shopper().asks("orders.confirm")
    assert saga.events == ["authorised"]


@pytest.mark.parametrize("parked", [False, True])
def test_staff_who_find_nothing_held_have_the_stock_released_while_a_void_is_under_way(parked: bool) -> None:
    saga = an_authorised_purchase().told("capture_refused").starts("void", operation=f"{CAPTURE}-void")
    if parked:
        saga.told("void_parked").ended("parked")
    saga.told("review_released").asks("orders.release")
    assert saga.decision.transitions == (), "the payment has been settled already"
    saga.answered().ended("compensated")


@pytest.mark.parametrize("at", ["conflicted", "inquire", "release_stock"])
def test_the_receipt_for_money_that_staff_found_taken_does_not_say_that_it_is_held(at: str) -> None:
    outcome = {"conflicted": "conflicted", "inquire": "unknown", "release_stock": "refused"}[at]
    saga = an_accepted_purchase(captures=False).answered(outcome=outcome)
    assert saga.decision.step == at
    saga.told("review_captured").asks("orders.confirm").ignores("capture_refused")
    saga.answered().tells("notifications.send_receipt", is_reserved=False).ended("completed")
    saga.ignores("capture_refused")


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize("at", ["conflicted", "inquire", "release_stock"])
def test_the_receipt_for_money_that_is_found_held_says_so_as_nothing_captures_it(
    at: str, included: bool
) -> None:
    """The provider still makes a capture that the authorisation includes."""
    outcome = {"conflicted": "conflicted", "inquire": "unknown", "release_stock": "refused"}[at]
    saga = an_accepted_purchase(is_capture_included=included).answered(outcome=outcome)
    assert saga.decision.step == at
    saga.told("review_held").asks("orders.confirm").answered()
    saga.tells("notifications.send_receipt", is_reserved=not included).ended("completed")


def test_the_release_of_stock_counts_its_own_tries() -> None:
    saga = an_accepted_purchase()
    for _ in range(3):
        saga.answered_with_an_error(retryable=True).asks("payments.authorise")
    saga.answered(outcome="refused").answered_with_an_error().after(conf.retry_delays[0])
    assert not saga.decision.is_overdue


@pytest.mark.parametrize("signal", ["review_held", "review_captured"])
def test_an_order_that_is_taken_up_again_is_asked_for_with_all_its_tries(signal: str) -> None:
    saga = an_accepted_purchase().answered(outcome="refused")
    for _ in conf.retry_delays:
        saga.answered_with_an_error().asks("orders.release")
    saga.told(signal).asks("orders.confirm")
    for delay_seconds in (1, 2, 4):
        saga.answered_with_an_error(retryable=True).asks("orders.confirm").after(delay_seconds)
    saga.answered().ended("completed")


def test_an_order_that_cannot_be_called_off_is_tried_for_ever_and_reported() -> None:
    saga = an_accepted_purchase(captures=False).answered(outcome="approved").told("void_done")
    for delay in (*conf.retry_delays, conf.retry_delays[-1]):
        saga.asks("orders.cancel").answered_with_an_error().after(delay)
    assert saga.decision.is_overdue
    saga.answered().ended("compensated")


def test_a_conflicted_purchase_asks_the_provider_when_staff_resume_it() -> None:
    saga = an_accepted_purchase().answered(outcome="conflicted").ended("parked")
    saga.resumed().asks("payments.inquire").answered(outcome="conflicted").ended("parked")


@pytest.mark.parametrize("signals", [("capture_refused", "review_captured"), ("review_captured",)])
def test_an_order_that_is_being_confirmed_is_paid_if_staff_find_the_money_taken(
    signals: tuple[str, ...],
) -> None:
    saga = an_authorised_purchase().told("capture_accepted").asks("orders.confirm")
    for signal in signals:
        saga.told(signal).waits_for_a_signal()
    saga.ignores("capture_refused").answered().tells("notifications.send_receipt").ended("completed")


@pytest.mark.parametrize("captures", [False, True])
def test_an_order_that_staff_found_paid_is_not_if_they_find_later_that_nothing_was_taken(
    captures: bool,
) -> None:
    saga = an_accepted_purchase(captures=captures).answered(outcome="approved")
    if captures:
        saga.told("capture_accepted")
    saga.ignores("review_not_captured").told("review_captured").told("review_not_captured")
    saga.waits_for_a_signal().ignores("review_not_captured").answered()
    assert saga.decision.step == ("unpaid" if captures else "finished")
    saga.told("review_captured").told("review_not_captured")
    assert saga.decision.step == ("unpaid" if captures else "finished")


@pytest.mark.parametrize("step", ["inquire", "conflicted", "capture", "void"])
def test_an_order_that_is_not_confirmed_is_given_up_if_its_money_was_taken_and_all_went_back(
    step: str,
) -> None:
    saga = an_accepted_purchase()
    if step in ("inquire", "conflicted"):
        saga.answered(outcome="unknown" if step == "inquire" else "conflicted")
    else:
        saga.answered(outcome="approved")
        saga.told("capture_refused" if step == "void" else "capture_delayed")
    assert saga.decision.step == step
    saga.told("review_given_back").asks("orders.release").ignores("review_given_back")
    saga.answered().ended("compensated").ignores("review_given_back")


def test_an_order_that_is_being_confirmed_is_cancelled_if_its_money_all_went_back() -> None:
    saga = an_authorised_purchase().told("capture_accepted").asks("orders.confirm")
    saga.told("review_given_back").asks("orders.cancel")


def test_an_order_that_was_confirmed_stays_so_if_its_money_all_went_back() -> None:
    """The merchant gave the money back for a reason, and may have sent the goods."""
    saga = an_authorised_purchase().told("capture_accepted").answered()
    saga.ended("completed").told("review_given_back").ignores("capture_refused")
    saga = an_authorised_purchase().told("capture_accepted").answered().told("capture_refused")
    saga.ended("parked").told("review_given_back").ended("completed").tells_nothing()


def test_an_order_that_was_called_unpaid_is_paid_when_staff_find_the_money_taken() -> None:
    saga = an_authorised_purchase().told("capture_accepted").answered().told("capture_refused")
    saga.ended("parked").ignores("review_held").told("review_captured").ended("completed").tells_nothing()
    saga.ignores("capture_refused").told("void_done").asks("orders.cancel")
